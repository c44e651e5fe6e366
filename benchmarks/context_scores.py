"""What a model of the junction world is judged by, row by row, and the bounds beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from context_worlds import World
from numpy.typing import NDArray

from forecast.core.forecast import Forecast
from forecast.eval.bayes import displacement
from forecast.explain.audit.junction_parts import best_paths_m
from forecast.model.cvae_config import CVAEConfig
from forecast.model.medoids import medoids
from forecast.model.merging import merge_modes
from forecast.model.mixture import joint_nll, log_density
from forecast.model.network_protocol import Network
from forecast.model.unicycle import Motion

Floats = NDArray[np.float64]
#: A step whose log-likelihood is below this is one whose gradient the published clip takes away, nats.
PUBLISHED_CLIP = -6.0
MERGE_RADIUS_M = CVAEConfig().merge_radius_m


def scores(model: Network, world: World) -> dict[str, Floats]:
    """Per row of the world; errors are expectations over the true futures, metres."""
    model.eval()
    rows = np.arange(len(world))
    forecast = _mixture(model, world, rows, rows)
    found = {**_errors(forecast, world), **_likelihoods(forecast, world), "arm": _arm_error(forecast, world)}
    if model.config.uses_map:
        # The map of another target, from a fixed permutation; history and neighbours stay.
        shuffled = _mixture(model, world, rows, np.random.default_rng(0).permutation(rows))
        found |= {f"shuffled_{name}": value for name, value in _errors(shuffled, world).items()}
    return found


def bounds(world: World) -> dict[str, Floats]:
    """The same errors of forecasters that know the true distribution, seeing everything or the history alone."""
    sighted, blind = best_paths_m(world.truth)
    found = {}
    for name, points in (("sighted", sighted), ("blind", blind)):
        distance = displacement(points, world.outcomes)
        found |= {f"{name}_ade": distance.mean(1), f"{name}_fde": distance[:, -1]}
    return found


@torch.no_grad()
def _mixture(model: Network, world: World, rows: NDArray[np.int64], maps: NDArray[np.int64]) -> Forecast:
    parts = []
    for first in range(0, len(rows), 500):
        chosen = slice(first, first + 500)
        batch = world.of(rows[chosen]).batch(list(range(len(rows[chosen]))))
        crop = world.of(maps[chosen]).batch(list(range(len(rows[chosen])))).crop
        parts.append(model.mixture(replace(batch, crop=crop)))
    names = ("positions_m", "probabilities", "headings_rad", "covariances_m2")
    return Forecast(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def _errors(forecast: Forecast, world: World) -> dict[str, Floats]:
    modes, odds = forecast.positions_m.double(), forecast.probabilities.double()
    merged = merge_modes(forecast, MERGE_RADIUS_M)
    points = {
        "ml": forecast.most_likely(),
        "merged": merged.most_likely(),
        "medoid": medoids(forecast, 1).positions_m[:, 0],
        "median": _median(modes, odds, world.truth.noise_m),
    }
    found = {}
    for name, path in points.items():
        distance = displacement(path.double().numpy(), world.outcomes)
        found |= {f"ade_{name}": distance.mean(1), f"fde_{name}": distance[:, -1]}
    for name, chances in (("", odds), ("_merged", merged.probabilities)):
        best = chances.topk(5).indices
        chosen = modes.gather(1, best[..., None, None].expand(-1, -1, *modes.shape[2:]))
        errors = (chosen - world.batch.future[:, None].double()).norm(dim=-1).mean(-1)
        found[f"min_ade_5{name}"] = errors.amin(1).numpy()
    return found


def _median(modes: torch.Tensor, odds: torch.Tensor, noise_m: Floats, rounds: int = 50) -> torch.Tensor:
    """Weighted geometric median of the modes at each step, smoothed by the noise of the truth (Weiszfeld)."""
    smooth = torch.from_numpy(noise_m) ** 2
    weights = odds[:, :, None]
    point = (weights[..., None] * modes).sum(1)
    for _ in range(rounds):
        pull = weights / ((modes - point[:, None]).square().sum(-1) + smooth).sqrt()
        point = (pull[..., None] * modes).sum(1) / pull.sum(1)[..., None]
    return point


def _likelihoods(forecast: Forecast, world: World) -> dict[str, Floats]:
    batch, odds = world.batch, forecast.probabilities
    logs = odds.clamp(min=torch.finfo(odds.dtype).tiny).log()
    x, y = forecast.positions_m.unbind(-1)
    assert forecast.covariances_m2 is not None
    c = forecast.covariances_m2
    motion = Motion(x, y, x, c[..., 0, 0], c[..., 0, 1], c[..., 1, 1])
    steps = log_density(motion, batch.future[:, None, :, 0], batch.future[:, None, :, 1])
    by_step = torch.logsumexp(logs[..., None] + steps, 1)
    return {
        "nll": joint_nll(forecast, batch.future, batch.future_valid).double().numpy(),
        "entropy": -(odds * logs).sum(1).double().numpy(),
        "clipped": (by_step < PUBLISHED_CLIP).double().mean(1).numpy(),
    }


def _arm_error(forecast: Forecast, world: World) -> Floats:
    """|P(arm) − ½| where a fair coin decides between two arms; NaN elsewhere. A mode belongs to the nearer arm."""
    truth = world.truth
    fair = np.isclose(truth.probabilities[:, :2], 0.5).all(axis=1)
    ends = torch.from_numpy(np.nan_to_num(truth.means_m[:, :2, -1]))
    distance = (forecast.positions_m[:, :, None, -1].double() - ends[:, None]).norm(dim=-1)
    share = (forecast.probabilities.double() * (distance[..., 0] < distance[..., 1])).sum(1).numpy()
    return np.where(fair, np.abs(share - 0.5), np.nan)
