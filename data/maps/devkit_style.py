"""Draws crops by the pixel conventions of nuScenes-devkit 1.2, for models that were trained on its images.

Its convention, in short: vertices are rounded to whole pixels whose *centres* lie on the grid's corners, which puts
the map half a pixel off; outlines are filled including their border; the whole square image of side
2 · max(extents) is scaled to a whole number of pixels, by a few tenths of a percent; lines are 2 pixels thick.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from forecast.core.crops import CropSpec
from forecast.core.maps import MapSource

_LINE_PX = 2


class DevkitGrid:
    """Where the devkit puts a point of the agent's frame on the image of a crop."""

    def __init__(self, spec: CropSpec) -> None:
        """Work out scale and offsets, from the square image that the devkit cuts its crops from."""
        half_m = max(spec.ahead_m, spec.behind_m, spec.left_m, spec.right_m)
        # An extent such as 16.666… m must not lose a pixel to rounding here.
        side_px = math.floor(2 * half_m * spec.px_per_m + 1e-6)
        self.px_per_m = side_px / (2 * half_m)
        front_px = round((half_m - spec.ahead_m) * spec.px_per_m)
        self.row_at_agent = half_m * self.px_per_m - (side_px - spec.height_px - front_px)
        left_px = math.floor(side_px / 2 - spec.left_m * spec.px_per_m + 1e-6)
        self.column_at_agent = half_m * self.px_per_m - left_px

    def rightward(self, ahead_left_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns, counted from the left of the crop, and rows: (points, 2)."""
        offset = np.array([self.column_at_agent, self.row_at_agent])
        column_row: NDArray[np.float64] = ahead_left_m[:, ::-1] * (-self.px_per_m, self.px_per_m) + offset
        return column_row


class _LayerShapes:
    """Geometries of one layer, with their rings' points at hand."""

    def __init__(self, geometries: list[BaseGeometry]) -> None:
        self.tree = shapely.STRtree(geometries)
        self.rings = [
            [shapely.get_coordinates(ring) for ring in (shapely.get_rings(shape) if shape.area else [shape])]
            for shape in geometries
        ]
        self.is_area = [shape.geom_type == "Polygon" for shape in geometries]


class DevkitDrawer:
    """One map, drawn as ``NuScenesMap.get_map_mask`` would draw it."""

    def __init__(self, source: MapSource, spec: CropSpec) -> None:
        """Take a map to draw crops of."""
        self._spec, self._grid = spec, DevkitGrid(spec)
        held = set(source.layers)
        self._channels = [
            [_LayerShapes(list(source.geometries(layer))) for layer in layers if layer in held]
            for layers in spec.channels
        ]

    def crop(self, pose_world: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Draw the crop of one agent: (channels, height, width), 0 or 255."""
        spec = self._spec
        images: NDArray[np.uint8] = np.zeros(spec.shape, np.uint8)
        if not np.isfinite(pose_world).all():
            return images
        cos, sin = np.cos(pose_world[2]), np.sin(pose_world[2])
        world_from_agent = np.array([[cos, -sin], [sin, cos]])
        corners = np.array(
            [
                (-spec.behind_m, -spec.right_m),
                (spec.ahead_m, -spec.right_m),
                (spec.ahead_m, spec.left_m),
                (-spec.behind_m, spec.left_m),
            ]
        )
        window = shapely.Polygon(corners @ world_from_agent.T + pose_world[:2])
        for image, layers in zip(images, self._channels, strict=True):
            for shapes in layers:
                drawn = np.zeros_like(image)
                for index in np.sort(shapes.tree.query(window, predicate="intersects")):
                    rings = [
                        self._grid.rightward((ring[:, :2] - pose_world[:2]) @ world_from_agent)
                        for ring in shapes.rings[index]
                    ]
                    _draw(drawn, rings, is_area=shapes.is_area[index])
                np.maximum(image, drawn[:, ::-1], out=image)
        return images


def _draw(image: NDArray[np.uint8], rings: list[NDArray[np.float64]], *, is_area: bool) -> None:
    if not is_area:
        cv2.polylines(image, [rings[0].astype(np.int32)], False, 255, _LINE_PX)
        return
    whole = [np.rint(ring).astype(np.int32) for ring in rings]
    cv2.fillPoly(image, whole[:1], 255)
    if len(whole) > 1:
        cv2.fillPoly(image, whole[1:], 0)
