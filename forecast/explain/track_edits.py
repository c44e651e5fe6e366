"""Changes of what was tracked: neighbours put elsewhere, faster or gone; the agent's own past within tracker noise."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from forecast.core.agents import AgentType
from forecast.core.batch import AgentBatch
from forecast.core.shapes import Float
from forecast.explain.null_inputs import without_neighbours


def _ago_s(batch: AgentBatch, step_s: float) -> Tensor:
    """(history,) times of the rows of a history, ≤ 0 s."""
    rows = batch.history.shape[1]
    return step_s * torch.arange(1 - rows, 1, dtype=batch.history.dtype)


def neighbour_moved(
    batch: AgentBatch, slot: int, ahead_m: Float[Tensor, "rows"], left_m: Float[Tensor, "rows"]
) -> AgentBatch:
    """Put a neighbour's whole track elsewhere, along and across its present heading.

    Args:
        batch: (rows, …) of one scene.
        slot: of the neighbour.
        ahead_m, left_m: of each row.
    """
    heading = batch.neighbours[:, slot, -1, 6]
    cos, sin = heading.cos(), heading.sin()
    away = torch.stack([cos * ahead_m - sin * left_m, sin * ahead_m + cos * left_m], -1)
    return _with_track(batch, slot, {0: away[:, None, 0], 1: away[:, None, 1]})


def neighbour_faster(batch: AgentBatch, slot: int, by_mps: Float[Tensor, "rows"], step_s: float) -> AgentBatch:
    """Let a neighbour have come to where it is at another speed, on a straight line where it stood.

    Args:
        batch: (rows, …) of one scene.
        slot: of the neighbour.
        by_mps: along its present heading; a speed below 0 is not possible (:mod:`forecast.explain.validity`).
        step_s: seconds between two key frames.
    """
    heading = batch.neighbours[:, slot, -1, 6]
    change = by_mps[:, None] * torch.stack([heading.cos(), heading.sin()], -1)
    past = _ago_s(batch, step_s)
    return _with_track(
        batch,
        slot,
        {0: change[:, :1] * past, 1: change[:, 1:] * past, 2: change[:, :1].expand(-1, len(past)), 3: change[:, 1:]},
    )


def neighbour_later(batch: AgentBatch, slot: int, by_s: Float[Tensor, "rows"]) -> AgentBatch:
    """Let a neighbour be where it was, or will be, at its present speed: later for a positive time.

    Args:
        batch: (rows, …) of one scene.
        slot: of the neighbour.
        by_s: of each row.
    """
    velocity = batch.neighbours[:, slot, -1, 2:4]
    away = -by_s[:, None] * velocity
    return _with_track(batch, slot, {0: away[:, :1], 1: away[:, 1:]})


def neighbour_stopped(batch: AgentBatch, slot: int, chosen: Tensor) -> AgentBatch:
    """Let a neighbour have stood where it is (metres, agent frame) all the time, in the chosen rows, (rows,) bool."""
    neighbours = batch.neighbours.clone()
    standing = torch.zeros_like(neighbours[:, slot])
    standing[..., [0, 1, 6]] = neighbours[:, slot, -1:, [0, 1, 6]]
    neighbours[:, slot] = torch.where(chosen[:, None, None], standing, neighbours[:, slot])
    return _kept_where_valid(replace(batch, neighbours=neighbours))


def neighbour_gone(batch: AgentBatch, slot: int, chosen: Tensor) -> AgentBatch:
    """Take a neighbour away, in the chosen rows, (rows,) bool; its states are 0 m and 0 m/s then."""
    gone = torch.zeros_like(batch.neighbour_types, dtype=torch.bool)
    gone[:, slot] = chosen
    return without_neighbours(batch, gone)


def neighbour_placed(batch: AgentBatch, x_m: float, y_m: float) -> AgentBatch:
    """Add a vehicle that has stood at a place all the time, along the agent's heading, agent frame.

    Args:
        batch: (rows, …) of one scene; the new neighbour has the last slot.
        x_m, y_m: of its middle.
    """
    rows, _, steps, channels = batch.neighbours.shape
    state = torch.zeros(rows, 1, steps, channels)
    state[..., 0], state[..., 1] = x_m, y_m
    vehicle = torch.full((rows, 1), int(AgentType.VEHICLE))
    return replace(
        batch,
        neighbours=torch.cat([batch.neighbours, state.to(batch.neighbours)], 1),
        neighbours_valid=torch.cat([batch.neighbours_valid, torch.ones(rows, 1, steps, dtype=torch.bool)], 1),
        neighbour_types=torch.cat([batch.neighbour_types, vehicle.to(batch.neighbour_types)], 1),
    )


def own_past(
    batch: AgentBatch, faster_mps: Float[Tensor, "rows"], turning_rps: Float[Tensor, "rows"], step_s: float
) -> AgentBatch:
    """Let the agent have come to where it is a little faster, and turning a little more to the left: a unicycle's past.

    Args:
        batch: (rows, …) of one scene.
        faster_mps, turning_rps: of each row.
        step_s: seconds between two key frames.
    """
    past, history = _ago_s(batch, step_s), batch.history.clone()
    speed = history[:, -1, 2:4].norm(dim=-1, keepdim=True)
    faster, turning = faster_mps[:, None], turning_rps[:, None]
    history[..., 0] += faster * past
    history[..., 1] += speed * turning * past.square() / 2
    history[..., 2] += faster
    history[..., 3] += speed * turning * past
    history[..., 5] += speed * turning
    history[..., 6] += turning * past
    history[..., 7] += turning
    return replace(batch, history=torch.where(batch.history_valid[..., None], history, 0.0))


def _with_track(batch: AgentBatch, slot: int, added: dict[int, Tensor]) -> AgentBatch:
    """Add to channels of one neighbour's states; what was not seen stays 0."""
    neighbours = batch.neighbours.clone()
    for channel, change in added.items():
        neighbours[:, slot, :, channel] += change.to(neighbours)
    return _kept_where_valid(replace(batch, neighbours=neighbours))


def _kept_where_valid(batch: AgentBatch) -> AgentBatch:
    return replace(batch, neighbours=torch.where(batch.neighbours_valid[..., None], batch.neighbours, 0.0))
