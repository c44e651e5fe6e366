"""Queries look at tokens, then at each other."""

from __future__ import annotations

from torch import Tensor, nn

from forecast.core.shapes import Bool, Float
from forecast.model.attention import Attention, Perceptron, SharedDropout


class AmongQueries(nn.Module):
    """Attention of the queries to each other, and a perceptron; normed before, added after.

    Args:
        size: of a query.
        heads: of the attention.
        dropout: probability of dropping a number, in training.
    """

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(2))
        self.attention, self.perceptron = Attention(size, heads), Perceptron(size, 2 * size, size)
        self.dropout = SharedDropout(dropout)

    def forward(self, queries: Float[Tensor, "batch modes size"]) -> Float[Tensor, "batch modes size"]:
        """Look.

        Args:
            queries: (batch, modes, size), no unit.
        """
        normed = self.norms[0](queries)
        queries = queries + self.dropout(self.attention(normed, normed))
        changed: Tensor = self.dropout(self.perceptron(self.norms[1](queries)))
        return queries + changed


class DecoderLayer(nn.Module):
    """Attention of the queries to all tokens, then :class:`AmongQueries`.

    Args:
        size: of a query and of a token.
        heads: of each attention.
        dropout: probability of dropping a number, in training.
    """

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.attention, self.dropout = nn.LayerNorm(size), Attention(size, heads), SharedDropout(dropout)
        self.among = AmongQueries(size, heads, dropout)

    def forward(
        self,
        queries: Float[Tensor, "batch modes size"],
        tokens: Float[Tensor, "batch tokens size"],
        there: Bool[Tensor, "batch tokens"] | None,
    ) -> Float[Tensor, "batch modes size"]:
        """Look.

        Args:
            queries: (batch, modes, size), no unit.
            tokens: (batch, tokens, size), no unit.
            there: (batch, tokens) bool, which may be looked at; None for all.
        """
        taken = self.attention(self.norm(queries), tokens, there)
        looked: Tensor = self.among(queries + self.dropout(taken))
        return looked

    def weights(
        self,
        queries: Float[Tensor, "batch modes size"],
        tokens: Float[Tensor, "batch tokens size"],
        there: Bool[Tensor, "batch tokens"] | None,
    ) -> Float[Tensor, "batch heads modes tokens"]:
        """How much of each token the queries take.

        Args:
            queries, tokens, there: as for :meth:`forward`.

        Returns:
            (batch, heads, modes, tokens), which sum to 1 over tokens.
        """
        return self.attention.weights(self.norm(queries), tokens, there)
