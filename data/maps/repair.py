"""Makes geometries valid, and says once how many were not."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from forecast.core.errors import DataError

_SIMPLE = {"Polygon", "LineString", "LinearRing"}


def _parts(geometry: BaseGeometry) -> list[BaseGeometry]:
    """Take a geometry apart, down to polygons and line strings."""
    if geometry.geom_type in _SIMPLE:
        return [geometry]
    return [part for piece in getattr(geometry, "geoms", ()) for part in _parts(piece)]


def polygons_of(geometry: BaseGeometry) -> list[BaseGeometry]:
    """Give the polygons of a geometry of any kind; lines and points are left out."""
    return [part for part in _parts(geometry) if part.geom_type == "Polygon" and not part.is_empty]


class Repairs:
    """Repairs the layers of one map, and counts what it did."""

    def __init__(self, map_name: str) -> None:
        self._map_name = map_name
        self._repaired: Counter[str] = Counter()

    def valid(self, layer: str, geometries: Sequence[BaseGeometry]) -> list[BaseGeometry]:
        """Give the geometries as valid polygons and line strings.

        Multi-part geometries are taken apart and empty ones left out. Of an invalid polygon the valid polygonal part
        is kept: a self-crossing outline becomes the areas that it encloses.
        """
        whole = [part for geometry in geometries for part in _parts(geometry) if not part.is_empty]
        outlines = np.array(whole, dtype=object)
        if not np.isfinite(shapely.get_coordinates(outlines)).all():
            raise DataError(f"map {self._map_name}: layer {layer} has a coordinate that is not finite; expected metres")
        sound = shapely.is_valid(outlines)
        repaired: list[BaseGeometry] = []
        for geometry, is_sound in zip(whole, sound.tolist(), strict=True):
            if is_sound:
                repaired.append(geometry)
                continue
            self._repaired[layer] += 1
            area = geometry.geom_type == "Polygon"
            parts = _parts(shapely.make_valid(geometry))
            repaired += [part for part in parts if (part.geom_type == "Polygon") == area]
        return repaired

    def warn(self) -> None:
        """Warn once, where anything was repaired."""
        if self._repaired:
            listed = ", ".join(f"{count} in {layer}" for layer, count in self._repaired.items())
            total = sum(self._repaired.values())
            warnings.warn(f"map {self._map_name}: repaired {total} invalid geometries ({listed})", stacklevel=3)
