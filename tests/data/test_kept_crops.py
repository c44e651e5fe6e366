"""Crops that are kept: the same batches as made anew, and no more memory than was allowed."""

from dataclasses import replace

import pytest
import torch

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.data.kept_crops import KeptCrops

CROP = CropSpec(channels=(("drivable_area",), ("lane",)), ahead_m=6.0, behind_m=2.0, left_m=4.0, right_m=4.0)
ORDERS = [[0, 5, 2], [5, 2, 7], [7, 7, 0], [9, 1, 2]]


class Maker:
    """Adds crops that are a function of the agent, in sixteenths as baked maps have them, and counts them."""

    def __init__(self, levels: int = 15) -> None:
        self.levels, self.made = levels, 0

    def __call__(self, batch: AgentBatch) -> AgentBatch:
        self.made += len(batch)
        seed = torch.tensor([int(token[1:]) for token in batch.track_tokens])
        numbers = torch.arange(128).view(2, 8, 8) + 7 * seed[:, None, None, None]
        return replace(batch, crop=(numbers % (self.levels + 1)).float() / self.levels)


@pytest.fixture
def source(made_up):
    given = made_up(10)
    given.whole = replace(given.whole, crop=None)
    return given


@pytest.mark.parametrize("most", [0, 4, 10, 1000])
def test_kept_crops_are_those_made_anew(source, most: int, monkeypatch) -> None:
    maker = Maker()
    kept = KeptCrops(source, maker, CROP, 1)
    if most < 10:  # a bound of whole MiB holds more than these small crops
        monkeypatch.setattr(kept, "count", most)
    for order in ORDERS:
        batch, fresh = kept.batch(order), Maker()(source.batch(order))
        assert torch.equal(batch.crop, fresh.crop)
        assert batch.track_tokens == fresh.track_tokens
    assert len(kept) == 10
    held, seen, expected = min(most, 10), set(), 0
    for order in ORDERS:
        expected += sum(i >= held or i not in seen for i in order)
        seen |= set(order)
    assert maker.made == expected


def test_the_bound_counts_bytes(source) -> None:
    large = CropSpec(channels=(("lane",),), ahead_m=512.0, behind_m=512.0, left_m=256.0, right_m=256.0)
    kept = KeptCrops(source, Maker(), large, 2)  # half a MiB each
    assert (kept.count, kept.held_mib) == (4, 2.0)


def test_crops_that_bytes_do_not_hold_exactly_are_made_anew(source) -> None:
    maker = Maker(levels=7)
    kept = KeptCrops(source, maker, CROP, 1)
    for _ in range(2):
        assert torch.equal(kept.batch([1, 2]).crop, Maker(7)(source.batch([1, 2])).crop)
    assert (kept.count, maker.made) == (0, 4)
