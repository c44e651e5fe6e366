"""Scenes of lines for the tests: a road that forks, and an agent on it."""

from __future__ import annotations

import torch

from forecast.core.agents import AgentType
from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec

SPEC = CropSpec(ahead_m=48.0, behind_m=8.0, left_m=24.0, right_m=24.0, px_per_m=1.0)
#: Middle of the cross road, and half the width of all roads.
AT_M, HALF_M = 22.0, 4.0


def crossing(*arms: str) -> torch.Tensor:
    """(1, channels, height, width): a road to 22 m ahead, and from there the arms: left, right, ahead."""
    x = torch.arange(SPEC.height_px)[:, None] + 0.5 - SPEC.behind_m
    y = torch.arange(SPEC.width_px)[None] + 0.5 - SPEC.right_m
    road = (y.abs() < HALF_M) & (x < AT_M + HALF_M)
    across = (x - AT_M).abs() < HALF_M
    for arm in arms:
        road |= {"left": across & (y > 0), "right": across & (y < 0), "ahead": (y.abs() < HALF_M) & (x > 0)}[arm]
    crop = torch.zeros(1, *SPEC.shape)
    crop[0, 0] = road.float()
    crop[0, 1] = ((y.abs() < 1.0) & (x < AT_M - HALF_M)).float()
    return crop


def scene(crop: torch.Tensor, *others: tuple[float, float, float, float]) -> AgentBatch:
    """An agent at 8 m/s with neighbours at x, y, vx, vy; the last slot is empty."""
    ago = 0.5 * torch.arange(-4, 1)
    states = torch.zeros(1, len(others) + 1, 5, 8)
    for slot, (x, y, vx, vy) in enumerate(others):
        states[0, slot, :, 0], states[0, slot, :, 1] = x + vx * ago, y + vy * ago
        states[0, slot, :, 2], states[0, slot, :, 3] = vx, vy
        states[0, slot, :, 6] = torch.atan2(torch.tensor(vy), torch.tensor(vx)) if vx or vy else 0.0
    history = torch.zeros(1, 5, 8)
    history[0, :, 0], history[0, :, 2] = 8 * ago, 8.0
    valid = torch.ones(1, len(others) + 1, 5, dtype=torch.bool)
    valid[:, -1] = False
    types = torch.full((1, len(others) + 1), int(AgentType.VEHICLE))
    types[:, -1] = int(AgentType.PADDING)
    return AgentBatch(
        history=history,
        history_valid=torch.ones(1, 5, dtype=torch.bool),
        target_type=torch.zeros(1, dtype=torch.int64),
        size_m=torch.tensor([[4.6, 1.9]]),
        neighbours=states,
        neighbours_valid=valid,
        neighbour_types=types,
        pose_world=torch.zeros(1, 3, dtype=torch.float64),
        map_index=torch.zeros(1, dtype=torch.int64),
        future=torch.zeros(1, 12, 2),
        future_valid=torch.zeros(1, 12, dtype=torch.bool),
        crop=crop,
    )
