"""Cuts a crop into patches and turns each into a cell by itself.

After the hMLP stem of arXiv 2203.09795: convolutions without overlap, with norms over the channels of a place. So no
cell sees another's pixels, and masking patches before the stem or after it is the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecast.core.shapes import Float


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each place of an image; no statistics over places or batches."""

    def forward(self, image: Float[Tensor, "batch width rows columns"]) -> Float[Tensor, "batch width rows columns"]:
        """Normalise.

        Args:
            image: (batch, width, rows, columns), no unit.
        """
        last = functional.layer_norm(image.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return last.permute(0, 3, 1, 2)


class PatchStem(nn.Sequential):
    """Patches of 4 × 4 pixels, then of 2 × 2 of those, …, until cells are large enough.

    Args:
        channels: of the crop.
        width: numbers in a cell that leaves.
        patch_px: side of a cell, pixels.
    """

    def __init__(self, channels: int, width: int, patch_px: int) -> None:
        sides = [4] + [2] * (patch_px.bit_length() - 3)
        layers: list[nn.Module] = []
        for place, side in enumerate(sides):
            last = place == len(sides) - 1
            after = width if last else max(width // 2, 8)
            layers += [nn.Conv2d(channels, after, side, side), ChannelNorm(after)]
            layers += [] if last else [nn.GELU()]
            channels = after
        super().__init__(*layers)

    def forward(self, crop: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch size rows columns"]:
        """Embed patches.

        Args:
            crop: (batch, channels, height, width), no unit.

        Returns:
            (batch, width, rows, columns), no unit.
        """
        # Channels last: what follows is mostly linear over channels.
        cells = crop.contiguous(memory_format=torch.channels_last)
        for layer in self:
            cells = layer(cells)
        return cells
