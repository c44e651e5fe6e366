"""Agent-samples of the same agent at successive key frames, kept together in a batch."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from forecast.core.shapes import Int64
from forecast.data.loading import EpochBatches, derived_seed


@runtime_checkable
class SuccessiveSource(Protocol):
    """A source of batches that knows which of its agent-samples follow each other."""

    def __len__(self) -> int:
        """Number of agent-samples."""

    def following(self) -> Int64[Tensor, "samples"]:
        """Of each agent-sample, the one of the same agent a key frame later; −1 where there is none."""


class PairedBatches(EpochBatches):
    """Lists of indices as :class:`EpochBatches` gives, in an order that puts successive agent-samples together.

    Each epoch cuts the agent-samples of a track into pairs anew, from its first or its second on, and shuffles pairs
    and single ones. Every agent-sample still comes once an epoch, but for the last incomplete step.

    Args:
        following: (samples,) index of the next agent-sample of the same agent; −1 for none.
        batch_size, seed, rank, world: as of :class:`EpochBatches`. A pair that falls on two steps or two processes is
            not compared.
    """

    def __init__(
        self, following: Int64[Tensor, "samples"], batch_size: int, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        super().__init__(len(following), batch_size, seed, rank, world)
        self._following = following
        self._place, self._first = _in_chains(following)

    def _order(self) -> Tensor:
        assert self.seed is not None
        generator = torch.Generator().manual_seed(derived_seed(self.seed, self.epoch))
        phase = torch.randint(2, (self.size,), generator=generator)[self._first]
        begins = (self._place == 0) | ((self._place + phase) % 2 == 0)
        key = torch.randperm(self.size, generator=generator)
        before = torch.full_like(self._following, -1)
        held = self._following >= 0
        before[self._following[held]] = torch.arange(self.size)[held]
        # The second of a pair comes right after its first.
        return torch.where(begins, 2 * key, 2 * key[before] + 1).argsort()


def _in_chains(following: Tensor) -> tuple[Tensor, Tensor]:
    """Each agent-sample's place in its chain of successive ones, and the first of the chain; (samples,) each."""
    place, first = torch.zeros_like(following), torch.arange(len(following))
    begins = torch.ones(len(following), dtype=torch.bool)
    begins[following[following >= 0]] = False
    reached = first[begins]
    while len(reached):
        after = following[reached]
        reached, after = reached[after >= 0], after[after >= 0]
        place[after], first[after] = place[reached] + 1, first[reached]
        reached = after
    return place, first
