"""Part 3: the world ahead is bent; does the forecast stay on the road? After Bahari and others, CVPR 2022.

The map is moved sideways by f(x) for x more than 5 m ahead. The past, which lies before the bend, is slowed where the
bend could not be driven: v² ≤ 0.7 g r at its sharpest place. The truth is slowed and bent alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.forecast import Forecast
from forecast.eval.results import PerItem, per_item
from forecast.explain.audit.asked import Agents, ask, error_m, told
from forecast.explain.crop_geometry import centres, resampled
from forecast.explain.map_edits import road_channel
from forecast.explain.validity import SIDEWAYS_MPS2
from forecast.prediction.predictor import BatchPredictor

Floats = NDArray[np.float64]
Shape = Callable[[Floats], Floats]

_FROM_M, _TO_M = 5.0, 120.0
#: No bend turns the road by more than this.
_STEEPEST = 1.2


def _smooth_turn(radius_m: float) -> Shape:
    """A turn of constant curvature, straight on where it has become steep."""

    def shape(x: Floats) -> Floats:
        along = np.maximum(x - _FROM_M, 0.0)
        until = _STEEPEST * radius_m
        return np.where(along < until, along**2 / (2 * radius_m), _STEEPEST * (along - until / 2))

    return shape


def _double_turn(aside_m: float, length_m: float = 25.0) -> Shape:
    """To one side and on in parallel."""
    return lambda x: aside_m / 2 * (1 - np.cos(np.pi * np.clip((x - _FROM_M) / length_m, 0, 1)))


def _ripple(amplitude_m: float, wave_m: float = 30.0) -> Shape:
    """A road that swings: A (1 − cos 2πx/λ)."""
    return lambda x: amplitude_m * (1 - np.cos(2 * np.pi * np.maximum(x - _FROM_M, 0) / wave_m))


#: Shape of the bend → power (weak to strong) → sideways displacement over x, metres.
ATTACKS: dict[str, tuple[Shape, ...]] = {
    "smooth turn": (_smooth_turn(80.0), _smooth_turn(50.0), _smooth_turn(30.0)),
    "double turn": (_double_turn(4.0), _double_turn(8.0), _double_turn(12.0)),
    "ripple": (_ripple(1.5), _ripple(2.5), _ripple(4.0)),
}


def bent(batch: AgentBatch, shape: Shape, spec: CropSpec) -> AgentBatch:
    """The same agents in a bent world, slowed where they must be; futures too.

    Args:
        batch: with crops; neighbours are bent, not slowed.
        shape: sideways displacement of what is x metres ahead.
        spec: of the crops.
    """
    assert batch.crop is not None
    ahead = np.linspace(0.0, _TO_M, 1201)
    slope = np.gradient(shape(ahead), ahead)
    sharpest = float(np.max(np.abs(np.gradient(slope, ahead)) / (1 + slope**2) ** 1.5))
    allowed_mps = np.sqrt(SIDEWAYS_MPS2 / max(sharpest, 1e-6))
    speed = batch.history[:, -1, 2:4].norm(dim=-1)
    slower = (allowed_mps / speed.clamp(min=1e-3)).clamp(max=1.0)
    history = batch.history.clone()
    history[..., :6] *= slower[:, None, None]
    history[..., 7] *= slower[:, None]
    future = batch.future * slower[:, None, None]
    # As far along the bent road as it would have been along the straight one.
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(ahead), np.diff(shape(ahead))))])
    along = torch.from_numpy(np.interp(future[..., 0].double().numpy(), arc, ahead)).to(future)
    along = torch.where(future[..., 0] > 0, along, future[..., 0])
    others = batch.neighbours.clone()
    others[..., 1] += _moved(others[..., 0], shape)
    future = torch.stack([along, future[..., 1] + _moved(along, shape)], -1)
    return replace(
        batch,
        history=history,
        future=torch.where(batch.future_valid[..., None], future, 0.0),
        neighbours=torch.where(batch.neighbours_valid[..., None], others, 0.0),
        crop=_bent_map(batch.crop, shape, spec),
    )


def _moved(x: Tensor, shape: Shape) -> Tensor:
    return torch.from_numpy(shape(x.double().numpy())).to(x)


def _bent_map(crop: Tensor, shape: Shape, spec: CropSpec) -> Tensor:
    x, y = centres(spec).unbind(-1)
    places = torch.stack([x, y - _moved(x, shape)], -1)
    return resampled(crop, places.expand(len(crop), -1, -1, -1), spec)


def off_road(forecast: Forecast, batch: AgentBatch, spec: CropSpec) -> tuple[PerItem, PerItem]:
    """Share of the most likely path's points off the road, and whether any is; points outside the crop do not count.

    Args:
        forecast: agent frame.
        batch: with the crops that show the road.
        spec: of the crops.
    """
    assert batch.crop is not None
    path = forecast.most_likely()
    row = ((path[..., 0] + spec.behind_m) * spec.px_per_m).floor().long()
    column = ((path[..., 1] + spec.right_m) * spec.px_per_m).floor().long()
    inside = (row >= 0) & (row < spec.height_px) & (column >= 0) & (column < spec.width_px)
    # A point is on the road where the pixel or one beside it is: a car's middle need not be in the middle of a lane.
    road = functional.max_pool2d(batch.crop[:, road_channel(spec)][:, None], 3, 1, 1)[:, 0]
    agent = torch.arange(len(path))[:, None]
    on = road[agent, row.clamp(0, spec.height_px - 1), column.clamp(0, spec.width_px - 1)] >= 0.5
    off = (inside & ~on).double()
    counted = inside.any(1).numpy()
    share = (off.sum(1) / inside.sum(1).clamp(min=1)).numpy()
    return per_item(share, counted), per_item(off.amax(1).numpy(), counted)


def scene_attack(model: BatchPredictor, agents: Agents) -> dict[str, Any]:
    """Shares of points and of forecasts off the road, and errors against the bent truth, by shape and power."""
    spec = model.config.crop
    found: dict[str, Any] = {"none": [_attacked(model, agents, agents.batch, spec)]}
    for name, shapes in ATTACKS.items():
        found[name] = [_attacked(model, agents, bent(agents.batch, shape, spec), spec) for shape in shapes]
    return found


def _attacked(model: BatchPredictor, agents: Agents, batch: AgentBatch, spec: CropSpec) -> dict[str, Any]:
    forecast = ask(model, batch)
    points, any_point = off_road(forecast, batch, spec)
    return {
        "points_off_road": told(points, agents.scenes),
        "forecasts_off_road": told(any_point, agents.scenes),
        "fde_m": told(error_m(forecast, batch), agents.scenes),
    }
