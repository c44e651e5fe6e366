"""Augmentation: what is turned or mirrored stays one consistent scene."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from forecast.core.batch import AgentBatch
from forecast.core.frames import agent_from_world, world_from_agent
from forecast.data.augment import mirrored, turned
from forecast.data.dataset import AgentDataset


@pytest.fixture
def batch(traffic: Any) -> AgentBatch:
    data = AgentDataset(traffic.write(), "v1.0-mini", "mini_val", dense=True)
    return data.batch(range(len(data)))


def test_turning_leaves_the_world_where_it_is(batch: AgentBatch) -> None:
    angle = torch.linspace(-0.5, 0.5, len(batch), dtype=torch.float64)
    after = turned(batch, angle)
    pose, now = batch.pose_world[:, None], after.pose_world[:, None]
    assert torch.allclose(world_from_agent(batch.future, pose), world_from_agent(after.future, now), atol=1e-4)
    past = batch.history[..., :2][batch.history_valid]
    seen = agent_from_world(world_from_agent(batch.history[..., :2], pose), now)[batch.history_valid]
    assert torch.allclose(after.history[..., :2][batch.history_valid].double(), seen, atol=1e-4)
    assert len(past) == len(seen)
    moved = after.history[:, -1, 6].double() + angle - batch.history[:, -1, 6]
    assert torch.allclose(moved, torch.zeros_like(moved), atol=1e-6)
    assert torch.equal(after.history[..., 7], batch.history[..., 7])
    assert (after.history[~after.history_valid] == 0).all()
    speed = batch.neighbours[..., 2:4].norm(dim=-1)
    assert torch.allclose(after.neighbours[..., 2:4].norm(dim=-1), speed, atol=1e-5)


def test_turning_comes_before_crops(batch: AgentBatch) -> None:
    with pytest.raises(ValueError, match="before its crops"):
        turned(replace(batch, crop=torch.zeros(len(batch), 1, 2, 2)), torch.zeros(len(batch)))


def test_mirroring_twice_is_nothing_and_once_swaps_sides(batch: AgentBatch) -> None:
    which = torch.arange(len(batch)) % 2 == 0
    cropped = replace(batch, crop=torch.rand(len(batch), 2, 3, 4))
    once = mirrored(cropped, which)
    again = mirrored(once, which)
    for name, tensor in cropped.tensors().items():
        assert torch.equal(again.tensors()[name], tensor), name
    sign = torch.tensor([1, -1, 1, -1, 1, -1, -1, -1], dtype=torch.float32)
    assert torch.equal(once.history[which], cropped.history[which] * sign)
    assert torch.equal(once.future[which], cropped.future[which] * sign[:2])
    assert torch.equal(once.history[~which], cropped.history[~which])
    assert cropped.crop is not None
    assert once.crop is not None
    assert torch.equal(once.crop[which], cropped.crop[which].flip(-1))
    assert torch.equal(once.crop[~which], cropped.crop[~which])


def test_a_direction_to_the_left_mirrored_is_one_to_the_right(batch: AgentBatch) -> None:
    crop = torch.rand(len(batch), 2, 3, 4)
    which = torch.arange(len(batch)) % 2 == 0
    after = mirrored(replace(batch, crop=crop), which, [1, -1]).crop
    assert after is not None
    assert torch.equal(after[which, 0], crop[which, 0].flip(-1))
    assert torch.equal(after[which, 1], -crop[which, 1].flip(-1))
    assert torch.equal(after[~which], crop[~which])


def test_a_left_turn_mirrored_is_a_right_turn(batch: AgentBatch) -> None:
    target = list(zip(batch.track_tokens, batch.sample_tokens, strict=True)).index(("steady", "scene-0103/9"))
    after = mirrored(batch, torch.ones(len(batch), dtype=torch.bool))
    assert batch.future[target, 9, 1] > 0
    assert after.future[target, 9, 1] == -batch.future[target, 9, 1]
    assert math.copysign(1, after.history[target, -1, 7]) == -1
