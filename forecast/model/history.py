"""Encodes what an agent itself did."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecast.core.agents import STATE_CHANNELS
from forecast.core.shapes import Bool, Float, Int64

#: Added to a code's variance where it is normalised, so that the small code of one who stands is made ten times as
#: large and no larger.
_LEAST_VARIANCE = 1e-2


def suffix_start(valid: Bool[Tensor, "batch history"]) -> Int64[Tensor, "batch"]:
    """First row of the unbroken run of valid rows that ends at the present.

    Args:
        valid: (batch, history) bool.

    Returns:
        (batch,) int64; ``history`` where not even the last row is valid.
    """
    unbroken = valid.long().flip(1).cumprod(1).sum(1)
    return valid.shape[1] - unbroken


def last_of_suffix(
    lstm: nn.LSTM, sequence: Float[Tensor, "batch history features"], start: Int64[Tensor, "batch"]
) -> Float[Tensor, "batch hidden"]:
    """Run an LSTM from row ``start`` to the last row; its last output.

    Args:
        lstm: batch first, one direction.
        sequence: (batch, history, features), no unit.
        start: (batch,) int64 first row to read.

    Returns:
        (batch, hidden), no unit.
    """
    # Rows are shifted to begin at 0, so that all agents start together from the LSTM's zero state.
    rows = sequence.shape[1]
    last = rows - 1
    index = (start[:, None] + torch.arange(rows, device=start.device)).clamp(max=last)
    shifted = sequence.gather(1, index[..., None].expand_as(sequence))
    outputs: Tensor = lstm(shifted)[0]
    length = (last - start).clamp(min=0)
    return outputs.gather(1, length[:, None, None].expand(-1, 1, outputs.shape[-1]))[:, 0]


class HistoryEncoder(nn.Module):
    """An LSTM over the unbroken recent past of the target.

    Args:
        size: of the code.
        dropout: probability, on the code.
        normalised: whether the code passes through a layer normalisation before.
    """

    def __init__(self, size: int, dropout: float, *, normalised: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(len(STATE_CHANNELS), size, batch_first=True)
        self.norm = nn.LayerNorm(size, eps=_LEAST_VARIANCE) if normalised else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, states: Float[Tensor, "batch history channels"], start: Int64[Tensor, "batch"]
    ) -> Float[Tensor, "batch size"]:
        """Encode scaled states (batch, history, channels), no unit, from row ``start`` (batch,) on; (batch, size)."""
        code: Tensor = self.dropout(self.norm(last_of_suffix(self.lstm, states, start)))
        return code
