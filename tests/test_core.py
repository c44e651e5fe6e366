"""Frames and the shared dataclasses."""

import math

import numpy as np
import pytest
import torch

from forecast.core.batch import AgentBatch
from forecast.core.crops import PAPER_CROP, CropSpec
from forecast.core.errors import one_of
from forecast.core.forecast import Forecast
from forecast.core.frames import agent_from_world, world_from_agent, wrap_angle


def batch_of(size: int = 3, neighbours: int = 2) -> AgentBatch:
    generator = torch.Generator().manual_seed(0)
    return AgentBatch(
        history=torch.randn(size, 5, 8, generator=generator),
        history_valid=torch.ones(size, 5, dtype=torch.bool),
        target_type=torch.zeros(size, dtype=torch.int64),
        size_m=torch.ones(size, 2),
        neighbours=torch.randn(size, neighbours, 5, 8, generator=generator),
        neighbours_valid=torch.ones(size, neighbours, 5, dtype=torch.bool),
        neighbour_types=torch.zeros(size, neighbours, dtype=torch.int64),
        pose_world=torch.randn(size, 3, generator=generator, dtype=torch.float64),
        map_index=torch.zeros(size, dtype=torch.int64),
        future=torch.randn(size, 12, 2, generator=generator),
        future_valid=torch.ones(size, 12, dtype=torch.bool),
        map_names=("town",),
        track_tokens=tuple(f"i{k}" for k in range(size)),
        sample_tokens=("s",) * size,
    )


def test_an_agent_looking_north_sees_north_ahead_and_west_to_its_left() -> None:
    pose = np.array([100.0, 200.0, math.pi / 2])
    np.testing.assert_allclose(
        agent_from_world(np.array([[100.0, 203.0], [96.0, 200.0]]), pose), [[3, 0], [0, 4]], atol=1e-12
    )


def test_there_and_back_again_at_world_coordinates() -> None:
    rng = np.random.default_rng(0)
    pose, points = rng.normal(size=(50, 3)) * [2000, 2000, 3], rng.normal(size=(50, 7, 2)) * 3000
    back = world_from_agent(agent_from_world(points, pose[:, None]), pose[:, None])
    np.testing.assert_allclose(back, points, atol=1e-9)


def test_wrapped_angles_stay_in_range_and_keep_their_direction() -> None:
    angles = torch.linspace(-20, 20, 1001, dtype=torch.float64)
    wrapped = wrap_angle(angles)
    assert (wrapped >= -math.pi).all()
    assert (wrapped < math.pi).all()
    torch.testing.assert_close(torch.sin(wrapped), torch.sin(angles))


def test_a_forecast_in_the_world_has_the_covariance_that_rotating_its_samples_gives() -> None:
    angle = 0.7
    covariance = torch.tensor([[4.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    rotation = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64
    )
    forecast = Forecast(torch.zeros(1, 1, 1, 2), torch.ones(1, 1), torch.zeros(1, 1, 1), covariance[None, None, None])
    moved = forecast.to_world(torch.tensor([[10.0, 20.0, angle]], dtype=torch.float64))
    assert moved.covariances_m2 is not None
    assert moved.headings_rad is not None
    torch.testing.assert_close(moved.covariances_m2[0, 0, 0], rotation @ covariance @ rotation.T)
    torch.testing.assert_close(moved.positions_m[0, 0, 0], torch.tensor([10.0, 20.0], dtype=torch.float64))
    assert moved.headings_rad.item() == pytest.approx(angle)
    with pytest.raises(ValueError, match="already"):
        moved.to_world(torch.zeros(1, 3))


def test_equal_probabilities_go_to_the_lower_mode() -> None:
    positions = torch.arange(3.0)[None, :, None, None].expand(1, 3, 1, 2)
    assert Forecast(positions, torch.tensor([[0.2, 0.4, 0.4]])).most_likely()[0, 0, 0] == 1


def test_a_batch_says_which_shape_is_wrong() -> None:
    batch = batch_of()
    with pytest.raises(ValueError, match=r"AgentBatch.future_valid: .*got \(3, 11\)"):
        AgentBatch(**{**batch.__dict__, "future_valid": batch.future_valid[:, :-1]})


def test_a_part_of_a_batch_keeps_its_tokens() -> None:
    part = batch_of()[torch.tensor([True, False, True])]
    assert part.track_tokens == ("i0", "i2")
    assert len(part) == 2


def test_the_papers_crop_has_its_published_size() -> None:
    assert PAPER_CROP.shape == (3, 100, 100)
    with pytest.raises(ValueError, match="whole pixels"):
        CropSpec(ahead_m=30.1)


def test_an_unknown_name_gets_the_nearest_known_one() -> None:
    assert one_of(["mini_val", "mini_train"], "mini-val") == "did you mean 'mini_val'? known: mini_train, mini_val"
