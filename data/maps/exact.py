"""Draws crops straight from the map's geometry, in the crop's own frame."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.core.maps import MapSource
from forecast.data.maps.area_fill import FIXED_PER_PX, PER_GRADE, averaged, excess_m, fill
from forecast.data.maps.direction import DirectionDrawer
from forecast.data.maps.layers import directed_channels
from forecast.data.maps.pieces import TiledAreas, areas

_TILE_M = 32.0

Rings = list[NDArray[np.int32]]


class _Tile(NamedTuple):
    """What lies in one tile: the points of all channels in one array, so that a crop turns them all at once.

    Attributes:
        points: (points, 2) world frame, metres.
        rings: for each channel, where its rings begin and end in ``points``.
    """

    points: NDArray[np.float64]
    rings: list[list[tuple[int, int]]]


class ExactDrawer:
    """One map, cut into tiles when first needed."""

    def __init__(self, source: MapSource, spec: CropSpec, samples: int | None = None) -> None:
        """Take a map to draw crops of.

        Args:
            source: the map.
            spec: extent, resolution and channels.
            samples: points per pixel along each axis; by default 4 on pixels of 0.2 m and more, else 2.
        """
        self._source, self._spec = source, spec
        self._samples = samples or (4 if spec.px_per_m <= 5 else 2)
        self._tiles: dict[tuple[int, int], _Tile] | None = None
        self._lock = threading.Lock()

    def draw(self, pose_world: NDArray[np.float64], out: NDArray[np.float32]) -> None:
        """Draw the crop of one agent, directions of traffic included.

        Args:
            pose_world: (3,) x, y, heading.
            out: (channels, height, width), written to: coverage 0…1, components of directions −1…1.
        """
        np.multiply(self.crop(pose_world), PER_GRADE, out=out)
        directed = directed_channels(self._spec.channels)
        if directed is not None:
            out[directed] = self._directions.crop(pose_world)

    @cached_property
    def _directions(self) -> DirectionDrawer:
        return DirectionDrawer(self._source, self._spec, self._samples)

    def crop(self, pose_world: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Draw the coverage of one agent's crop.

        Args:
            pose_world: (3,) x, y, heading.

        Returns:
            (channels, height, width) share of each pixel that is covered, 0…255.
        """
        channels, height, width = self._spec.shape
        fine = np.zeros((channels, height * self._samples, width * self._samples), np.uint8)
        for image, rings in zip(fine, self.outlines(pose_world), strict=True):
            fill(image, rings)
        return averaged(fine.reshape(-1, fine.shape[2]), self._samples).reshape(channels, height, width)

    def outlines(self, pose_world: NDArray[np.float64]) -> list[Rings]:
        """Outlines near an agent by channel, as :func:`~forecast.data.maps.area_fill.fill` takes them, on fine pixels.

        Args:
            pose_world: (3,) x, y, heading.
        """
        x, y, heading = pose_world.tolist()
        outlines: list[Rings] = [[] for _ in self._spec.channels]
        near = self._near(x, y, heading) if math.isfinite(x + y + heading) else []
        if not near:
            return outlines
        points = np.concatenate([tile.points for tile in near]) if len(near) > 1 else near[0].points
        fixed = self._on_image(points, x, y, heading)
        begins = 0
        for tile in near:
            for found, rings in zip(outlines, tile.rings, strict=True):
                found += [fixed[begins + begin : begins + end] for begin, end in rings]
            begins += len(tile.points)
        return outlines

    def _on_image(self, points: NDArray[np.float64], x: float, y: float, heading: float) -> NDArray[np.int32]:
        """(points, 2) column and row of world points, in OpenCV's fixed point: one product, one sum."""
        spec, per_m = self._spec, self._spec.px_per_m * self._samples * FIXED_PER_PX
        cos, sin = math.cos(heading) * per_m, math.sin(heading) * per_m
        image_from_world = np.array([[-sin, cos], [cos, sin]])
        origin = np.array([spec.right_m * per_m, spec.behind_m * per_m]) - FIXED_PER_PX / 2
        fixed = points @ image_from_world
        fixed += origin - np.array([x, y]) @ image_from_world
        whole: NDArray[np.int32] = np.rint(fixed, out=fixed).astype(np.int32)
        return whole

    def _near(self, x: float, y: float, heading: float) -> list[_Tile]:
        """The tiles that meet the upright rectangle around the crop."""
        tiles = self._all_tiles()
        (x0, y0), (x1, y1) = self._spec.bounds_m(x, y, heading)
        columns = range(math.floor(x0 / _TILE_M), math.floor(x1 / _TILE_M) + 1)
        rows = range(math.floor(y0 / _TILE_M), math.floor(y1 / _TILE_M) + 1)
        found = [tiles.get((column, row)) for column in columns for row in rows]
        return [tile for tile in found if tile is not None]

    def _all_tiles(self) -> dict[tuple[int, int], _Tile]:
        with self._lock:
            if self._tiles is None:
                shrink_m = -excess_m(self._spec.px_per_m, self._samples)
                shapes = [areas(self._source, layers, grow_m=shrink_m) for layers in self._spec.channels]
                self._tiles = _stacked([TiledAreas.cut(channel, _TILE_M) for channel in shapes])
            return self._tiles


def _stacked(channels: Sequence[TiledAreas]) -> dict[tuple[int, int], _Tile]:
    """Put the channels' pieces of each tile into one array."""
    tiles = {}
    for place in set().union(*(channel.tiles for channel in channels)):
        points, rings, begin = [], [], 0
        for channel in channels:
            pieces = channel.tiles.get(place)
            ends = [] if pieces is None else (pieces.ends + begin).tolist()
            rings.append(list(zip([begin, *ends], ends, strict=False)))
            if pieces is not None:
                points.append(pieces.points)
                begin += len(pieces.points)
        tiles[place] = _Tile(np.concatenate(points), rings)
    return tiles
