"""Learns to read maps without labels: parts of a crop are hidden and have to be told from what is around them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecast.core.shapes import Bool, Float
from forecast.model.network_protocol import Network


class MaskedMaps(nn.Module):
    """A network's reader of maps, and a linear layer that paints what is hidden (arXiv 2111.06377).

    Args:
        network: whose reader of maps learns.
        share: of the cells that are hidden, 0 to 1.

    Raises:
        ValueError: the network reads no map cell by cell, or cells that do not divide its crop.
    """

    def __init__(self, network: Network, share: float) -> None:
        super().__init__()
        self.network, self.share, self.crop = network, share, network.config.crop
        channels, height, width = self.crop.shape
        tokens = network.map_tokens(torch.zeros(1, channels, height, width))
        if tokens is None:
            raise ValueError(f"model.network '{network.config.network}' reads no map cell by cell")
        self.rows, self.columns = tokens.shape[1:3]
        #: Pixels of a cell: rows and columns.
        self.cell_px = height // self.rows, width // self.columns
        if (self.rows * self.cell_px[0], self.columns * self.cell_px[1]) != (height, width):
            raise ValueError(
                f"model.crop: {height} x {width} pixels, which {self.rows} x {self.columns} cells do not divide evenly"
            )
        self.paint = nn.Linear(tokens.shape[3], channels * self.cell_px[0] * self.cell_px[1])

    def hidden(self, batch: int, generator: torch.Generator) -> Bool[Tensor, "batch cells"]:
        """Draw which cells are hidden, as many in each crop: (batch, cells)."""
        cells = self.rows * self.columns
        order = torch.rand(batch, cells, generator=generator).argsort(1)
        # At least one cell is hidden, and one is seen.
        chosen: Tensor = order < min(max(round(self.share * cells), 1), cells - 1)
        return chosen

    def forward(
        self, crop: Float[Tensor, "batch channels height width"], hidden: Bool[Tensor, "batch cells"]
    ) -> Float[Tensor, ""]:
        """How badly the hidden cells are told.

        Args:
            crop: in 0…1.
            hidden: which cells are set to 0 before they are read.

        Returns:
            Mean cross-entropy of a hidden pixel, nats.
        """
        high, wide = self.cell_px
        pixels = hidden.view(-1, 1, self.rows, self.columns).repeat_interleave(high, 2).repeat_interleave(wide, 3)
        tokens = self.network.map_tokens(crop * ~pixels)
        assert tokens is not None
        painted = self.paint(tokens).unflatten(3, (crop.shape[1], high, wide))
        told = painted.permute(0, 3, 1, 4, 2, 5).reshape(crop.shape)
        loss = functional.binary_cross_entropy_with_logits(told, crop, reduction="none")
        return (loss * pixels).sum() / (pixels.sum() * crop.shape[1]).clamp(min=1)
