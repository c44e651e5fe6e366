"""The ground of a scene: areas and lines of its map near the agents, with no more points than a screen can show."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from forecast.core.maps import MapSource

Floats = NDArray[np.float64]

#: Layers that are drawn, in this order, the lowest first.
AREAS = ("drivable_area", "walkway", "ped_crossing")
LINES = ("road_divider", "lane_divider", "lane_centre")
#: How far around the agents the ground reaches, and how far an outline may stray from the map's, metres.
MARGIN_M, STRAY_M = 100.0, 0.2
#: Agents further from the middle than this share of all do not widen the ground.
_OUTLIERS = 0.01


def outlines(source: MapSource, around_m: Floats) -> dict[str, list[Floats]]:
    """Cut a map to what is near.

    Holes of areas are outlines among the others of their layer: all of a layer are filled together, even-odd.

    Args:
        source: the map.
        around_m: (points, 2) where agents are, world frame, metres; NaN is not looked at.

    Returns:
        By layer, rings (the last point joins the first) or lines, (points, 2) each, world frame, metres. Layers without
        any are left out.
    """
    known = around_m[np.isfinite(around_m).all(1)]
    if not len(known):
        return {}
    low, high = np.quantile(known, [_OUTLIERS, 1 - _OUTLIERS], axis=0)
    window = shapely.box(*(low - MARGIN_M), *(high + MARGIN_M))
    found = {layer: _rings(source, layer, window) for layer in AREAS}
    drawn = LINES if not {"lane_divider", "road_divider"} & set(source.layers) else LINES[:2]
    found |= {layer: _lines(source, layer, window) for layer in drawn}
    return {layer: shapes for layer, shapes in found.items() if shapes}


def _near(source: MapSource, layer: str, window: Any) -> list[Any]:
    if layer not in source.layers:
        return []
    return [shape.intersection(window) for shape in source.geometries(layer) if shape.intersects(window)]


def _rings(source: MapSource, layer: str, window: Any) -> list[Floats]:
    whole = shapely.union_all([shape.buffer(0) for shape in _near(source, layer, window)])
    rings = []
    for area in shapely.get_parts(whole.simplify(STRAY_M)):
        if area.geom_type == "Polygon" and area.area > STRAY_M:
            rings += [np.asarray(ring.coords)[:-1, :2] for ring in (area.exterior, *area.interiors)]
    return rings


def _lines(source: MapSource, layer: str, window: Any) -> list[Floats]:
    parts = [part for shape in _near(source, layer, window) for part in shapely.get_parts(shape)]
    straight = [part.simplify(STRAY_M) for part in parts if part.geom_type == "LineString" and part.length > STRAY_M]
    return [np.asarray(part.coords)[:, :2] for part in straight]
