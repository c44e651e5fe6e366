"""The drivable area as the devkit draws it, 10 px/m, in tiles that are drawn when a trajectory first needs them."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from forecast.core.maps import MapSource
from forecast.eval.paint import RasterPainter
from forecast.eval.results import Bools, Integers

PX_PER_M = 10
TILE_BITS = 9
TILE_PX = 1 << TILE_BITS
TILE_BYTES = TILE_PX * TILE_PX // 8
#: A pixel is *clear* if the whole square of twice this side about it is drivable, and so everything this near.
CLEARANCE_M = 1.5
#: Side of the squares, of whole tiles, within which the rings of a map are looked through once for all tiles.
BLOCK_PX = 8 * TILE_PX
#: What is drawn around a tile, so that clearance is known up to its edge.
REACH_PX = 20
#: Maps up to here begin at 0, as nuScenes' do.
_FARTHEST_M = 10_000.0
_ONE_PX = np.array([0, 0, 1, 1], dtype=np.int32)
_SQUARE = np.ones((2 * round(CLEARANCE_M * PX_PER_M) + 1,) * 2, dtype=np.uint8)
#: Width and height of the four nuScenes maps, m (nuscenes-devkit, NuScenesMap).
NUSCENES_SIZES_M = {
    "singapore-onenorth": (1585.6, 2025.0),
    "singapore-hollandvillage": (2808.3, 2922.9),
    "singapore-queenstown": (3228.6, 3687.1),
    "boston-seaport": (2979.5, 2118.1),
}


class DrivableArea:
    """A raster of drivable polygons, bit for bit where it matters and only where it is asked for.

    See :class:`~forecast.eval.paint.RasterPainter` for how it is drawn. Everything outside the map is off the road.
    Pixels count from ``origin_m``.
    """

    def __init__(
        self, polygons: Sequence[Any], size_m: tuple[float, float], origin_m: tuple[int, int] = (0, 0)
    ) -> None:
        """Take a map.

        Args:
            polygons: shapely, world frame, metres.
            size_m: width and height of the map.
            origin_m: its lower left corner, world frame; that of nuScenes' maps is (0, 0).
        """
        self.origin_m = origin_m
        if any(origin_m):
            polygons = [shapely.transform(polygon, lambda points: points - origin_m) for polygon in polygons]
        self._painter = RasterPainter.of(polygons, PX_PER_M)
        self._lock = Lock()
        self.width_px, self.height_px = (round(side * PX_PER_M) for side in size_m)
        self._columns = -(-self.width_px // TILE_PX)
        rows = -(-self.height_px // TILE_PX)
        self._slot = np.full(rows * self._columns, -1, dtype=np.int32)
        # The first slot is the tile without any road, which most are.
        self._tiles = [np.zeros(TILE_BYTES, dtype=np.uint8) for _ in range(2)]

    @classmethod
    def of(cls, source: MapSource, *, layer: str = "drivable_area") -> DrivableArea:
        """The drivable area of a map; its size is nuScenes' own where the name is known, else that of the area.

        The devkit knows no place below 0, and keeps every cell from there on: a map that lies elsewhere (around the
        origin, in UTM coordinates) is moved by whole metres, which changes nothing else.
        """
        polygons = source.geometries(layer)
        bounds = np.array([polygon.bounds for polygon in polygons if not polygon.is_empty]).reshape(-1, 4)
        low, high = bounds[:, :2].min(0, initial=np.inf), bounds[:, 2:].max(0, initial=0.0)
        size = NUSCENES_SIZES_M.get(source.name)
        if size is not None and (low < size).all() and (high > 0).all():
            return cls(polygons, size)
        if not len(bounds) or ((low >= 0).all() and (high <= _FARTHEST_M).all()):
            width, height = (high + 1.0).tolist()
            return cls(polygons, (width, height))
        # Of all areas, or the start of 0 would widen what lies in negative coordinates alone.
        left, bottom = (np.floor(low) - 1.0).astype(int).tolist()
        width, height = (bounds[:, 2:].max(0) - (left, bottom) + 1.0).tolist()
        return cls(polygons, (width, height), (left, bottom))

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
            drawn = self._tiles_of(needed)
            road = np.array([bool(planes) for planes in drawn])
            before = len(self._tiles[0]) // TILE_BYTES
            self._tiles = [
                np.concatenate([old, *(planes[number] for planes in drawn if planes)])
                for number, old in enumerate(self._tiles)
            ]
            # Last, for other threads read the slots first.
            self._slot[needed] = np.where(road, before + np.cumsum(road) - 1, 0)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=Lock())

    def _tiles_of(self, tiles: Integers) -> list[list[NDArray[np.uint8]]]:
        """Draw tiles, sorted by their number; those of a block share what the painter finds near it."""
        left, top = (tiles % self._columns) * TILE_PX, (tiles // self._columns) * TILE_PX
        block = np.stack([left // BLOCK_PX, top // BLOCK_PX], -1)
        drawn: list[list[NDArray[np.uint8]]] = [[] for _ in tiles]
        for here in np.unique(block, axis=0):
            window = _around(here * BLOCK_PX, BLOCK_PX)
            painter = self._painter.within(window)
            if not len(painter.edges_px(window)) and not painter.draw(window[[0, 1, 0, 1]] + _ONE_PX).any():
                continue  # no road in the whole block
            for number in np.flatnonzero((block == here).all(-1)).tolist():
                drawn[number] = self._tile(painter, np.array([left[number], top[number]]))
        return drawn

    def _tile(self, painter: RasterPainter, corner_px: Integers) -> list[NDArray[np.uint8]]:
        """Draw one tile, in bits: which pixels are drivable, and which are clear of all else; nothing if none is."""
        near = _around(corner_px, TILE_PX)
        around = painter.draw(near)
        if not around.max():
            return []
        self._blank_outside(around, int(near[0]), int(near[1]))
        inner = slice(REACH_PX, -REACH_PX)
        if not around[inner, inner].max():
            return []
        clear = cv2.erode(around, _SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        return [np.packbits(plane[inner, inner]) for plane in (around, clear)]

    @property
    def nbytes(self) -> int:
        """Memory that the tiles take, bytes."""
        return sum(plane.nbytes for plane in self._tiles)

    def draw_all(self) -> None:
        """Draw every tile of the map now instead of when it is first needed."""
        self._draw(np.arange(len(self._slot)))

    def _blank_outside(self, around: NDArray[np.uint8], left: int, top: int) -> None:
        """Clear what lies beyond the map's edges."""
        around[: max(-top, 0)] = 0
        around[:, : max(-left, 0)] = 0
        around[max(self.height_px - top, 0) :] = 0
        around[:, max(self.width_px - left, 0) :] = 0


def _around(corner_px: Integers, side_px: int) -> NDArray[np.int32]:
    """Left, top, right, bottom of a square and what is drawn around it."""
    window: NDArray[np.int32] = np.concatenate([corner_px - REACH_PX, corner_px + side_px + REACH_PX]).astype(np.int32)
    return window
