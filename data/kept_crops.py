"""Batches with crops of the map that are made once and kept for the next epochs, as bytes, up to a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.data.loading import BatchSource

_LEVELS = 255


class KeptCrops:
    """A source whose batches bring their crops; those of earlier epochs are remembered.

    What a batch holds does not depend on what is remembered: only crops that bytes hold exactly are kept, as are those
    whose pixels take the nearest cell of a baked map. From the first that is not, nothing is.

    Args:
        source: of batches without crops.
        add_crops: makes the crops of a batch.
        crop: what a crop looks like.
        memory_mib: what may be kept, MiB; agents beyond it have their crops made anew each time.
    """

    def __init__(
        self, source: BatchSource, add_crops: Callable[[AgentBatch], AgentBatch], crop: CropSpec, memory_mib: int
    ) -> None:
        self.source, self._add_crops = source, add_crops
        channels, height, width = crop.shape
        each = channels * height * width
        #: Agent-samples whose crops are kept, the first ones of the source, and the memory that they take, MiB.
        self.count = min(len(source), memory_mib * 2**20 // each)
        self.held_mib = self.count * each / 2**20
        self._crops = torch.empty((self.count, *crop.shape), dtype=torch.uint8)
        self._known = torch.zeros(self.count, dtype=torch.bool)

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: list[int]) -> AgentBatch:
        """Those agent-samples, with crops.

        Args:
            indices: into the source.
        """
        batch = self.source.batch(indices)
        wanted = torch.as_tensor(indices, dtype=torch.int64)
        held = wanted < self.count
        known = torch.zeros_like(held)
        known[held] = self._known[wanted[held]]
        if not known.any():
            made = self._add_crops(batch)
            self._keep(wanted, made.crop)
            return made
        crop = torch.empty((len(batch), *self._crops.shape[1:]), dtype=torch.float32)
        crop[known] = self._crops[wanted[known]].to(torch.float32) / _LEVELS
        if not known.all():
            added = self._add_crops(batch[~known]).crop
            assert added is not None
            crop[~known] = added
            self._keep(wanted[~known], added)
        return replace(batch, crop=crop)

    def _keep(self, indices: Tensor, crop: Tensor | None) -> None:
        assert crop is not None
        chosen = indices < self.count
        if not chosen.any():
            return
        given = crop[chosen]
        whole = (given.clamp(0, 1) * _LEVELS).round().to(torch.uint8)
        if not torch.equal(whole.to(torch.float32) / _LEVELS, given):
            self.count, self._crops, self._known = 0, self._crops[:0], self._known[:0]
            return
        self._crops[indices[chosen]] = whole
        self._known[indices[chosen]] = True
