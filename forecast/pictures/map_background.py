"""Draws the map under a picture, and turns the world so that it fits the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from shapely import box
from shapely.geometry.base import BaseGeometry

from forecast.core.frames import agent_from_world
from forecast.core.maps import MapSource

Floats = NDArray[np.float64]

#: Light greys for the ground, so that forecasts stand out; (face colour, z-order).
_AREAS = {"drivable_area": ("#e4e4e4", 0.0), "walkway": ("#f3eee2", 0.1), "ped_crossing": ("#cfd8e6", 0.2)}
_LINES = {"road_divider": ("#9a9a9a", 1.2), "lane_divider": ("#b4b4b4", 0.7), "lane_centre": ("#c8d4c8", 0.4)}


class View:
    """World to picture: a pose lies at the origin and its heading points up, metres.

    Args:
        pose_world: (3,) x, y, heading.
    """

    def __init__(self, pose_world: Floats) -> None:
        self.pose = np.asarray(pose_world, dtype=np.float64)

    @classmethod
    def north_up(cls, centre_m: Floats) -> View:
        """East to the right and north up, around a point (2,) of the world."""
        return cls(np.array([centre_m[0], centre_m[1], np.pi / 2]))

    def __call__(self, points_m: Floats) -> Floats:
        """Points (..., 2) of the world on the picture: to the right, up."""
        agent = agent_from_world(np.asarray(points_m, dtype=np.float64), self.pose)
        return np.stack([-agent[..., 1], agent[..., 0]], -1)


def draw_ground(axes: Axes, source: MapSource, view: View, reach_m: float) -> None:
    """Draw areas and lines of a map, cut to a square.

    Args:
        axes: where to draw.
        source: the map; layers that it lacks are left out.
        view: how the picture lies in the world.
        reach_m: half the square's side, around the view's origin; it lies along the world's axes.
    """
    x, y = view.pose[:2]
    window = box(x - reach_m, y - reach_m, x + reach_m, y + reach_m)
    for layer, (colour, order) in _AREAS.items():
        patches = [PathPatch(_outline(part, view)) for part in _parts(source, layer, window, "Polygon")]
        axes.add_collection(PatchCollection(patches, facecolor=colour, edgecolor="none", zorder=order))
    for layer, (colour, width) in _LINES.items():
        lines: list[Any] = [
            view(np.asarray(part.coords)[:, :2]) for part in _parts(source, layer, window, "LineString")
        ]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, zorder=1.0))


def _parts(source: MapSource, layer: str, window: BaseGeometry, kind: str) -> list[Any]:
    if layer not in source.layers:
        return []
    near = [shape.intersection(window) for shape in source.geometries(layer) if shape.intersects(window)]
    flat = [part for shape in near for part in getattr(shape, "geoms", [shape])]
    return [part for part in flat if part.geom_type == kind]


def _outline(polygon: Any, view: View) -> Outline:
    rings = [view(np.asarray(ring.coords)[:, :2]) for ring in (polygon.exterior, *polygon.interiors)]
    return Outline.make_compound_path(*(Outline(ring, closed=True) for ring in rings))
