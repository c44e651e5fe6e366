"""Any trunk, by its configuration."""

from __future__ import annotations

from torch import nn

from forecast.core.crops import CropSpec
from forecast.model.trunks.conv_trunk import ConvTrunk
from forecast.model.trunks.patch_trunk import PatchTrunk
from forecast.model.trunks.trunk_config import TrunkConfig
from forecast.model.trunks.vit_trunk import VitTrunk


def make_trunk(config: TrunkConfig, crop: CropSpec) -> nn.Module:
    """A trunk with random parameters: from (batch, channels, height, width) to (batch, width, rows, columns), no unit.

    Args:
        config: kind and sizes.
        crop: what the input looks like.

    Raises:
        ValueError: the crop is no whole number of cells high or wide.
    """
    channels, height_px, width_px = crop.shape
    grid = config.grid(height_px, width_px)
    if config.kind == "vit":
        return VitTrunk(config, channels, grid)
    return PatchTrunk(config, channels) if config.kind == "patch" else ConvTrunk(config, channels)
