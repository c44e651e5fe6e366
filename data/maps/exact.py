"""Draws crops straight from the map's geometry, in the crop's own frame."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.core.maps import MapSource
from forecast.data.maps.draw import coverage, excess_m
from forecast.data.maps.pieces import Pieces, TiledAreas, areas

_TILE_M = 32.0


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
        self._tiled: list[TiledAreas] | None = None
        self._lock = threading.Lock()

    def crop(self, pose_world: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Draw the crop of one agent.

        Args:
            pose_world: (3,) x, y, heading.

        Returns:
            (channels, height, width) share of each pixel that is covered, 0…255.
        """
        shape = self._spec.height_px, self._spec.width_px
        return np.stack([coverage(*outlines, shape, self._samples) for outlines in self.outlines(pose_world)])

    def outlines(self, pose_world: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """Yield the outlines near an agent, channel by channel.

        Args:
            pose_world: (3,) x, y, heading.

        Yields:
            (points, 2) column and row on the image, in pixels from its corner, and where each ring ends.
        """
        spec = self._spec
        finite = bool(np.isfinite(pose_world).all())
        cos, sin = np.cos(pose_world[2]), np.sin(pose_world[2])
        world_from_agent = np.array([[cos, -sin], [sin, cos]])
        corners_agent = np.array([(x, y) for x in (-spec.behind_m, spec.ahead_m) for y in (-spec.right_m, spec.left_m)])
        corners = corners_agent @ world_from_agent.T + pose_world[:2]
        low, high = corners.min(0), corners.max(0)
        for tiled in self._channels():
            pieces = Pieces.joined(list(tiled.near(low, high)) if finite else [])
            ahead_left = (pieces.points - pose_world[:2]) @ world_from_agent
            yield (ahead_left[:, ::-1] + (spec.right_m, spec.behind_m)) * spec.px_per_m, pieces.ends

    def _channels(self) -> list[TiledAreas]:
        with self._lock:
            if self._tiled is None:
                shrink_m = -excess_m(self._spec.px_per_m, self._samples)
                shapes = [areas(self._source, layers, grow_m=shrink_m) for layers in self._spec.channels]
                self._tiled = [TiledAreas.cut(channel, _TILE_M) for channel in shapes]
            return self._tiled
