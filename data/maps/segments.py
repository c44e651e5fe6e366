"""Lines as directed straight segments, found by where they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from forecast.core.crops import CropSpec

_TILE_M = 32.0


@dataclass
class Segments:
    """Directed segments in tiles of their middles.

    Attributes:
        ends_m: (segments, 2, 2) start and end, x and y, world frame, in the order of the lines.
        heading_rad: (segments,) direction, world frame.
    """

    ends_m: NDArray[np.float64]
    heading_rad: NDArray[np.float64]
    _tiles: dict[tuple[int, int], NDArray[np.int64]] = field(default_factory=dict, repr=False)
    _longest_m: float = 0.0

    @staticmethod
    def of(lines: Sequence[BaseGeometry], straight_m: float = 0.05) -> Segments:
        """Take line strings apart.

        Args:
            lines: in their direction.
            straight_m: of what is straight to this, only the ends are kept: lanes come with a point a metre.
        """
        straight = shapely.simplify(np.array(lines, dtype=object), straight_m)
        points, line = shapely.get_coordinates(straight, return_index=True)
        same = line[1:] == line[:-1]
        ends = np.stack([points[:-1][same], points[1:][same]], 1)
        ends = ends[(ends[:, 0] != ends[:, 1]).any(-1)]  # what has no length has no direction
        along = ends[:, 1] - ends[:, 0]
        segments = Segments(ends, np.arctan2(along[:, 1], along[:, 0]))
        segments._longest_m = float(np.hypot(*along.T).max(initial=0.0))
        columns_rows = np.floor(ends.mean(1) / _TILE_M).astype(int)
        order = np.lexsort(columns_rows.T)
        new = np.flatnonzero(np.diff(columns_rows[order], axis=0).any(1)) + 1
        for part in np.split(order, new) if len(order) else ():
            column, row = columns_rows[part[0]].tolist()
            segments._tiles[column, row] = part
        return segments

    def within(self, low: Iterable[float], high: Iterable[float]) -> NDArray[np.int64]:
        """Indices (found,), in order, of segments that may meet the rectangle from ``low`` to ``high``, metres."""
        reach_m = self._longest_m / 2
        i0, j0 = (math.floor((value - reach_m) / _TILE_M) for value in low)
        i1, j1 = (math.floor((value + reach_m) / _TILE_M) for value in high)
        tiles = [self._tiles.get((i, j)) for i in range(i0, i1 + 1) for j in range(j0, j1 + 1)]
        found = [tile for tile in tiles if tile is not None]
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)

    def squares(self, side_m: float, margin_m: float) -> set[tuple[int, int]]:
        """Columns and rows of the squares of a grid through the world's origin that segments come near to."""
        low = np.floor((self.ends_m.min(1) - margin_m) / side_m).astype(int)
        high = np.floor((self.ends_m.max(1) + margin_m) / side_m).astype(int)
        spans = np.unique(np.concatenate([low, high], 1), axis=0).tolist()
        return {(i, j) for i0, j0, i1, j1 in spans for i in range(i0, i1 + 1) for j in range(j0, j1 + 1)}

    def near(self, pose_world: NDArray[np.float64], spec: CropSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The segments that an agent's crop may show.

        Args:
            pose_world: (3,) x, y in metres and heading in radians.
            spec: of the crop.

        Returns:
            their ends (found, 2, 2) in metres and headings (found,) in radians, world frame.
        """
        low, high = spec.bounds_m(*pose_world.tolist())
        chosen = self.within(low, high)
        return self.ends_m[chosen], self.heading_rad[chosen]
