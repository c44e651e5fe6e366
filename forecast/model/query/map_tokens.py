"""The map around an agent, as features of small cells and as tokens of larger ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecast.core.crops import CropSpec
from forecast.core.shapes import Float, Shaped
from forecast.model.scaling import checked_crop
from forecast.model.trunks.trunk import make_trunk
from forecast.model.trunks.trunk_config import TrunkConfig

#: Cells of a token are at least this long, pixels: 96 tokens on the usual crop.
_TOKEN_PX = 8


@dataclass(frozen=True)
class MapView:
    """What a network has read of the maps around a batch of agents.

    Attributes:
        crop: (batch, channels, height, width) in 0…1.
        cells: (batch, width, rows, columns) features at the trunk's resolution, no unit.
        tokens: (batch, tokens, size), no unit: cells of at least 8 px, row after row.
    """

    crop: Float[Tensor, "batch channels height width"]
    cells: Float[Tensor, "batch features rows columns"]
    tokens: Float[Tensor, "batch tokens size"]


class MapTokens(nn.Module):
    """A trunk; halvings until cells are large enough; positions.

    Args:
        trunk: what reads the crop.
        crop: what the input looks like.
        size: of a token.
    """

    def __init__(self, trunk: TrunkConfig, crop: CropSpec, size: int) -> None:
        super().__init__()
        self.shape = crop.shape
        self.trunk = make_trunk(trunk, crop)
        rows, columns = trunk.grid(crop.height_px, crop.width_px)
        layers: list[nn.Module] = []
        cell_px = trunk.patch_px
        while cell_px < _TOKEN_PX:
            layers += [nn.Conv2d(trunk.width, trunk.width, 2, 2), nn.GELU()]
            rows, columns, cell_px = rows // 2, columns // 2, cell_px * 2
        self.larger = nn.Sequential(*layers)
        #: Rows and columns of tokens.
        self.grid = rows, columns
        self.linear = nn.Linear(trunk.width, size)
        self.position = nn.Parameter(0.02 * torch.randn(rows * columns, size))
        self.norm = nn.LayerNorm(size)

    def forward(self, crop: Shaped[Tensor, "batch channels height width"]) -> MapView:
        """Read crops.

        Args:
            crop: (batch, channels, height, width) in 0…1, as :class:`~forecast.core.crops.CropSpec` lays out.

        Raises:
            ValueError: a crop of another shape.
        """
        crop = checked_crop(crop, self.shape, self.linear.weight.dtype)
        cells = self.trunk(crop)
        tokens = self.linear(self.larger(cells).flatten(2).transpose(1, 2)) + self.position
        return MapView(crop, cells, self.norm(tokens))


def read_at(
    image: Float[Tensor, "batch features rows columns"], points_m: Float[Tensor, "batch *points 2"], crop: CropSpec
) -> Float[Tensor, "batch *points features"]:
    """Values of an image that spans a crop at points in the agent frame, between cells by bilinear interpolation.

    Args:
        image: (batch, features, rows, columns), any unit.
        points_m: (batch, …, 2) x, y, agent frame, metres.
        crop: where the image lies.

    Returns:
        (batch, …, features), the image's unit; 0 outside.
    """
    x, y = points_m.unbind(-1)
    forward = 2 * (x + crop.behind_m) / (crop.ahead_m + crop.behind_m) - 1
    left = 2 * (y + crop.right_m) / (crop.left_m + crop.right_m) - 1
    places = torch.stack([left, forward], -1).flatten(1, -2)[:, None]
    read = functional.grid_sample(image, places, align_corners=False)[:, :, 0]
    return read.transpose(1, 2).reshape(*x.shape, image.shape[1])
