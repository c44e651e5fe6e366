"""Poses on the roads of a map, drawn at random, as agents might have them."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.core.shapes import Float64

#: What an agent drives on; the first that a map holds.
_ROADS = ("drivable_area", "road_segment", "lane")
#: From the kerb to an agent, metres, and how much its heading strays from the kerb's, radians.
_ASIDE_M, _STRAY_RAD = (1.5, 10.0), 0.1
#: So many poses are drawn at once, and so many draws in a row may find none.
_DRAWN_AT_ONCE, _IN_VAIN = 4096, 20


def road_poses(
    source: MapSource, count: int, seed: int | NDArray[np.int64] = 0
) -> Float64[NDArray[np.float64], "poses 3"]:
    """Draw poses beside the edges of the road, heading along them, either way, evenly over the length of all edges.

    Args:
        source: the map.
        count: of poses.
        seed: of the draw.

    Returns:
        (poses, 3) x, y, heading, world frame, metres and radians.

    Raises:
        DataError: the map holds no road, or none that is wide enough to stand on.
    """
    layer, areas = "", []
    for layer in _ROADS:
        there = source.geometries(layer) if layer in source.layers else ()
        areas = [area for area in there if area.geom_type.endswith("Polygon") and not area.is_empty]
        if areas:
            break
    if not areas:
        raise DataError(f"map {source.name}: holds no road to stand on (layers {', '.join(_ROADS)})")
    road = shapely.union_all(shapely.make_valid(areas))
    shapely.prepare(road)
    begin, end = _edges(road)
    length_m = np.linalg.norm(end - begin, axis=1)
    draw, kept, found, vain = np.random.default_rng(seed), [np.zeros((0, 3))], 0, 0
    while vain < _IN_VAIN:
        edge = draw.choice(len(begin), _DRAWN_AT_ONCE, p=length_m / length_m.sum())
        along = (end - begin)[edge] / np.maximum(length_m[edge], 1e-9)[:, None]
        aside = np.stack([-along[:, 1], along[:, 0]], 1) * draw.uniform(*_ASIDE_M, (len(edge), 1))
        place = begin[edge] + along * (draw.random(len(edge)) * length_m[edge])[:, None]
        place += aside * draw.choice([-1.0, 1.0], (len(edge), 1))
        heading = np.arctan2(along[:, 1], along[:, 0]) + draw.choice([0.0, np.pi], len(edge))
        heading += draw.normal(0.0, _STRAY_RAD, len(edge))
        on_road = shapely.contains_xy(road, place[:, 0], place[:, 1])
        kept.append(np.column_stack([place, heading])[on_road])
        found += int(on_road.sum())
        vain = 0 if on_road.any() else vain + 1
        if found >= count:
            return np.concatenate(kept)[:count]
    raise DataError(
        f"map {source.name}: its roads ({layer}) are too narrow to stand on: {found} of {count} poses found"
    )


def _edges(road: shapely.Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last points of all edges of the road, holes included; (edges, 2) each, metres."""
    rings = shapely.get_parts(shapely.boundary(shapely.get_parts(road)))
    begin, end = [], []
    for ring in rings:
        points = shapely.get_coordinates(ring)
        begin.append(points[:-1])
        end.append(points[1:])
    return np.concatenate(begin), np.concatenate(end)
