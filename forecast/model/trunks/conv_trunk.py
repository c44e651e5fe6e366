"""3 × 3 convolutions over cells."""

from __future__ import annotations

from torch import nn

from forecast.model.trunks.patch_stem import PatchStem
from forecast.model.trunks.trunk_config import TrunkConfig


class ConvTrunk(nn.Sequential):
    """Half-width patches, then convolutions at full width.

    Args:
        config: sizes.
        channels: of the crop.
    """

    def __init__(self, config: TrunkConfig, channels: int) -> None:
        stem = max(config.width // 2, 8)
        layers: list[nn.Module] = [PatchStem(channels, stem, config.patch_px), nn.GELU()]
        for place in range(config.depth):
            layers += [nn.Conv2d(config.width if place else stem, config.width, 3, padding=1), nn.GELU()]
        super().__init__(*layers)
