"""The categorical latent: prior, posterior, and the future encoder behind the posterior."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecast.core.agents import STATE_CHANNELS
from forecast.core.shapes import Float


class FutureEncoder(nn.Module):
    """A bidirectional LSTM over the true future; its forward direction starts from the present state.

    Args:
        size: of each direction; the code has four times as many numbers.
        dropout: probability, on the code.
    """

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, size, batch_first=True, bidirectional=True)
        self.first_hidden = nn.Linear(len(STATE_CHANNELS), size)
        self.first_cell = nn.Linear(len(STATE_CHANNELS), size)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, future: Float[Tensor, "rows steps 2"], present: Float[Tensor, "rows channels"]
    ) -> Float[Tensor, "rows size"]:
        """Encode scaled futures (rows, steps, 2) after scaled present states (rows, channels); no unit."""
        hidden, cell = self.first_hidden(present), self.first_cell(present)
        both = tuple(torch.stack([first, torch.zeros_like(first)]) for first in (hidden, cell))
        _, (last_hidden, last_cell) = self.lstm(future, both)
        code: Tensor = self.dropout(torch.cat([*last_hidden, *last_cell], -1))
        return code


class CategoricalLatent(nn.Module):
    """Logits of p(z | X, C) and q(z | X, C, y).

    Args:
        encoding_size: numbers in an encoding e.
        future_size: numbers in a future code f.
        hidden_size: of the prior.
        modes: number of values of z.
    """

    def __init__(self, encoding_size: int, future_size: int, hidden_size: int, modes: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.hidden = nn.Linear(encoding_size, hidden_size)
        self.prior_logits = nn.Linear(hidden_size, modes)
        self.posterior_logits = nn.Linear(encoding_size + future_size, modes)

    def prior(
        self, encoding: Float[Tensor, "rows size"], keep: Float[Tensor, "rows hidden"] | None = None
    ) -> Float[Tensor, "rows modes"]:
        """Logits (rows, modes) for encodings (rows, size); ``keep`` (rows, hidden) is the dropout's mask, scaled."""
        hidden = self.hidden(encoding).relu()
        logits: Tensor = self.prior_logits(hidden if keep is None else hidden * keep)
        return logits

    def posterior(
        self, encoding: Float[Tensor, "rows size"], future_code: Float[Tensor, "rows future_size"]
    ) -> Float[Tensor, "rows modes"]:
        """Logits (rows, modes) for encodings (rows, size) and future codes (rows, future_size)."""
        logits: Tensor = self.posterior_logits(torch.cat([encoding, future_code], -1))
        return logits


def regularised_logits(logits: Float[Tensor, "*rows modes"], bound: float | None) -> Float[Tensor, "*rows modes"]:
    """Centre logits, then clamp them to ±``bound``; unchanged where there is no bound.

    Args:
        logits: (..., modes).
        bound: positive, or None.
    """
    if bound is None:
        return logits
    return (logits - logits.mean(-1, keepdim=True)).clamp(-bound, bound)
