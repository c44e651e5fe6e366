"""Forecasters whose use of context is known, to try the audit on: each is a MODEL, ``module:function``.

``constant_velocity`` sees neither map nor neighbours. ``map_copier`` follows the road, whatever agent and others do.
``rule_follower`` drives by the rules of the junction world, as far as a crop and the past show what they ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.data.synthetic.curves import Curve
from forecast.data.synthetic.driven_again import drive, drive_before, stops_for
from forecast.data.synthetic.junction_plots import ARC_AT_0_M, PAST
from forecast.explain.arms import Arm, find_arms
from forecast.explain.crop_geometry import pixel_centres_m
from forecast.explain.map_edits import road_channel
from forecast.model.network_config import NetworkConfig
from forecast.model.query.query_config import QUERY_CROP

Floats = NDArray[np.float64]

_COPIED_MPS, _STEP_S, _STEPS = 7.0, 0.5, 12
_BAND_M = 2.0


Function = Callable[[AgentBatch], Forecast]


def _reads(config: NetworkConfig) -> Callable[[Function], Function]:
    """Say what a function reads, as ``config`` of a model of one's own does."""

    def said(function: Function) -> Function:
        cast("Any", function).config = config
        return function

    return said


@_reads(NetworkConfig(uses_map=False, uses_neighbours=False, crop=QUERY_CROP))
def constant_velocity(batch: AgentBatch) -> Forecast:
    """One mode: straight on at the present velocity."""
    times_s = _STEP_S * torch.arange(1, _STEPS + 1)
    path = batch.history[:, -1, None, 2:4] * times_s[:, None]
    return Forecast(path[:, None], torch.ones(len(batch), 1))


@_reads(NetworkConfig(crop=QUERY_CROP))
def map_copier(batch: AgentBatch) -> Forecast:
    """One mode: along the longest arm of the road at 7 m/s; straight on where there is none."""
    paths = np.zeros((len(batch), 1, _STEPS, 2), dtype=np.float32)
    arc = _COPIED_MPS * _STEP_S * np.arange(1, _STEPS + 1)
    assert batch.crop is not None
    for row, road in enumerate(batch.crop[:, road_channel(QUERY_CROP)].numpy()):
        arms = find_arms(road, QUERY_CROP)
        longest = max(arms, key=lambda arm: arm.length_m, default=None)
        path = _straight() if longest is None else _middle(longest)
        paths[row, 0] = path.at(arc + ARC_AT_0_M)[0]
    return Forecast(torch.from_numpy(paths), torch.ones(len(batch), 1))


@_reads(NetworkConfig(crop=QUERY_CROP))
def rule_follower(batch: AgentBatch) -> Forecast:
    """One mode an arm, slower in bends; straight on at odds of ½ where it is one of three; a stop where it must."""
    assert batch.crop is not None
    modes = [
        _ruled(road, batch.history[row, -1].double().numpy(), _present(batch, row))
        for row, road in enumerate(batch.crop[:, road_channel(QUERY_CROP)].numpy())
    ]
    most = max(len(one) for one in modes)
    paths = np.zeros((len(batch), most, _STEPS, 2), dtype=np.float32)
    odds = np.zeros((len(batch), most), dtype=np.float32)
    for row, one in enumerate(modes):
        paths[row, : len(one)] = np.stack([path for path, _ in one])
        odds[row, : len(one)] = [share for _, share in one]
    return Forecast(torch.from_numpy(paths), torch.from_numpy(odds))


def _present(batch: AgentBatch, row: int) -> list[list[float]]:
    """x, y, vx, vy of the neighbours that are there."""
    there = batch.neighbours_valid[row, :, -1]
    found: list[list[float]] = batch.neighbours[row, there, -1, :4].tolist()
    return found


def _ruled(road: NDArray[np.float32], state: Floats, others: Sequence[Sequence[float]]) -> list[tuple[Floats, float]]:
    """Futures and their probabilities."""
    speed = max(float(np.hypot(*state[2:4])), 0.1)
    for other in others:
        if stops_for(other, speed) is not None:
            return [(drive_before(other, speed, _straight())[PAST + 1 :, :2], 1.0)]
    arms = find_arms(road, QUERY_CROP)
    roads = [_middle(arm) for arm in arms] or [_straight()]
    ahead = np.array([arm.name == "ahead_arm" for arm in arms] or [True])
    odds = np.full(len(roads), 1 / len(roads))
    if len(roads) > 2 and ahead.any():
        odds = np.where(ahead, 0.5, 0.5 / (len(roads) - 1))
    return [
        (drive(path, speed, np.inf)[PAST + 1 :, :2], share) for path, share in zip(roads, odds.tolist(), strict=True)
    ]


def _straight() -> Curve:
    x = np.arange(-ARC_AT_0_M, 130.0, 0.5)
    return Curve(np.column_stack([x, np.zeros_like(x)]), np.zeros_like(x))


def _middle(arm: Arm) -> Curve:
    """From behind the agent to an arm, along its middle, and straight on where the crop ends."""
    x, y = pixel_centres_m(QUERY_CROP)[arm.mask].T
    band = (arm.along_m[arm.mask] // _BAND_M).astype(int)
    middle = [(float(x[band == one].mean()), float(y[band == one].mean())) for one in np.unique(band)]
    corners = np.array([(-ARC_AT_0_M, 0.0), (0.0, 0.0), *middle[1:]])
    away = corners[-1] - corners[-min(4, len(corners) - 1)]
    corners = np.vstack([corners, corners[-1] + 80 * away / max(np.linalg.norm(away), 1e-6)])
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    arc = np.arange(0.0, length[-1], 0.5)
    points = np.column_stack([np.interp(arc, length, corners[:, axis]) for axis in (0, 1)])
    # A car takes a corner in several metres.
    for _ in range(20):
        points[1:-1] = (points[:-2] + 2 * points[1:-1] + points[2:]) / 4
    return Curve.through(points)
