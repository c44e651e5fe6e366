"""Draws crops by the pixel conventions of nuScenes-devkit 1.2, for models that were trained on its images.

Its convention, in short: vertices are rounded to whole pixels whose *centres* lie on the grid's corners, which puts
the map half a pixel off; outlines are filled including their border; the whole square image of side
2 · max(extents) is scaled to a whole number of pixels, by a few tenths of a percent; geometry is cut at that square;
lines are 2 pixels thick. A crop is the front rows of the square, even where another side reaches further than
``ahead_m``: such a crop shows what lies further ahead than it says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from forecast.core.crops import CropSpec
from forecast.core.maps import MapSource
from forecast.data.maps.area_fill import PER_GRADE

_LINE_PX = 2
_CELL_M = 32.0


class DevkitGrid:
    """Where the devkit puts a point of the agent's frame on the image of a crop."""

    def __init__(self, spec: CropSpec) -> None:
        """Work out scale and offsets, from the square image that the devkit cuts its crops from."""
        half_m = max(spec.ahead_m, spec.behind_m, spec.left_m, spec.right_m)
        # An extent such as 16.666… m must not lose a pixel to rounding here.
        side_px = math.floor(2 * half_m * spec.px_per_m + 1e-6)
        self.half_m, self.side_px, self.px_per_m = half_m, side_px, side_px / (2 * half_m)
        self.first_row = side_px - spec.height_px
        self.row_at_agent = half_m * self.px_per_m - self.first_row
        self.first_column = math.floor(side_px / 2 - spec.left_m * spec.px_per_m + 1e-6)
        self.column_at_agent = half_m * self.px_per_m - self.first_column

    def on_square(self, ahead_left_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns, counted from the left, and rows of the square that crops are cut from: (points, 2)."""
        column_row: NDArray[np.float64] = self.half_m * self.px_per_m + ahead_left_m[:, ::-1] * (
            -self.px_per_m,
            self.px_per_m,
        )
        return column_row


class _LayerShapes:
    """Geometries of one layer; of each, the part within reach of a coarse cell is kept once it was needed."""

    def __init__(self, geometries: Sequence[BaseGeometry], reach_m: float) -> None:
        self._shapes = np.array(geometries, dtype=object)
        self._tree = shapely.STRtree(geometries)
        self._reach_m = reach_m
        self._near: dict[tuple[int, int], NDArray[np.object_]] = {}

    def within(self, window: BaseGeometry) -> NDArray[np.object_]:
        """The geometries' parts within a window whose extent is at most the reach, in the map's order."""
        middle = window.centroid
        cell = (math.floor(middle.x / _CELL_M), math.floor(middle.y / _CELL_M))
        if cell not in self._near:
            low, high = np.array(cell) * _CELL_M - self._reach_m, (np.array(cell) + 1) * _CELL_M + self._reach_m
            surroundings = shapely.box(*low, *high)
            chosen = np.sort(self._tree.query(surroundings, predicate="intersects"))
            self._near[cell] = shapely.intersection(self._shapes[chosen], surroundings)
        parts: NDArray[np.object_] = shapely.intersection(self._near[cell], window)
        kept: NDArray[np.object_] = parts[~shapely.is_empty(parts)]
        return kept


class DevkitDrawer:
    """One map, drawn as ``NuScenesMap.get_map_mask`` would draw it."""

    def __init__(self, source: MapSource, spec: CropSpec) -> None:
        """Take a map to draw crops of."""
        self._spec, self._grid = spec, DevkitGrid(spec)
        held = set(source.layers)
        reach_m = math.hypot(2 * self._grid.half_m, 2 * self._grid.half_m)
        self._channels = [
            [_LayerShapes(source.geometries(layer), reach_m) for layer in layers if layer in held]
            for layers in spec.channels
        ]

    def draw(self, pose_world: NDArray[np.float64], out: NDArray[np.float32]) -> None:
        """Draw the crop of one agent into ``out`` (channels, height, width): 0 or 1."""
        np.multiply(self.crop(pose_world), PER_GRADE, out=out)

    def crop(self, pose_world: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Draw the crop of one agent: (channels, height, width), 0 or 255."""
        spec = self._spec
        images: NDArray[np.uint8] = np.zeros(spec.shape, np.uint8)
        if not np.isfinite(pose_world).all():
            return images
        cos, sin = np.cos(pose_world[2]), np.sin(pose_world[2])
        world_from_agent = np.array([[cos, -sin], [sin, cos]])
        corners = self._grid.half_m * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        window = shapely.Polygon(corners @ world_from_agent.T + pose_world[:2])
        grid = self._grid
        # The whole square is drawn: OpenCV's lines change by a pixel here and there where an image cuts them.
        rows = slice(grid.first_row, grid.first_row + spec.height_px)
        columns = slice(grid.first_column, grid.first_column + spec.width_px)
        for image, layers in zip(images, self._channels, strict=True):
            for shapes in layers:
                drawn = np.zeros((grid.side_px, grid.side_px), np.uint8)
                for part in shapes.within(window):
                    self._draw(drawn, part, pose_world[:2], world_from_agent)
                np.maximum(image, drawn[rows, columns][:, ::-1], out=image)
        return images

    def _draw(
        self, image: NDArray[np.uint8], shape: BaseGeometry, origin: NDArray[np.float64], turn: NDArray[np.float64]
    ) -> None:
        """Draw one geometry, which a window may have cut into several parts."""

        def pixels(line: BaseGeometry) -> NDArray[np.float64]:
            return self._grid.on_square((shapely.get_coordinates(line) - origin) @ turn)

        outer, holes = [], []
        for part in shapely.get_parts(shape):
            if part.geom_type == "Polygon":
                first, *others = shapely.get_rings(part)
                outer.append(np.rint(pixels(first)).astype(np.int32))
                holes += [np.rint(pixels(ring)).astype(np.int32) for ring in others]
            elif part.geom_type == "LineString":
                cv2.polylines(image, [pixels(part).astype(np.int32)], False, 255, _LINE_PX)
        if outer:
            cv2.fillPoly(image, outer, 255)
        if holes:
            cv2.fillPoly(image, holes, 0)
