"""The drivable area as the devkit draws it, 10 px/m, in tiles that are drawn when a trajectory first needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import STRtree, box

from forecast.core.maps import MapSource
from forecast.eval.results import Bools, Integers

PX_PER_M = 10
TILE_PX = 512
#: How far a canvas may reach beyond its tile, to hold the edges that cross the tile in full.
REACH_PX = 4096
#: Width and height of the four nuScenes maps, m (nuscenes-devkit, NuScenesMap).
NUSCENES_SIZES_M = {
    "singapore-onenorth": (1585.6, 2025.0),
    "singapore-hollandvillage": (2808.3, 2922.9),
    "singapore-queenstown": (3228.6, 3687.1),
    "boston-seaport": (2979.5, 2118.1),
}


class DrivableArea:
    """A raster of drivable polygons, bit for bit where it matters and only where it is asked for.

    Vertices are rounded to pixels, outlines belong to the area, and each polygon's holes are cleared after its
    outline is filled, polygon after polygon, as the devkit does. Everything outside the map is off the road.
    """

    def __init__(self, polygons: Sequence[Any], size_m: tuple[float, float]) -> None:
        """Take the polygons (shapely, world frame, metres) and the map's (width, height) in metres."""
        parts = [part for geometry in polygons for part in getattr(geometry, "geoms", [geometry])]
        self._parts = [part for part in parts if not part.is_empty]
        self._tree = STRtree(self._parts)
        self.width_px, self.height_px = (round(side * PX_PER_M) for side in size_m)
        self._columns = -(-self.width_px // TILE_PX)
        rows = -(-self.height_px // TILE_PX)
        self._slot = np.full(rows * self._columns, -1, dtype=np.int64)
        self._tiles = np.zeros((0, TILE_PX * TILE_PX // 8), dtype=np.uint8)

    @classmethod
    def of(cls, source: MapSource, *, layer: str = "drivable_area") -> DrivableArea:
        """The drivable area of a map; its size is nuScenes' own where the name is known, else that of the area."""
        polygons = source.geometries(layer)
        size = NUSCENES_SIZES_M.get(source.name)
        if size is None:
            bounds = np.array([polygon.bounds[2:] for polygon in polygons]).reshape(-1, 2)
            size = tuple((bounds.max(0, initial=0.0) + 1.0).tolist())
        return cls(polygons, size)

    def contains(self, column: Integers, row: Integers) -> Bools:
        """(…) whether pixels are drivable; False outside the map."""
        inside = (column >= 0) & (column < self.width_px) & (row >= 0) & (row < self.height_px)
        column, row = np.where(inside, column, 0), np.where(inside, row, 0)
        tile = (row // TILE_PX) * self._columns + column // TILE_PX
        self._draw(tile[inside])
        pixel = (row % TILE_PX) * TILE_PX + column % TILE_PX
        slot = self._slot[tile]
        bits = self._tiles[slot, pixel >> 3] if len(self._tiles) else np.zeros_like(pixel)
        found: Bools = inside & ((bits >> (7 - (pixel & 7))) & 1).astype(bool)
        return found

    def _draw(self, tiles: Integers) -> None:
        needed = np.unique(tiles)
        needed = needed[self._slot[needed] < 0]
        if not len(needed):
            return
        drawn = [np.packbits(self._tile(int(tile))) for tile in needed]
        self._slot[needed] = len(self._tiles) + np.arange(len(needed))
        self._tiles = np.concatenate([self._tiles, np.stack(drawn)])

    def _tile(self, tile: int) -> NDArray[np.uint8]:
        left, top = (tile % self._columns) * TILE_PX, (tile // self._columns) * TILE_PX
        near = np.array([left, top, left + TILE_PX, top + TILE_PX]) + np.array([-2, -2, 2, 2])
        parts = [self._parts[index] for index in np.sort(self._tree.query(box(*(near / PX_PER_M))))]
        rings = [[_pixels(ring) for ring in (part.exterior, *part.interiors)] for part in parts]
        canvas_left, canvas_top, right, bottom = _canvas(rings, near)
        canvas = np.zeros((bottom - canvas_top, right - canvas_left), dtype=np.uint8)
        origin = np.array([canvas_left, canvas_top], dtype=np.int32)
        for outline, *holes in rings:
            cv2.fillPoly(canvas, [outline - origin], 1)
            if holes:
                cv2.fillPoly(canvas, [hole - origin for hole in holes], 0)
        y, x = top - canvas_top, left - canvas_left
        return canvas[y : y + TILE_PX, x : x + TILE_PX]


def _pixels(ring: Any) -> NDArray[np.int32]:
    points: NDArray[np.int32] = (np.asarray(ring.coords)[:, :2] * PX_PER_M).round().astype(np.int32)
    return points


def _canvas(rings: list[list[NDArray[np.int32]]], near: Any) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a canvas that clips no edge which comes near the tile.

    OpenCV clips lines at the canvas and then draws what is left, which may shift its pixels by one.
    """
    lines = [ring for polygon in rings for ring in polygon]
    low = np.concatenate([np.minimum(ring[1:], ring[:-1]) for ring in lines] or [near[None, :2]])
    high = np.concatenate([np.maximum(ring[1:], ring[:-1]) for ring in lines] or [near[None, 2:]])
    touching = (low <= near[2:]).all(-1) & (high >= near[:2]).all(-1)
    first = np.maximum(np.minimum(low[touching].min(0, initial=np.iinfo(np.int32).max), near[:2]), near[:2] - REACH_PX)
    last = np.minimum(np.maximum(high[touching].max(0, initial=np.iinfo(np.int32).min), near[2:]), near[2:] + REACH_PX)
    return int(first[0]), int(first[1]), int(last[0]) + 1, int(last[1]) + 1
