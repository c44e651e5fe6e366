"""Draws crops straight from the map's geometry, in the crop's own frame."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.core.maps import MapSource
from forecast.data.maps.draw import border_m, coverage
from forecast.data.maps.pieces import Pieces, TiledAreas, areas

_TILE_M = 32.0


class ExactDrawer:
    """One map, cut into tiles when first needed."""

    def __init__(self, source: MapSource, spec: CropSpec) -> None:
        """Take a map to draw crops of."""
        self._source, self._spec = source, spec
        self._samples = 4 if spec.px_per_m <= 5 else 2
        self._tiled: list[TiledAreas] | None = None
        self._lock = threading.Lock()

    def crop(self, pose_world: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Draw the crop of one agent.

        Args:
            pose_world: (3,) x, y, heading.

        Returns:
            (channels, height, width) share of each pixel that is covered, 0…255.
        """
        spec = self._spec
        images: NDArray[np.uint8] = np.zeros(spec.shape, np.uint8)
        if not np.isfinite(pose_world).all():
            return images
        cos, sin = np.cos(pose_world[2]), np.sin(pose_world[2])
        world_from_agent = np.array([[cos, -sin], [sin, cos]])
        corners_agent = np.array([(x, y) for x in (-spec.behind_m, spec.ahead_m) for y in (-spec.right_m, spec.left_m)])
        corners = corners_agent @ world_from_agent.T + pose_world[:2]
        for image, tiled in zip(images, self._channels(), strict=True):
            pieces = Pieces.joined(list(tiled.near(corners.min(0), corners.max(0))))
            ahead_left = (pieces.points - pose_world[:2]) @ world_from_agent
            column_row = (ahead_left[:, ::-1] + (spec.right_m, spec.behind_m)) * spec.px_per_m
            image[:] = coverage(column_row, pieces.ends, (spec.height_px, spec.width_px), self._samples)
        return images

    def _channels(self) -> list[TiledAreas]:
        with self._lock:
            if self._tiled is None:
                shrink_m = -border_m(self._spec.px_per_m, self._samples)
                shapes = [areas(self._source, layers, grow_m=shrink_m) for layers in self._spec.channels]
                self._tiled = [TiledAreas.cut(channel, _TILE_M) for channel in shapes]
            return self._tiled
