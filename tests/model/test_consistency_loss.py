"""Training for consistency: earlier forecasts are drawn to later ones, which are left alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from forecast.core.batch import AgentBatch
from forecast.core.frames import rotate
from forecast.data.augment import chosen_to_mirror
from forecast.model.consistency_loss import SameAgents, consistency_loss, successive_in

MODES, STEPS = 4, 12


@pytest.fixture
def batch(made_up) -> AgentBatch:
    """Three tracks at times that are told: a, b and c; b's second observation is lost, c has three in a row."""
    given = made_up(7).whole
    return replace(
        given,
        track_tokens=("a", "c", "b", "a", "c", "b", "c"),
        time_s=1e9 + torch.tensor([0.0, 0.98, 0.0, 0.52, 0.5, 1.0, 0.0], dtype=torch.float64),
        pose_world=given.pose_world * torch.tensor([900.0, 900.0, 1.0], dtype=torch.float64),
    )


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    positions = torch.randn(7, MODES, STEPS, 2, generator=g).cumsum(2) * 3
    return positions, torch.randn(7, MODES, generator=g).log_softmax(1)


def test_agents_are_paired_one_step_apart_whatever_their_order(batch: AgentBatch) -> None:
    found = successive_in(batch, 0.5)
    assert sorted(zip(found.earlier.tolist(), found.later.tolist(), strict=True)) == [(0, 3), (4, 1), (6, 4)]
    assert len(successive_in(batch, 1.0)) == 1  # only b's two
    assert not len(successive_in(replace(batch, time_s=None), 0.5))


def test_it_is_the_plain_loop_over_world_coordinates(batch: AgentBatch) -> None:
    positions, logs = drawn()
    pairs = successive_in(batch, 0.5)
    world = [
        rotate(positions[i].double(), batch.pose_world[i, 2]).numpy() + batch.pose_world[i, :2].numpy()
        for i in range(len(batch))
    ]
    total = 0.0
    for i, j in zip(pairs.earlier.tolist(), pairs.later.tolist(), strict=True):
        for k in range(MODES):
            apart = [
                np.mean([np.linalg.norm(world[i][m, t + 1] - world[j][k, t]) for t in range(STEPS - 1)])
                for m in range(MODES)
            ]
            m = int(np.argmin(apart))
            total += np.exp(logs[j, k].item()) * (apart[m] - 0.3 * logs[i, m].item())
    found = consistency_loss(positions, logs, batch, pairs, probability_weight=0.3)
    assert found.item() == pytest.approx(total / len(pairs), rel=1e-4)


def test_mirrored_pairs_are_compared_in_their_own_mirror(batch: AgentBatch) -> None:
    positions, logs = drawn()
    pairs = successive_in(batch, 0.5)
    which = torch.tensor([token == "c" for token in batch.track_tokens])
    flipped = torch.where(which[:, None, None, None], positions * torch.tensor([1.0, -1.0]), positions)
    plain, mirrored = (
        consistency_loss(positions, logs, batch, pairs),
        consistency_loss(flipped, logs, batch, pairs, mirrored=which),
    )
    torch.testing.assert_close(plain, mirrored)


def test_the_later_forecast_is_left_alone(batch: AgentBatch) -> None:
    positions, logs = (given.requires_grad_() for given in drawn())
    pairs = SameAgents(torch.tensor([0]), torch.tensor([3]))
    consistency_loss(positions, logs, batch, pairs).backward()
    moved = positions.grad.flatten(1).abs().sum(1) > 0
    assert moved.tolist() == [True, *[False] * 6]
    assert (logs.grad.abs().sum(1) > 0).tolist() == [True, *[False] * 6]
    # The first step of the earlier forecast is over when the later one is issued.
    assert not positions.grad[0, :, 0].any()


def test_least_where_the_earlier_holds_the_later_ones_at_their_odds(batch: AgentBatch) -> None:
    """Two agents at one place say different things later, as often as three to one: no other odds cost less."""
    positions, logs = drawn()
    pairs = SameAgents(torch.tensor([0, 0, 0, 0]), torch.tensor([3, 3, 3, 5]))
    same = batch.pose_world.clone()
    same[:] = same[:1]
    batch = replace(batch, pose_world=same)
    future = torch.arange(STEPS)[:, None] * torch.tensor([1.0, 0.0])
    left, right = future + torch.tensor([0.0, 30.0]), future - torch.tensor([0.0, 30.0])
    ahead = torch.tensor([1.0, 0.0])
    positions[0, :2] = torch.stack([left, right])
    positions[3, :], positions[5, :] = left + ahead, right + ahead

    def cost(odds: float) -> float:
        given = logs.clone()
        given[0] = torch.tensor([odds, 1 - odds, 1e-9, 1e-9]).log()
        return consistency_loss(positions, given, batch, pairs).item()

    tried = [0.05 * n for n in range(1, 20)]
    assert min(tried, key=cost) == pytest.approx(0.75)


def test_without_pairs_it_is_0_and_trains_nothing(batch: AgentBatch) -> None:
    positions, logs = (given.requires_grad_() for given in drawn())
    none = torch.zeros(0, dtype=torch.int64)
    loss = consistency_loss(positions, logs, batch, SameAgents(none, none))
    loss.backward()
    assert loss.item() == 0.0
    assert not positions.grad.any()


def test_a_track_is_mirrored_in_all_its_places_or_in_none(batch: AgentBatch) -> None:
    seen = set()
    for seed in range(40):
        drawn_alike = chosen_to_mirror(batch, 0.5, together=True, generator=torch.Generator().manual_seed(seed))
        by_track = [{drawn_alike[i].item() for i in range(7) if batch.track_tokens[i] == name} for name in "abc"]
        assert all(len(flags) == 1 for flags in by_track)
        seen.add(tuple(flags.pop() for flags in by_track))
    assert len(seen) == 8
