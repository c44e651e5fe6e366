"""Attention among all cells: a small vision transformer (arXiv 2203.09795)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecast.core.shapes import Float
from forecast.model.attention import Attention, Perceptron
from forecast.model.trunks.patch_stem import PatchStem
from forecast.model.trunks.trunk_config import TrunkConfig

_EXPANSION = 2


class _Looks(nn.Module):
    """Norm, then attention of the cells to each other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, heads)

    def forward(self, cells: Tensor) -> Tensor:
        normed = self.norm(cells)
        taken: Tensor = self.attention(normed, normed)
        return taken


class _Thinks(nn.Sequential):
    """Norm, then a perceptron in each cell."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.LayerNorm(width), Perceptron(width, _EXPANSION * width, width))


class VitTrunk(nn.Module):
    """A stem of patches, positions, blocks of attention and perceptron, and a norm.

    Args:
        config: sizes. With ``parallel``, two blocks stand side by side: ``x + a₁(x) + a₂(x)``, then the perceptrons.
        channels: of the crop.
        grid: rows and columns of cells.
    """

    def __init__(self, config: TrunkConfig, channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        beside = 2 if config.parallel else 1
        self.stem = PatchStem(channels, config.width, config.patch_px)
        self.position = nn.Parameter(0.02 * torch.randn(config.width, *grid))
        self.looks = nn.ModuleList(
            nn.ModuleList(_Looks(config.width, config.heads) for _ in range(beside))
            for _ in range(config.depth // beside)
        )
        self.thinks = nn.ModuleList(
            nn.ModuleList(_Thinks(config.width) for _ in range(beside)) for _ in range(config.depth // beside)
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, crop: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch size rows columns"]:
        """Read crops.

        Args:
            crop: (batch, channels, height, width), no unit.

        Returns:
            (batch, width, rows, columns), no unit.
        """
        image = self.stem(crop) + self.position
        cells = image.flatten(2).transpose(1, 2)
        for looks, thinks in zip(self.looks, self.thinks, strict=True):
            for layer in (looks, thinks):
                assert isinstance(layer, nn.ModuleList)
                cells = cells + sum(block(cells) for block in layer)
        normed: Tensor = self.norm(cells)
        return normed.transpose(1, 2).reshape(image.shape)
