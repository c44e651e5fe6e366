"""Answers with fewer futures than were learnt: those that the whole distribution is nearest to."""

from __future__ import annotations

import torch
from torch import Tensor

from forecast.core.forecast import Forecast
from forecast.core.shapes import Float


def medoids(forecast: Forecast, count: int, power: float = 1.0) -> Forecast:
    """Choose modes one after the other: each lowers the expected distance to the nearest chosen one most.

    So the first is the mode that is nearest to everything that may happen, not the one whose share happens to be
    largest. Distances are means over the steps.

    Args:
        forecast: any frame.
        count: how many to choose.
        power: while choosing, modes weigh by their probability to this power; below 1 rare ones count more.

    Returns:
        ``count`` modes in the order in which they were chosen. Each stands for the modes that are nearest to it. Its
        probability is theirs together, except that no mode is more probable than one chosen before it: where it would
        be, neighbours in the order share alike (the nearest such numbers by least squares). Its covariance is the
        second moment, about its path, of all it stands for.

    Raises:
        ValueError: the forecast has fewer modes than that.
    """
    batch, modes = forecast.probabilities.shape
    if not 1 <= count <= modes:
        raise ValueError(f"medoids: expected 1 to {modes} of {modes} modes, got {count}")
    paths = forecast.positions_m
    # By coordinate: a norm over an axis of two is many times slower.
    across_m = [axis[:, :, None] - axis[:, None] for axis in paths.unbind(-1)]
    distance_m = (across_m[0].square() + across_m[1].square()).sqrt().mean(-1)
    chosen = _chosen(distance_m, forecast.probabilities**power, count)
    # (batch, mode, chosen): the first of equals stands for it.
    nearest = distance_m.gather(2, chosen[:, None].expand(batch, modes, count)).argmin(2)
    stands = nearest[..., None] == torch.arange(count, device=nearest.device)
    given = (stands * forecast.probabilities[..., None]).transpose(1, 2)
    picked = _picked(paths, chosen)
    headings = None if forecast.headings_rad is None else _picked(forecast.headings_rad, chosen)
    covariances = None
    if forecast.covariances_m2 is not None:
        own = _picked(forecast.covariances_m2, chosen)
        # Of each mode about the path that stands for it.
        off = paths - _picked(picked, nearest)
        about = forecast.covariances_m2 + off[..., :, None] * off[..., None, :]
        held = given.sum(2, keepdim=True)
        share = given / held.clamp(min=torch.finfo(given.dtype).tiny)
        moments = share.to(about.dtype) @ about.flatten(2)
        covariances = torch.where(held[..., None, None] > 0, moments.view(own.shape), own)
    return Forecast(picked, falling(given.sum(2)), headings, covariances, forecast.frame)


def _chosen(distance_m: Tensor, weight: Tensor, count: int) -> Tensor:
    """(batch, count) which modes, by (batch, modes, modes) distances and (batch, modes) weights."""
    nearest_m, taken, found = None, torch.zeros_like(weight, dtype=torch.bool), []
    for _ in range(count):
        after_m = distance_m if nearest_m is None else torch.minimum(distance_m, nearest_m[:, :, None])
        cost = (weight[..., None] * after_m).sum(1).masked_fill(taken, torch.inf)
        best = cost.argmin(1, keepdim=True)
        found.append(best)
        taken = taken | (torch.arange(taken.shape[1], device=best.device) == best)
        nearest_m = after_m.gather(2, best[:, None].expand(-1, after_m.shape[1], 1))[..., 0]
    return torch.cat(found, 1)


def _picked(values: Tensor, chosen: Tensor) -> Tensor:
    index = chosen.view(*chosen.shape, *[1] * (values.ndim - 2))
    return values.gather(1, index.expand(-1, -1, *values.shape[2:]))


def falling(values: Float[Tensor, "batch modes"]) -> Float[Tensor, "batch modes"]:
    """The numbers nearest to these, by least squares, that nowhere rise; their sum is the same.

    Args:
        values: (batch, modes), no unit.
    """
    # Value i is the least over all beginnings a ≤ i of the greatest mean of a … b over all ends b ≥ i.
    count = values.shape[1]
    places = torch.arange(count, device=values.device)
    sums = torch.cat([values.new_zeros(values.shape[0], 1), values.cumsum(1)], 1)
    lengths = (places[None] - places[:, None] + 1).clamp(min=1)
    means = (sums[:, None, 1:] - sums[:, :-1, None]) / lengths
    begun, ended = places[:, None] <= places[None], places[None] >= places[:, None]
    # (batch, a, i): greatest mean from a to an end of at least i.
    greatest = means[:, :, None].masked_fill(~ended, -torch.inf).amax(3)
    return greatest.masked_fill(~begun, torch.inf).amin(1)
