"""One agent's inputs under many masks: each group of inputs blended with what stands in for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.shapes import Float
from forecast.explain.input_groups import InputGroup
from forecast.explain.null_inputs import MapNull, coasting, null_map, without_neighbours


class MaskedScene:
    """Makes batches of one agent, one a mask: ``x′ = m · x + (1 − m) · x₀`` for each group.

    An entry of 1 leaves a group as it is, 0 puts its stand-in ``x₀`` there (:mod:`forecast.explain.null_inputs`).
    Neighbours are there where their entry is at least ½. What no group names stays. Where groups overlap on the map,
    their entries are multiplied.

    Args:
        batch: one agent, with its crop.
        groups: whose entries a mask has, in order.
        spec: of the crop.
        map_null: what stands in for the map.
        step_s: seconds between two key frames.

    Raises:
        ValueError: not one agent, or no crop.
    """

    def __init__(
        self, batch: AgentBatch, groups: Sequence[InputGroup], spec: CropSpec, map_null: MapNull, step_s: float
    ) -> None:
        if len(batch) != 1 or batch.crop is None:
            raise ValueError(f"expected one agent with a crop, got {len(batch)} and crop {batch.crop is not None}")
        self._groups, self._crop = tuple(groups), batch.crop.float()
        self._null_crop = null_map(self._crop, spec, map_null)
        self._coasting = coasting(batch.history, batch.history_valid, step_s)
        self._batch = replace(batch.anonymous(), crop=self._crop)

    def batch(self, masks: Float[Tensor, "rows groups"]) -> AgentBatch:
        """The agent under each mask, (rows, …).

        Args:
            masks: in [0, 1], one column a group.
        """
        rows = len(masks)
        masks = masks.to(self._crop)
        repeated: dict[str, Any] = {
            name: tensor.expand(rows, *tensor.shape[1:])
            for name, tensor in self._batch.tensors().items()
            if name != "crop"
        }
        repeated["history"] = self._past(masks)
        return without_neighbours(replace(self._batch, **repeated, crop=self._map(masks)), self._gone(masks))

    def _map(self, masks: Tensor) -> Tensor:
        parts = [(place, group) for place, group in enumerate(self._groups) if group.box_px is not None]
        if not parts:
            return self._crop.expand(len(masks), -1, -1, -1)
        by_channel = any(group.channels for _, group in parts)
        kept = self._crop.new_ones(len(masks), self._crop.shape[1] if by_channel else 1, *self._crop.shape[2:])
        for place, group in parts:
            assert group.box_px is not None
            first, end, right, left = group.box_px
            channels = list(group.channels) or slice(None)
            kept[:, channels, first:end, right:left] *= masks[:, place, None, None, None]
        return torch.lerp(self._null_crop, self._crop, kept)

    def _past(self, masks: Tensor) -> Tensor:
        kept = torch.ones(len(masks), self._batch.history.shape[1])
        for place, group in enumerate(self._groups):
            if group.steps:
                kept[:, list(group.steps)] *= masks[:, place, None]
        return torch.lerp(self._coasting, self._batch.history, kept[..., None])

    def _gone(self, masks: Tensor) -> Tensor:
        gone = torch.zeros(len(masks), self._batch.neighbours.shape[1], dtype=torch.bool)
        for place, group in enumerate(self._groups):
            if group.slots:
                gone[:, list(group.slots)] |= masks[:, place, None] < 0.5
        return gone
