"""Merges near-equal modes: which mode represents each group, and with what probability."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from forecast.core.forecast import Forecast


def merge_modes(forecast: Forecast, radius_m: float) -> Forecast:
    """Give the probabilities of near-equal modes to one of them.

    A latent with more values than there are futures shares a future's probability among several modes, as it happens;
    the most probable mode is then not the most probable future. Here every mode hands its probability to that one of
    the modes near it (itself included) which has most probability around it. Two modes are near if nowhere, at the
    same time, ``radius_m`` or more apart; a mode at distance d counts ``1 − (d / radius_m)²`` to the probability
    around another. One pass without a loop, so that it can be exported: chains of modes are not followed.

    Args:
        forecast: any frame.
        radius_m: 0 leaves the forecast as it is.

    Returns:
        The same modes in the same order. One that was merged into another keeps its path, with probability 0. The
        covariances of one that took others in are second moments, about its path, of all it stands for.
    """
    if radius_m <= 0:
        return forecast
    probabilities, (x, y) = forecast.probabilities, forecast.positions_m.unbind(-1)
    squared_m2 = (x[:, :, None] - x[:, None]).square() + (y[:, :, None] - y[:, None]).square()
    closeness = (1 - squared_m2.amax(-1) / radius_m**2).clamp(min=0)
    around = (closeness * probabilities[:, None]).sum(-1)
    taker = torch.where(closeness > 0, around[:, None], -1).argmax(-1)
    # (batch, taker, giver) probability that is handed over.
    takers = torch.arange(probabilities.shape[1], device=probabilities.device)[:, None]
    given = probabilities[:, None] * (taker[:, None] == takers)
    merged = given.sum(-1)
    return replace(forecast, probabilities=merged, covariances_m2=_second_moments(forecast, taker, given, merged))


def _second_moments(forecast: Forecast, taker: Tensor, given: Tensor, merged: Tensor) -> Tensor | None:
    own, paths = forecast.covariances_m2, forecast.positions_m
    if own is None:
        return None
    off = paths - paths.gather(1, taker[..., None, None].expand_as(paths))
    about_taker = own + off[..., :, None] * off[..., None, :]
    takes = merged > 0
    share = given / torch.where(takes, merged, 1)[..., None]
    return torch.where(takes[..., None, None, None], (share @ about_taker.flatten(2)).view(own.shape), own)
