"""Batches in an order that depends on the seed and the epoch alone, so a resumed run sees what a whole one would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from forecast.core.batch import AgentBatch


class BatchSource(Protocol):
    """Anything that gives batches of agents by index, e.g. :class:`~forecast.data.dataset.AgentDataset`."""

    def __len__(self) -> int:
        """Number of agent-samples."""

    def batch(self, indices: list[int]) -> AgentBatch:
        """Those agent-samples."""


class _Batches(Dataset[AgentBatch]):
    """A source as a data set whose items are whole batches."""

    def __init__(self, source: BatchSource) -> None:
        self.source = source

    def __getitem__(self, indices: list[int]) -> AgentBatch:
        return self.source.batch(indices)


class EpochBatches(Sampler[list[int]]):
    """Lists of indices, one a step.

    Args:
        size: number of agent-samples.
        batch_size: of each process.
        seed: of the order; None keeps the natural order.
        rank, world: this process and how many there are. Step ``i`` of all processes together holds what step ``i``
            of one process with ``world`` times the batch would; in shuffled order, the last incomplete
            step is dropped unless it is the only one.
    """

    def __init__(self, size: int, batch_size: int, seed: int | None, rank: int = 0, world: int = 1) -> None:
        self.size, self.batch_size, self.seed, self.rank, self.world = size, batch_size, seed, rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls this before each epoch."""
        self.epoch = epoch

    @property
    def _step_size(self) -> int:
        return min(self.batch_size * self.world, self.size - self.size % self.world or self.size)

    def __len__(self) -> int:
        whole, rest = divmod(self.size, self._step_size)
        return whole if self.seed is not None else whole + bool(rest)

    def _order(self) -> Tensor:
        """(size,) the order of this epoch."""
        if self.seed is None:
            return torch.arange(self.size)
        generator = torch.Generator().manual_seed(derived_seed(self.seed, self.epoch))
        return torch.randperm(self.size, generator=generator)

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order()
        for step in range(len(self)):
            whole = order[step * self._step_size : (step + 1) * self._step_size]
            yield whole.tensor_split(self.world)[self.rank].tolist()


def derived_seed(seed: int, count: int, rank: int = 0) -> int:
    """A seed of its own for every epoch or step, and process."""
    return (seed * 1_000_003 + count * 10_007 + rank) % 2**63


def loader(source: BatchSource, batches: EpochBatches, workers: int = 0) -> DataLoader[AgentBatch]:
    """A loader of whole batches, for this package's training and for anyone's.

    Args:
        source: of the batches.
        batches: which agent-samples each one holds.
        workers: processes; 0 makes batches in this one, by array operations that workers would mostly copy around.
    """
    return DataLoader(_Batches(source), sampler=batches, batch_size=None, num_workers=workers)
