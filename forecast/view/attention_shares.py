"""Where the forecasts of a network look: shares of attention, its modes weighted by their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.core.shapes import Float64

if TYPE_CHECKING:
    from torch import Tensor

    from forecast.model.mode_attention import ModeAttention

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AttentionShares:
    """Shares of a forecast's attention, one row a forecast. What is known of a row sums to 1.

    Attributes:
        nothing: (rows,) to a token that stands for nothing.
        own: (rows,) to the agent's own past.
        neighbours: (rows,) to all neighbours together; NaN of a network that reads none.
        cells: (rows, ahead, left) to cells of the map, which divide the crop evenly: the second axis grows forward, the
            third to the left. None ahead of a network that reads no map.
        crop: how far the cells reach around the agent, in its frame.
    """

    nothing: Float64[Floats, "rows"]
    own: Float64[Floats, "rows"]
    neighbours: Float64[Floats, "rows"]
    cells: Float64[Floats, "rows ahead left"]
    crop: CropSpec

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> AttentionShares:
        """Some rows: their indices, or whether each is among them."""
        return AttentionShares(
            self.nothing[chosen], self.own[chosen], self.neighbours[chosen], self.cells[chosen], self.crop
        )


def weighted_attention(attention: ModeAttention, probabilities: Tensor, crop: CropSpec) -> AttentionShares:
    """The mean over modes, each at its probability.

    Args:
        attention: of each mode.
        probabilities: (batch, modes) of the same modes, summing to 1.
        crop: that the network reads.
    """
    weights = probabilities.double().cpu().numpy()

    def mean(shares: Tensor) -> Floats:
        found: Floats = np.einsum("bm,bm...->b...", weights, shares.double().cpu().numpy())
        return found

    slots = attention.neighbours.shape[2]
    neighbours = mean(attention.neighbours.sum(2)) if slots else np.full(len(weights), np.nan)
    return AttentionShares(mean(attention.nothing), mean(attention.own), neighbours, mean(attention.cells), crop)


def joined_attention(parts: Sequence[AttentionShares]) -> AttentionShares:
    """The rows of several parts of one network, in order; at least one part."""
    names = ("nothing", "own", "neighbours", "cells")
    nothing, own, neighbours, cells = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return AttentionShares(nothing, own, neighbours, cells, parts[0].crop)
