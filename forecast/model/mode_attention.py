"""Where each mode of a network looked."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from forecast.core.shapes import Float


@dataclass(frozen=True)
class ModeAttention:
    """Shares of a mode's attention, averaged over heads. What lies in a row sums to 1.

    Attributes:
        nothing: (batch, modes), to a token that stands for nothing.
        own: (batch, modes), to the agent's own past.
        neighbours: (batch, modes, neighbours), to each slot of ``AgentBatch.neighbours``; 0 in empty ones.
        cells: (batch, modes, rows, columns), to cells of the map, which divide the crop evenly: rows grow forward,
            columns grow left. No rows where the network reads no map.
    """

    nothing: Float[Tensor, "batch modes"]
    own: Float[Tensor, "batch modes"]
    neighbours: Float[Tensor, "batch modes neighbours"]
    cells: Float[Tensor, "batch modes rows columns"]
