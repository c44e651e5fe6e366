"""Makes geometries valid, and says once how many were not."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from forecast.core.errors import DataError
from forecast.data.maps.layers import LAYERS

_SIMPLE = {"Polygon", "LineString", "LinearRing"}


def _parts(geometry: BaseGeometry, *, everything: bool = False) -> list[BaseGeometry]:
    """Take a geometry apart, down to polygons and line strings; and to points, where everything is wanted."""
    if geometry.geom_type in _SIMPLE or (everything and geometry.geom_type == "Point"):
        return [geometry]
    return [part for piece in getattr(geometry, "geoms", ()) for part in _parts(piece, everything=everything)]


def polygons_of(geometry: BaseGeometry) -> list[BaseGeometry]:
    """Give the polygons of a geometry of any kind; lines and points are left out."""
    return [part for part in _parts(geometry) if part.geom_type == "Polygon" and not part.is_empty]


def check_metres(where: str, layers: Mapping[str, Sequence[BaseGeometry]]) -> None:
    """Refuse a map whose size tells that its coordinates are degrees.

    Raises:
        DataError: everything lies within 1 × 1, and within ±180 and ±90: no road is that short.
    """
    every = np.array([geometry for geometries in layers.values() for geometry in geometries], dtype=object)
    if not len(every):
        return
    x0, y0, x1, y1 = shapely.total_bounds(every).tolist()
    if max(x1 - x0, y1 - y0) < 1 and max(abs(x0), abs(x1)) <= 180 and max(abs(y0), abs(y1)) <= 90:
        raise DataError(
            f"{where}: all of it lies within x {x0:g} … {x1:g}, y {y0:g} … {y1:g}: these are degrees; expected metres "
            "in the agents' own plane, project it first (e.g. to UTM)"
        )


class Repairs:
    """Repairs the layers of one map, and counts what it did."""

    def __init__(self, map_name: str) -> None:
        self._map_name = map_name
        self._repaired: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def leave_out(self, layer: str, what: str) -> None:
        """Note that a geometry is not taken.

        Args:
            layer: where.
            what: e.g. ``without geometry``.
        """
        self._left_out[f"{what} in {layer}"] += 1

    def taken(self, where: str, layer: str, geometry: BaseGeometry) -> list[BaseGeometry]:
        """The polygons and line strings of a geometry that its layer can hold; points are left out and counted.

        Args:
            where: for messages: which file and which entry.
            layer: its layer; the kind of a declared one is looked at.
            geometry: of any kind, in two or three dimensions.

        Raises:
            DataError: lines or points where the layer is made of areas, or areas where it is made of centre lines.
        """
        if shapely.is_empty(geometry):
            return []
        parts = [part for part in _parts(shapely.force_2d(geometry), everything=True) if not part.is_empty]
        kind = LAYERS[layer].kind if layer in LAYERS else None
        if kind == "polygon" and not any(part.geom_type == "Polygon" for part in parts):
            raise DataError(
                f"{where}: layer {layer} is made of areas, this is a {geometry.geom_type}; expected a Polygon or "
                "MultiPolygon: close the outline, or give what is not an area another layer's name"
            )
        if kind == "centre_line" and not any(part.geom_type == "LineString" for part in parts):
            raise DataError(
                f"{where}: layer {layer} is made of lines in driving direction, this is a {geometry.geom_type}; "
                "expected a LineString or MultiLineString"
            )
        fit = {"polygon": {"Polygon"}, "centre_line": {"LineString"}}.get(kind or "", _SIMPLE)
        for part in parts:
            if part.geom_type not in fit:
                self.leave_out(layer, part.geom_type)
        return [part for part in parts if part.geom_type in fit]

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
        """Warn once, where anything was repaired, and once, where anything was left out."""
        if self._left_out:
            listed = ", ".join(f"{count} {what}" for what, count in self._left_out.items())
            total = sum(self._left_out.values())
            what = "geometry" if total == 1 else "geometries"
            warnings.warn(f"map {self._map_name}: left out {total} {what} ({listed})", stacklevel=3)
        if self._repaired:
            listed = ", ".join(f"{count} in {layer}" for layer, count in self._repaired.items())
            total = sum(self._repaired.values())
            warnings.warn(f"map {self._map_name}: repaired {total} invalid geometries ({listed})", stacklevel=3)
