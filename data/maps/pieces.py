"""A map channel as filled areas, cut into square tiles once, so that drawing touches only what is near."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from forecast.core.errors import DataError, one_of
from forecast.core.maps import MapSource
from forecast.data.maps.layers import LAYERS, did_you_mean, drawn_from, line_width_m
from forecast.data.maps.repair import polygons_of

Points = NDArray[np.float64]
Geometry = NDArray[np.object_]


@dataclass(frozen=True)
class Pieces:
    """Outlines of disjoint areas: outer rings and holes alike, to be filled by the even-odd rule.

    Attributes:
        points: (points, 2) world frame, metres.
        ends: (rings,) where each ring ends in ``points``.
    """

    points: Points
    ends: NDArray[np.int64]

    @staticmethod
    def of(area: BaseGeometry) -> Pieces:
        """Take the rings of an area."""
        rings = shapely.get_rings(polygons_of(area))
        points, ring_of_point = shapely.get_coordinates(rings, return_index=True)
        return Pieces(points, np.cumsum(np.bincount(ring_of_point, minlength=len(rings))))


def line_widths_m(layers: Sequence[str]) -> tuple[float, ...]:
    """Widths at which lines of these layers are drawn, metres."""
    return tuple(line_width_m(layer) for layer in layers)


def areas(
    source: MapSource,
    layers: Sequence[str],
    *,
    line_m: float | None = None,
    grow_m: float = 0.0,
    hole_m: float | None = None,
) -> Geometry:
    """All geometry of some layers as polygons; lines get their width. Layers that the map lacks are empty.

    Args:
        source: the map.
        layers: names of its layers.
        line_m: width for all lines, metres, in place of each layer's own.
        grow_m: by how much all areas are grown (or, if negative, shrunk) on all sides.
    """
    found: list[BaseGeometry] = []
    held = set(source.layers)
    for layer in layers:
        for geometry in source.geometries(layer) if layer in held else ():
            is_area = geometry.geom_type in ("Polygon", "MultiPolygon")
            width_m = line_width_m(layer) if line_m is None else line_m
            found.append(geometry if is_area else geometry.buffer(width_m / 2, cap_style="flat", quad_segs=4))
    shapes = np.array(found, dtype=object)
    if not grow_m or not len(shapes):
        return shapes
    grown = shapely.buffer(shapes, grow_m, join_style="mitre")
    # What is too thin to be shrunk stays as it is rather than vanish.
    return np.where(shapely.is_empty(grown), shapes, grown)


@dataclass
class TiledAreas:
    """Areas cut into the tiles of a square grid through the world's origin.

    Attributes:
        tile_m: side of a tile.
        tiles: (column, row) of each tile that is not empty → its pieces. Column ``i`` spans x from ``i · tile_m``.
    """

    tile_m: float
    tiles: dict[tuple[int, int], Pieces] = field(default_factory=dict)

    @staticmethod
    def cut(geometries: Geometry, tile_m: float, *, margin_m: float = 0.0) -> TiledAreas:
        """Cut polygons into tiles, and join what overlaps within a tile.

        Args:
            geometries: polygons, valid.
            tile_m: side of a tile.
            margin_m: how far the pieces of a tile reach beyond it; without a margin they are disjoint.
        """
        tiled = TiledAreas(tile_m)
        if len(geometries):
            x0, y0, x1, y1 = (value / tile_m for value in shapely.total_bounds(geometries))
            span = (math.floor(x0), math.floor(y0), math.floor(x1) + 1, math.floor(y1) + 1)
            tiled._halve(geometries, span, margin_m)
        return tiled

    def _halve(self, geometries: Geometry, span: tuple[int, int, int, int], margin_m: float) -> None:
        """Clip to a span of tiles and halve that, down to single tiles: each outline is walked log(tiles) times."""
        i0, j0, i1, j1 = span
        low, high = np.array([i0, j0]) * self.tile_m - margin_m, np.array([i1, j1]) * self.tile_m + margin_m
        window = shapely.box(*low, *high)
        near = geometries[shapely.intersects(geometries, window)]
        inside = shapely.intersection(near, window)
        inside = inside[shapely.area(inside) > 0]
        if not len(inside):
            return
        if (i1 - i0, j1 - j0) == (1, 1):
            self.tiles[i0, j0] = Pieces.of(shapely.union_all(inside))
        elif i1 - i0 >= j1 - j0:
            middle = (i0 + i1) // 2
            self._halve(inside, (i0, j0, middle, j1), margin_m)
            self._halve(inside, (middle, j0, i1, j1), margin_m)
        else:
            middle = (j0 + j1) // 2
            self._halve(inside, (i0, j0, i1, middle), margin_m)
            self._halve(inside, (i0, middle, i1, j1), margin_m)


def check_held(source: MapSource, layers: Sequence[str], *, may_be_blank: bool = False) -> None:
    """Refuse a map that would be blank; warn, in one line, of layers that it lacks and of names nearly those read.

    Args:
        source: the map.
        layers: what is read of it; a direction stands for the centre lines that it is drawn from.
        may_be_blank: warn of that too, as of one map of a data set's several.

    Raises:
        DataError: the map holds none of the layers.
    """
    read = list(dict.fromkeys(drawn_from(layer) for layer in layers))
    held = source.layers
    lacking = [layer for layer in read if layer not in held]
    tail = did_you_mean(held, read)
    if read and len(lacking) == len(read) and not may_be_blank:
        raise DataError(
            f"map {source.name}: holds none of the layers that are read ({', '.join(read)}); it holds "
            f"{', '.join(held[:20]) or 'none'}{tail}"
        )
    blank = lacking + [layer for layer in read if layer in held and not len(source.geometries(layer))]
    if tail or lacking or (read and len(blank) == len(read)):
        said = f"nothing in {', '.join(blank)}, which is read and stays blank" if blank else "a name that is not read"
        warnings.warn(f"map {source.name}: {said}{tail}", stacklevel=3)


def check_layers(source: MapSource, layers: Sequence[str]) -> None:
    """Refuse names that are neither declared nor held by the map.

    A layer that is declared in :data:`~forecast.data.maps.layers.LAYERS` but that this map lacks is empty.

    Raises:
        DataError: an unknown layer.
    """
    for layer in layers:
        if layer not in LAYERS and layer not in source.layers:
            known = {*LAYERS, *source.layers}
            raise DataError(f"map {source.name} has no layer {layer!r}: {one_of(known, layer, at_most=20)}")
