"""What part of the map a forecaster sees, and at what resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass

Pair = tuple[float, float]


def upright_bounds_m(
    pose_world: tuple[float, float, float], extents_m: tuple[float, float, float, float]
) -> tuple[Pair, Pair]:
    """Lowest and highest x, y of the upright rectangle around a rectangle in an agent's frame, world frame, metres.

    Args:
        pose_world: x, y, heading of the agent.
        extents_m: how far the rectangle reaches ahead, behind, to the left and to the right.
    """
    x, y, heading_rad = pose_world
    ahead_m, behind_m, left_m, right_m = extents_m
    cos, sin = math.cos(heading_rad), math.sin(heading_rad)
    ahead, left = (ahead_m - behind_m) / 2, (left_m - right_m) / 2
    long, wide = (ahead_m + behind_m) / 2, (left_m + right_m) / 2
    x, y = x + cos * ahead - sin * left, y + sin * ahead + cos * left
    half_x, half_y = abs(cos) * long + abs(sin) * wide, abs(sin) * long + abs(cos) * wide
    return (x - half_x, y - half_y), (x + half_x, y + half_y)


@dataclass(frozen=True)
class CropSpec:
    """A rectangular window of the map in the agent's frame, as an image.

    Row 0 is the rearmost line and rows grow *forward* (+x); column 0 is the rightmost line and columns grow
    *left* (+y). Pixel ``(row, column)`` has its centre at ``x = -behind_m + (row + ½) / px_per_m`` and
    ``y = -right_m + (column + ½) / px_per_m``.

    Attributes:
        channels: one tuple of map layer names per image channel; a channel is the union of its layers.
        ahead_m, behind_m, left_m, right_m: extent around the agent, metres.
        px_per_m: resolution, pixels per metre; the extents must give whole numbers of pixels.
    """

    channels: tuple[tuple[str, ...], ...] = (
        ("drivable_area", "road_segment", "lane"),
        ("road_divider",),
        ("lane_divider",),
    )
    ahead_m: float = 120.0
    behind_m: float = 8.0
    left_m: float = 40.0
    right_m: float = 40.0
    px_per_m: float = 1.0

    def __post_init__(self) -> None:
        if not self.channels or not all(self.channels):
            raise ValueError("a crop needs at least one channel, and each channel at least one layer")
        for name in ("height", "width"):
            exact = getattr(self, f"_{name}_exact")
            if exact < 1 or abs(exact - round(exact)) > 1e-6:
                raise ValueError(
                    f"the crop's {name} is {exact} pixels; choose extents and px_per_m that give whole pixels"
                )

    @property
    def _height_exact(self) -> float:
        return (self.ahead_m + self.behind_m) * self.px_per_m

    @property
    def _width_exact(self) -> float:
        return (self.left_m + self.right_m) * self.px_per_m

    @property
    def height_px(self) -> int:
        """Rows of the image."""
        return round(self._height_exact)

    @property
    def width_px(self) -> int:
        """Columns of the image."""
        return round(self._width_exact)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one crop."""
        return len(self.channels), self.height_px, self.width_px

    def bounds_m(self, x: float, y: float, heading_rad: float) -> tuple[Pair, Pair]:
        """Lowest and highest x, y of the crop of an agent at a pose: the upright rectangle around it, world frame."""
        return upright_bounds_m((x, y, heading_rad), (self.ahead_m, self.behind_m, self.left_m, self.right_m))

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers in use, each once, in order of first use."""
        return tuple(dict.fromkeys(layer for channel in self.channels for layer in channel))


#: The published raster: 100 × 100 at 3 px/m, agent at row 10, column 50: 30 m ahead, 3⅓ m behind, 16⅔ m aside.
PAPER_CROP = CropSpec(ahead_m=30.0, behind_m=10 / 3, left_m=50 / 3, right_m=50 / 3, px_per_m=3.0)
