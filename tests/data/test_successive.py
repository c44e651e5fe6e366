"""Successive agent-samples share a batch, and each still comes once an epoch."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.dataset import AgentDataset
from forecast.data.successive import PairedBatches, SuccessiveSource


@st.composite
def chains(draw: st.DrawFn) -> torch.Tensor:
    """Agent-samples of tracks that are seen one after another, listed in any order."""
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=12))
    places = draw(st.permutations(range(sum(lengths))))
    following, start = torch.full((sum(lengths),), -1), 0
    for length in lengths:
        chain = places[start : start + length]
        for before, after in pairwise(chain):
            following[before] = after
        start += length
    return following


@given(chains(), st.integers(0, 99))
def test_each_comes_once_and_pairs_stand_together(following: torch.Tensor, seed: int) -> None:
    batches = PairedBatches(following, len(following), seed)
    assert list(batches) == list(PairedBatches(following, len(following), seed))
    tracks = len(following) - int((following >= 0).sum())
    for epoch in range(3):
        batches.set_epoch(epoch)
        (order,) = list(batches)
        assert sorted(order) == list(range(len(following)))
        follows = [following[a] == b for a, b in pairwise(order)]
        together = [a or b for a, b in zip([False, *follows], [*follows, False], strict=True)]
        # Of a track, at most the first and the last are left alone.
        assert together.count(False) <= 2 * tracks


def test_pairs_are_cut_anew_and_both_ways() -> None:
    following = torch.tensor([1, 2, 3, 4, 5, -1])
    batches, cuts = PairedBatches(following, 6, seed=3), set()
    for epoch in range(30):
        batches.set_epoch(epoch)
        order = next(iter(batches))
        cuts.add(any((a, b) == (0, 1) for a, b in pairwise(order) if a % 2 == 0))
    assert cuts == {True, False}


def test_steps_of_two_processes_hold_what_one_holds() -> None:
    following = torch.cat([torch.arange(1, 40), torch.tensor([-1])])
    whole = list(PairedBatches(following, 8, 0))
    halves = zip(*(list(PairedBatches(following, 4, 0, rank, 2)) for rank in range(2)), strict=True)
    assert whole == [first + second for first, second in halves]


def test_following_is_the_next_key_frame_of_the_same_track(hand_written: Any, straight_path: Any) -> None:
    hand_written.scene("scene-0103", 8)
    hand_written.agent("short", {k: p for k, p in straight_path(0, 7).items() if k != 4})
    hand_written.agent("whole", straight_path(2, 7, y=5.0))
    source = AgentDataset(hand_written.write(), "v1.0-mini", "mini_val", dense=True)
    assert isinstance(source, SuccessiveSource)
    tokens = [token.replace("scene-0103/", "") for token in source.samples.tokens(source.dataset.tracks)]
    found = {tokens[i]: tokens[j] for i, j in enumerate(source.following().tolist()) if j >= 0}
    pairs = {"short": [(1, 2), (2, 3), (5, 6), (6, 7)], "whole": [(3, 4), (4, 5), (5, 6), (6, 7)]}
    assert found == {f"{name}_{k}": f"{name}_{after}" for name in pairs for k, after in pairs[name]}
    batch = source.batch([tokens.index("short_2"), tokens.index("short_5")])
    assert (batch.time_s[1] - batch.time_s[0]).item() == pytest.approx(1.5)
