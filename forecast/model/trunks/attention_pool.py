"""Sums up all cells by what one learnt query looks for (arXiv 2112.13692)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecast.core.shapes import Float
from forecast.model.attention import Attention


class AttentionPool(nn.Module):
    """In place of an average over cells, which forgets where they are.

    Args:
        width: numbers in a cell.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(0.02 * torch.randn(1, width))
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, 1)

    def forward(self, cells: Float[Tensor, "batch size rows columns"]) -> Float[Tensor, "batch size"]:
        """Pool.

        Args:
            cells: (batch, width, rows, columns), no unit.

        Returns:
            (batch, width), no unit.
        """
        tokens = self.norm(cells.flatten(2).transpose(1, 2))
        pooled: Tensor = self.attention(self.query.expand(tokens.shape[0], 1, -1), tokens)[:, 0]
        return pooled
