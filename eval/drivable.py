"""The drivable area as the devkit draws it, 10 px/m, in tiles that are drawn when a trajectory first needs them."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import STRtree, box

from forecast.core.maps import MapSource
from forecast.eval.results import Bools, Integers

PX_PER_M = 10
TILE_BITS = 9
TILE_PX = 1 << TILE_BITS
TILE_BYTES = TILE_PX * TILE_PX // 8
#: A pixel is *clear* if the whole square of twice this side about it is drivable, and so everything this near.
CLEARANCE_M = 1.5
#: What is drawn around a tile, so that clearance is known up to its edge.
REACH_PX = 20
_SQUARE = np.ones((2 * round(CLEARANCE_M * PX_PER_M) + 1,) * 2, dtype=np.uint8)
#: How far a canvas may reach beyond its tile, to hold the edges that cross the tile in full.
CANVAS_REACH_PX = 4096
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
        self._lock = Lock()
        self.width_px, self.height_px = (round(side * PX_PER_M) for side in size_m)
        self._columns = -(-self.width_px // TILE_PX)
        rows = -(-self.height_px // TILE_PX)
        self._slot = np.full(rows * self._columns, -1, dtype=np.int32)
        self._tiles = [np.zeros(0, dtype=np.uint8) for _ in range(2)]

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
        return self._read(column, row, 0)

    def clear(self, column: Integers, row: Integers) -> Bools:
        """(…) whether pixels and all that lies within ``CLEARANCE_M`` of them are drivable."""
        return self._read(column, row, 1)

    def _read(self, column: Integers, row: Integers, plane: int) -> Bools:
        inside = (column >= 0) & (column < self.width_px) & (row >= 0) & (row < self.height_px)
        if not inside.all():
            column, row = np.where(inside, column, 0), np.where(inside, row, 0)
        tile = (row >> TILE_BITS) * self._columns + (column >> TILE_BITS)
        slot = self._slot.take(tile, mode="clip")
        if (slot < 0).any():
            self._draw(tile[slot < 0])
            slot = self._slot.take(tile, mode="clip")
        pixel = ((row & (TILE_PX - 1)) << TILE_BITS) + (column & (TILE_PX - 1))
        byte = self._tiles[plane].take((slot << (2 * TILE_BITS - 3)) + (pixel >> 3), mode="clip")
        found: Bools = inside & ((byte << (pixel & 7)) & 128).astype(bool)
        return found

    def _draw(self, tiles: Integers) -> None:
        with self._lock:
            needed = np.unique(tiles)
            needed = needed[self._slot[needed] < 0]
            if not len(needed):
                return
            drawn = [[np.packbits(plane) for plane in self._tile(int(tile))] for tile in needed]
            before = len(self._tiles[0]) // TILE_BYTES
            self._tiles = [
                np.concatenate([old, *new]) for old, new in zip(self._tiles, zip(*drawn, strict=True), strict=True)
            ]
            # Last, for other threads read the slots first.
            self._slot[needed] = before + np.arange(len(needed))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_tree")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=Lock(), _tree=STRtree(state["_parts"]))

    def _tile(self, tile: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw one tile: which pixels are drivable, and which are clear of everything else."""
        left, top = (tile % self._columns) * TILE_PX, (tile // self._columns) * TILE_PX
        near = np.array([left, top, left + TILE_PX, top + TILE_PX]) + REACH_PX * np.array([-1, -1, 1, 1])
        parts = [self._parts[index] for index in np.sort(self._tree.query(box(*(near / PX_PER_M))))]
        rings = [[_pixels(ring) for ring in (part.exterior, *part.interiors)] for part in parts]
        canvas_left, canvas_top, right, bottom = _canvas(rings, near)
        canvas = np.zeros((bottom - canvas_top, right - canvas_left), dtype=np.uint8)
        origin = np.array([canvas_left, canvas_top], dtype=np.int32)
        for outline, *holes in rings:
            cv2.fillPoly(canvas, [outline - origin], 1)
            if holes:
                cv2.fillPoly(canvas, [hole - origin for hole in holes], 0)
        y, x = near[1] - canvas_top, near[0] - canvas_left
        around = canvas[y : y + TILE_PX + 2 * REACH_PX, x : x + TILE_PX + 2 * REACH_PX]
        self._blank_outside(around, int(near[0]), int(near[1]))
        clear = cv2.erode(around, _SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        inner = slice(REACH_PX, -REACH_PX)
        return around[inner, inner], clear[inner, inner]

    def _blank_outside(self, around: NDArray[np.uint8], left: int, top: int) -> None:
        """Clear what lies beyond the map's edges."""
        around[: max(-top, 0)] = 0
        around[:, : max(-left, 0)] = 0
        around[max(self.height_px - top, 0) :] = 0
        around[:, max(self.width_px - left, 0) :] = 0


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
    first = np.maximum(
        np.minimum(low[touching].min(0, initial=np.iinfo(np.int32).max), near[:2]), near[:2] - CANVAS_REACH_PX
    )
    last = np.minimum(
        np.maximum(high[touching].max(0, initial=np.iinfo(np.int32).min), near[2:]), near[2:] + CANVAS_REACH_PX
    )
    return int(first[0]), int(first[1]), int(last[0]) + 1, int(last[1]) + 1
