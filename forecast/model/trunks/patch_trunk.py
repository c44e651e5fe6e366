"""Convolutional blocks at one resolution, after PatchConvNet (arXiv 2112.13692)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecast.core.shapes import Float
from forecast.model.trunks.patch_stem import ChannelNorm, PatchStem
from forecast.model.trunks.trunk_config import TrunkConfig

_FIRST_SCALE = 1e-4


class _SqueezeExcite(nn.Module):
    """Channels are weighed by what the whole image looks like."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(width, max(width // 4, 4)), nn.ReLU(), nn.Linear(max(width // 4, 4), width), nn.Sigmoid()
        )

    def forward(self, cells: Tensor) -> Tensor:
        weights: Tensor = self.gate(cells.mean((2, 3)))
        return cells * weights[..., None, None]


class _Block(nn.Module):
    """Norm, 1 × 1, GELU, 3 × 3 by channel, GELU, squeeze and excite, 1 × 1; scaled, and added to what came."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ChannelNorm(width),
            nn.Conv2d(width, width, 1),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, groups=width),
            nn.GELU(),
            _SqueezeExcite(width),
            nn.Conv2d(width, width, 1),
        )
        self.scale = nn.Parameter(torch.full((width, 1, 1), _FIRST_SCALE))

    def forward(self, cells: Tensor) -> Tensor:
        added: Tensor = self.layers(cells)
        return cells + self.scale * added


class PatchTrunk(nn.Module):
    """A stem of patches, blocks, and a norm.

    Args:
        config: sizes.
        channels: of the crop.
    """

    def __init__(self, config: TrunkConfig, channels: int) -> None:
        super().__init__()
        self.stem = PatchStem(channels, config.width, config.patch_px)
        self.blocks = nn.Sequential(*(_Block(config.width) for _ in range(config.depth)))
        self.norm = ChannelNorm(config.width)

    def forward(self, crop: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch size rows columns"]:
        """Read crops.

        Args:
            crop: (batch, channels, height, width), no unit.

        Returns:
            (batch, width, rows, columns), no unit.
        """
        cells: Tensor = self.norm(self.blocks(self.stem(crop)))
        return cells
