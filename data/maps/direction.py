"""Direction of traffic as two signed channels of a crop: where lanes lead, as the agent sees it.

``lane_direction_ahead`` holds the cosine and ``lane_direction_left`` the sine of the angle from the agent's heading to
the lane's, averaged over the pixel; both are 0 where there is no lane. Their hypotenuse is the share of the pixel
that lanes cover where these agree on a direction, less where they do not. Where lanes overlap, as in a junction, the
last one of the map's list counts.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.core.maps import MapSource
from forecast.data.maps.area_fill import FIXED_PER_PX, FRACTION_BITS, to_fixed
from forecast.data.maps.layers import DIRECTION, line_width_m
from forecast.data.maps.segments import Segments

#: Straight pieces of a bend are drawn longer by this, metres, so that no gap opens at its outer side.
_OVERLAP_M = 0.15
#: Points a cell along each axis when a map is baked, and the weights of an area twice as wide as a cell.
_SAMPLES = 4
_FOOTPRINT = np.array([0.25, 0.5, 0.25])
Floats = NDArray[np.float32]


def segments_of(source: MapSource) -> Segments:
    """The directed lines of a map; none where it has no centre lines."""
    lines = source.geometries("lane_centre") if "lane_centre" in source.layers else []
    return Segments.of(lines, straight_m=0.01)


def draw_directions(
    ends_px: NDArray[np.float64],
    heading_rad: NDArray[np.float64],
    shape: tuple[int, int],
    px_per_m: float,
    samples: int,
) -> Floats:
    """Draw directed segments, later ones over earlier ones.

    Args:
        ends_px: (segments, 2, 2) start and end, as column and row on the image, in pixels from its corner.
        heading_rad: (segments,) the directions to draw.
        shape: height and width of the image.
        px_per_m: of the image.
        samples: points per pixel along each axis.

    Returns:
        (height, width, 2) mean cosine and sine over each pixel.
    """
    height, width = shape
    fine: Floats = np.zeros((height * samples, width * samples, 2), np.float32)
    corners = to_fixed(_quads(ends_px, px_per_m) * samples)
    size = np.array([width, height]) * samples * FIXED_PER_PX
    seen = ((corners.max(1) >= 0) & (corners.min(1) <= size)).all(1)
    colours = np.stack([np.cos(heading_rad), np.sin(heading_rad)], 1)[seen].tolist()
    for quad, colour in zip(corners[seen], colours, strict=True):
        cv2.fillConvexPoly(fine, quad, colour, cv2.LINE_8, FRACTION_BITS)
    averaged: Floats = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return averaged


def _quads(ends_px: NDArray[np.float64], px_per_m: float) -> NDArray[np.float64]:
    """Corners (segments, 4, 2) of the segments at the width of a lane."""
    along = ends_px[:, 1] - ends_px[:, 0]
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    half_px = line_width_m(DIRECTION[0][0]) / 2 * px_per_m
    aside = along[:, ::-1] * (-half_px, half_px)
    along *= _OVERLAP_M * px_per_m
    begin, end = ends_px[:, 0] - along, ends_px[:, 1] + along
    return np.stack([begin - aside, begin + aside, end + aside, end - aside], 1)


class BlockDirections:
    """Draws the direction of traffic in squares of the world, for baking."""

    def __init__(self, source: MapSource, channels: slice) -> None:
        """Take a map, and which two channels are wanted."""
        self.segments, self.channels = segments_of(source), channels

    def draw(
        self, first_cell: tuple[int, int], cells: int, cells_per_m: float, footprint_cells: int
    ) -> NDArray[np.uint8]:
        """Draw one square.

        Args:
            first_cell: column and row of its first cell, on the grid through the world's origin.
            cells: its side.
            cells_per_m: resolution.
            footprint_cells: 1: a cell holds its own mean; 2: that of an area twice as wide around it.

        Returns:
            (2, cells, cells) x and y of the direction: 127 times the value, the bits of a signed byte.
        """
        halo, reach_m = 1, line_width_m(DIRECTION[0][0])
        low = np.array(first_cell) - halo
        high = low + cells + 2 * halo
        chosen = self.segments.within(low / cells_per_m - reach_m, high / cells_per_m + reach_m)
        ends_px = self.segments.ends_m[chosen] * cells_per_m - low
        shape = (cells + 2 * halo, cells + 2 * halo)
        drawn = draw_directions(ends_px, self.segments.heading_rad[chosen], shape, cells_per_m, _SAMPLES)
        if footprint_cells == 2:
            drawn = cv2.sepFilter2D(drawn, -1, _FOOTPRINT, _FOOTPRINT)
        whole = np.rint(drawn[halo:-halo, halo:-halo].transpose(2, 0, 1) * 127).astype(np.int8)
        return np.ascontiguousarray(whole).view(np.uint8)


class DirectionDrawer:
    """Draws the direction of traffic in one agent's frame."""

    def __init__(self, source: MapSource, spec: CropSpec, samples: int) -> None:
        """Take a map, and how a crop looks."""
        self._segments, self._spec, self._samples = segments_of(source), spec, samples

    def crop(self, pose_world: NDArray[np.float64]) -> Floats:
        """(2, height, width) mean cosine and sine, −1…1."""
        spec = self._spec
        if not np.isfinite(pose_world).all():
            return np.zeros((2, spec.height_px, spec.width_px), np.float32)
        ends_m, heading_rad = self._segments.near(pose_world, spec)
        cos, sin = math.cos(pose_world[2]), math.sin(pose_world[2])
        column_row = (ends_m - pose_world[:2]) @ np.array([[-sin, cos], [cos, sin]])
        column_row += spec.right_m, spec.behind_m
        shape = spec.height_px, spec.width_px
        seen = draw_directions(
            column_row * spec.px_per_m, heading_rad - pose_world[2], shape, spec.px_per_m, self._samples
        )
        return np.ascontiguousarray(seen.transpose(2, 0, 1))
