"""Checks that forecasts lie on the map that their off-road rate is measured on."""

from __future__ import annotations

import numpy as np
import shapely

from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.eval.offroad import HAIRLINE_M
from forecast.eval.results import Bools, Floats

#: The layer of drivable areas.
ROAD = "drivable_area"
#: Forecasts that begin further from the road than this are not on its map.
NEAR_M = 50.0
#: Counts of a report's coverage.
ON, NEAR = "begin_on_the_road", f"begin_within_{NEAR_M:.0f}_m_of_the_road"


def starts_of(modes_m: Floats) -> Floats:
    """(agents, 2) the first point of each agent's first mode that has one; NaN where none has."""
    points = np.asarray(modes_m, dtype=np.float64).reshape(len(modes_m), -1, 2)
    first = np.isfinite(points).all(-1).argmax(1)
    return points[np.arange(len(points)), first] if points.shape[1] else np.full((len(points), 2), np.nan)


def near_road(source: MapSource, points_m: Floats) -> tuple[Bools, Bools]:
    """Which points (points, 2), world frame, lie on a map's drivable area, and which on it or within ``NEAR_M``."""
    tree, places = shapely.STRtree(source.geometries(ROAD)), shapely.points(points_m)
    places[~np.isfinite(points_m).all(-1)] = None
    found = []
    for distance_m in (HAIRLINE_M, NEAR_M):
        near = np.zeros(len(points_m), dtype=bool)
        near[tree.query(places, predicate="dwithin", distance=distance_m)[0]] = True
        found.append(near)
    return found[0], found[1]


def refuse_misfit(path: object, source: MapSource, count: int, on: int, near: int) -> str:
    """What to say of a map on which forecasts hardly begin; nothing where they do.

    Args:
        path: the file of the forecasts.
        source: the map.
        count, on, near: of the forecasts; of :func:`near_road`.

    Raises:
        DataError: none of them begins anywhere near it.
    """
    said, nowhere = misfit(source, "forecasts begin", count, on, near)
    if nowhere:
        raise DataError(f"{path}: {said}")
    return said


def misfit(source: MapSource, what: str, count: int, on: int, near: int) -> tuple[str, bool]:
    """What to say of a map that does not fit what is judged by it, and whether nothing at all lies near it.

    Args:
        source: the map.
        what: e.g. ``forecasts begin``.
        count, on, near: of these; of :func:`near_road`.
    """
    if not count or (near == count and 2 * on >= count):
        return "", False
    x0, y0, x1, y1 = shapely.total_bounds(np.array(source.geometries(ROAD), dtype=object)).tolist()
    reach = f"which spans ({x0:,.1f}, {y0:,.1f}) to ({x1:,.1f}, {y1:,.1f}) m"
    if near < count:
        said = f"{near or 'none'} of {count} {what} on or within {NEAR_M:g} m of the road of map {source.name}, {reach}"
    else:
        said = f"only {on} of {count} {what} on the road of map {source.name}, {reach}"
    return f"{said}; expected the agents' own frame, metres", near == 0
