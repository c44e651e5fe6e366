"""Multi-head attention whose weights can be asked for."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecast.core.shapes import Bool, Float


class Attention(nn.Module):
    """Queries take from tokens what they look for.

    Args:
        size: numbers in a query and in a token.
        heads: how many ways of looking; they divide ``size``.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        self.out = nn.Linear(size, size)

    def forward(
        self,
        queries: Float[Tensor, "batch queries size"],
        tokens: Float[Tensor, "batch tokens size"],
        there: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch queries size"]:
        """Attend.

        Args:
            queries: (batch, queries, size), no unit.
            tokens: (batch, tokens, size), no unit.
            there: (batch, tokens) bool, tokens that may be looked at, at least one each; None for all.

        Returns:
            (batch, queries, size), no unit.
        """
        query, key, value = map(self._by_head, (self.query(queries), self.key(tokens), self.value(tokens)))
        mask = None if there is None else there[:, None, None].expand(-1, 1, queries.shape[1], -1)
        taken = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        answer: Tensor = self.out(taken.transpose(1, 2).flatten(2))
        return answer

    def weights(
        self,
        queries: Float[Tensor, "batch queries size"],
        tokens: Float[Tensor, "batch tokens size"],
        there: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch heads queries tokens"]:
        """How much of each token :meth:`forward` takes.

        Args:
            queries, tokens, there: as for :meth:`forward`.

        Returns:
            (batch, heads, queries, tokens), which sum to 1 over tokens.
        """
        query, key = self._by_head(self.query(queries)), self._by_head(self.key(tokens))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        if there is not None:
            scores = scores.masked_fill(~there[:, None, None], -torch.inf)
        return scores.softmax(-1)

    def _by_head(self, rows: Tensor) -> Tensor:
        """(batch, heads, rows, numbers)"""
        return rows.view(*rows.shape[:2], self.heads, rows.shape[2] // self.heads).transpose(1, 2)


class Perceptron(nn.Sequential):
    """Two layers with a GELU between.

    Args:
        before, hidden, after: sizes of the input, between, and of the output.
    """

    def __init__(self, before: int, hidden: int, after: int) -> None:
        super().__init__(nn.Linear(before, hidden), nn.GELU(), nn.Linear(hidden, after))


class SharedDropout(nn.Module):
    """Dropout of the same numbers in all queries or tokens of a row: one draw where there would be dozens.

    Args:
        probability: of dropping a number, in training.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, rows: Float[Tensor, "batch items size"]) -> Float[Tensor, "batch items size"]:
        """Drop.

        Args:
            rows: (batch, items, size), no unit.
        """
        if not self.training or not self.probability:
            return rows
        return rows * functional.dropout(torch.ones_like(rows[:, :1]), self.probability)
