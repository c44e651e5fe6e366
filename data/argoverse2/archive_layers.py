"""Reads the map of an Argoverse 2 scenario as the layers of this package.

===================  ================================================================================================
layer                made of
===================  ================================================================================================
``drivable_area``    ``drivable_areas``
``lane``             lane segments for vehicles and buses outside of intersections, between their boundaries
``lane_connector``   the same within intersections
``lane_centre``      centre lines of both, in driving direction; the directions of traffic are drawn from them
``ped_crossing``     ``pedestrian_crossings``, between their two edges
``road_divider``     lane boundaries with a yellow mark, which parts directions of traffic
``lane_divider``     lane boundaries with a white mark and a neighbouring lane beyond; without one it is the road's edge
``road_segment``     nothing: Argoverse 2 has none, and what it would show is drivable area there
===================  ================================================================================================

Bicycle lanes are no lanes here, as they are none in nuScenes; the marks along them count.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from forecast.core.errors import DataError
from forecast.data.maps.repair import Repairs, check_metres
from forecast.data.maps.vector_map import Geometries

Points = NDArray[np.float64]
#: Points of a centre line that is made of two boundaries.
_CENTRE_POINTS = 10
_FOR_VEHICLES = ("VEHICLE", "BUS")


class _Point(msgspec.Struct, gc=False):
    x: float
    y: float


class _Lane(msgspec.Struct):
    lane_type: str
    is_intersection: bool
    left_lane_boundary: list[_Point]
    right_lane_boundary: list[_Point]
    left_lane_mark_type: str = "UNKNOWN"
    right_lane_mark_type: str = "UNKNOWN"
    left_neighbor_id: int | None = None
    right_neighbor_id: int | None = None
    centerline: list[_Point] | None = None


class _Crossing(msgspec.Struct):
    edge1: list[_Point]
    edge2: list[_Point]


class _Area(msgspec.Struct):
    area_boundary: list[_Point]


class _Archive(msgspec.Struct):
    lane_segments: dict[str, _Lane]
    pedestrian_crossings: dict[str, _Crossing]
    drivable_areas: dict[str, _Area]


Entry = TypeVar("Entry", _Lane, _Crossing, _Area)


def read_archive(path: Path, only: Sequence[str] | None = None) -> Geometries:
    """Read all layers, or some.

    Args:
        path: ``log_map_archive_*.json``.
        only: layers to read, as if the map held no others.

    Returns:
        Valid polygons and line strings by layer, city frame, metres.

    Raises:
        DataError: one line: it is no JSON or lacks a table, or which entry holds what it should not.
    """
    archive = _decoded(path)
    shapes = _Shapes(path, archive).layers()
    repairs = Repairs(path.stem)
    layers = {name: repairs.valid(name, found) for name, found in shapes.items() if only is None or name in only}
    check_metres(str(path), layers)
    repairs.warn()
    return layers


def _decoded(path: Path) -> _Archive:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Archive)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as problem:
        raise DataError(f"{path}: no map of an Argoverse 2 scenario ({problem}); download it again") from problem


class _Shapes:
    """Geometry of one archive."""

    def __init__(self, path: Path, archive: _Archive) -> None:
        self._path, self._archive = path, archive
        self._lanes = [(f"lane_segments {key}", lane) for key, lane in archive.lane_segments.items()]

    def layers(self) -> dict[str, list[BaseGeometry]]:
        """All layers, before they are repaired."""
        roads = [(where, lane) for where, lane in self._lanes if lane.lane_type in _FOR_VEHICLES]
        return {
            "drivable_area": [
                self._polygon(f"drivable_areas {key}", area.area_boundary)
                for key, area in self._archive.drivable_areas.items()
            ],
            "road_segment": [],
            "lane": [self._outline(where, lane) for where, lane in roads if not lane.is_intersection],
            "lane_connector": [self._outline(where, lane) for where, lane in roads if lane.is_intersection],
            "ped_crossing": [
                self._crossing(f"pedestrian_crossings {key}", crossing)
                for key, crossing in self._archive.pedestrian_crossings.items()
            ],
            "road_divider": self._marks("YELLOW", beside_lanes=False),
            "lane_divider": self._marks("WHITE", beside_lanes=True),
            "lane_centre": [self._centre(where, lane) for where, lane in roads],
        }

    def _xy(self, where: str, points: Sequence[_Point], least: int) -> Points:
        if len(points) < least:
            raise DataError(f"{self._path}: {where}: {len(points)} points; expected {least} or more")
        xy = np.array([(point.x, point.y) for point in points], np.float64)
        if not np.isfinite(xy).all():
            raise DataError(f"{self._path}: {where}: a coordinate is not finite; expected metres")
        return xy

    def _polygon(self, where: str, points: Sequence[_Point]) -> BaseGeometry:
        return shapely.Polygon(self._xy(where, points, 3))

    def _outline(self, where: str, lane: _Lane) -> BaseGeometry:
        """Along the left boundary and back along the right one."""
        left, right = self._xy(where, lane.left_lane_boundary, 2), self._xy(where, lane.right_lane_boundary, 2)
        return shapely.Polygon(np.concatenate([left, right[::-1]]))

    def _crossing(self, where: str, crossing: _Crossing) -> BaseGeometry:
        """Between its edges, whichever way round the second one is written."""
        one, other = self._xy(where, crossing.edge1, 2), self._xy(where, crossing.edge2, 2)
        there_and_back = shapely.Polygon(np.concatenate([one, other[::-1]]))
        return there_and_back if there_and_back.is_valid else shapely.Polygon(np.concatenate([one, other]))

    def _centre(self, where: str, lane: _Lane) -> BaseGeometry:
        if lane.centerline:
            return shapely.LineString(self._xy(where, lane.centerline, 2))
        along = np.linspace(0, 1, _CENTRE_POINTS)
        sides = [
            shapely.get_coordinates(
                shapely.line_interpolate_point(shapely.LineString(self._xy(where, side, 2)), along, normalized=True)
            )
            for side in (lane.left_lane_boundary, lane.right_lane_boundary)
        ]
        return shapely.LineString((sides[0] + sides[1]) / 2)

    def _marks(self, colour: str, *, beside_lanes: bool) -> list[BaseGeometry]:
        """Boundaries whose mark has a colour, each once: two lanes that share one both name it."""
        lines: dict[tuple[tuple[float, float], ...], BaseGeometry] = {}
        for where, lane in self._lanes:
            for mark, boundary, beyond in (
                (lane.left_lane_mark_type, lane.left_lane_boundary, lane.left_neighbor_id),
                (lane.right_lane_mark_type, lane.right_lane_boundary, lane.right_neighbor_id),
            ):
                if colour in mark and (beyond is not None or not beside_lanes):
                    line = shapely.LineString(self._xy(where, boundary, 2))
                    points = tuple(line.coords)
                    lines.setdefault(min(points, points[::-1]), line)
        return list(lines.values())
