"""The surfaces of a town: what may be driven or walked on, crossings, stop lines and dividers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from forecast.data.synthetic.lots import draw_lots
from forecast.data.synthetic.roads import CROSSING_M, PARKING_STRIP_M, STOP_LINE_M, RoadNetwork, TownRoad

Floats = NDArray[np.float64]
_KERB_M, _WALKWAY_M = 0.2, 3.2


@dataclass(frozen=True)
class Crossing:
    """A pedestrian crossing near one end of a road.

    Attributes:
        outline_m: (4, 2) corners.
        across_m: (2, 2) from kerb to kerb, along the middle.
        lanes: (lane, arc length of its middle on that lane) of every lane it crosses.
    """

    road: int
    junction: int
    outline_m: Floats
    across_m: Floats
    lanes: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Surfaces:
    """All polygons and lines of a town beside its lanes. World frame, metres, valid on a 1 mm grid."""

    drivable: tuple[Polygon, ...]
    walkways: tuple[Polygon, ...]
    carparks: tuple[Polygon, ...]
    crossings: tuple[Crossing, ...]
    stop_lines: tuple[tuple[Floats, int], ...]  # outline, index of the crossing behind it
    road_dividers: tuple[LineString, ...]
    lane_dividers: tuple[LineString, ...]
    bays: tuple[Floats, ...] = ()  # x, y, heading of the bays of off-street car parks


def polygons(geometry: BaseGeometry) -> tuple[Polygon, ...]:
    """The polygons of any geometry, snapped to the millimetre and valid."""
    snapped = shapely.set_precision(geometry, 1e-3)
    parts = getattr(snapped, "geoms", [snapped])
    return tuple(part for part in parts if isinstance(part, Polygon) and part.area > 0.5)


def _strip(road: TownRoad, start_m: float, end_m: float, right_m: float, left_m: float) -> Floats:
    """A piece of a road between two arc lengths and two lateral offsets: right side forward, left side back."""
    piece = road.reference.part(start_m, end_m)
    return np.concatenate([piece.offset(right_m).points_m, piece.offset(left_m).points_m[::-1]])


def _along(length_m: float, near: tuple[float, float], at_end: bool) -> tuple[float, float]:
    return (length_m - near[1], length_m - near[0]) if at_end else near


def _crossing(network: RoadNetwork, road: TownRoad, at_end: bool) -> Crossing:
    start, end = _along(road.reference.length_m, CROSSING_M, at_end)
    lanes = []
    for index in (*road.forward, *road.backward):
        share = (start + end) / 2 / road.reference.length_m
        length = network.lanes[index].centre.length_m
        lanes.append((index, length * (share if index in road.forward else 1 - share)))
    piece = road.reference.part((start + end) / 2, (start + end) / 2 + 0.01)
    kerbs = np.stack([piece.offset(o).points_m[0] for o in (-road.right_m, road.left_m)])
    node = road.end if at_end else road.start
    return Crossing(road.index, node, _strip(road, start, end, -road.right_m, road.left_m), kerbs, tuple(lanes))


def _stop_outline(network: RoadNetwork, road: TownRoad, at_end: bool) -> Floats | None:
    entering = road.forward if at_end else road.backward
    if not entering:
        return None
    start, end = _along(road.reference.length_m, STOP_LINE_M, at_end)
    on_right = network.drive_right == at_end
    inner = (
        road.right_m - PARKING_STRIP_M * road.parking[1]
        if on_right
        else road.left_m - PARKING_STRIP_M * road.parking[0]
    )
    bounds = sorted((0.0, -inner if on_right else inner))
    if not road.backward:
        bounds = [-inner, inner]
    return _strip(road, start, end, *bounds)


def _dividers(road: TownRoad) -> tuple[list[LineString], list[LineString]]:
    """Road dividers (between the directions) and lane dividers, as straight pieces within 5 cm of the curve."""
    road_lines: list[LineString] = []
    lane_lines: list[LineString] = []
    left_count = 0 if not road.backward else 1
    inner = (-road.right_m + PARKING_STRIP_M * road.parking[1], road.left_m - PARKING_STRIP_M * road.parking[0])
    for offset in road.offsets_m:
        if not inner[0] + 0.1 < offset < inner[1] - 0.1:
            continue
        line = LineString(road.reference.offset(float(offset)).points_m).simplify(0.05)
        corners = np.round(np.asarray(line.coords), 3)
        # Two points a piece: a window cuts a straight piece into one piece at most, which the devkit relies on.
        pieces = [LineString(pair) for pair in itertools.pairwise(corners)]
        (road_lines if left_count and abs(offset) < 1e-6 else lane_lines).extend(pieces)
    return road_lines, lane_lines


def _carparks(network: RoadNetwork) -> BaseGeometry:
    strips = []
    for road in network.roads:
        for on, side in zip(road.parking, (1, -1), strict=True):
            start, end = parking_range_m(road)
            if on and end - start > 8:
                kerb = road.left_m if side > 0 else road.right_m
                edges = sorted((side * kerb, side * (kerb - PARKING_STRIP_M)))
                strips.append(Polygon(_strip(road, start, end, *edges)))
    return MultiPolygon(strips)


def parking_range_m(road: TownRoad) -> tuple[float, float]:
    """Arc lengths of a road between which cars may park."""
    return 12.0, road.reference.length_m - 12.0


def build_surfaces(network: RoadNetwork, rng: np.random.Generator) -> Surfaces:
    """Derive all surfaces from the road network; off-street car parks are drawn at random."""
    outlines = [Polygon(road.outline_m) for road in network.roads]
    outlines += [Polygon(j.outline_m) for j in network.junctions if j.outline_m is not None]
    # A hair of overlap closes the seams that rounding leaves between roads and junctions.
    drivable = shapely.union_all([outline.buffer(0.01, join_style="mitre") for outline in outlines])
    walkways = drivable.buffer(_KERB_M + _WALKWAY_M).difference(drivable.buffer(_KERB_M)).simplify(0.02)
    lots = draw_lots(drivable, rng)
    lot_outlines = shapely.union_all([lot.outline for lot in lots])
    crossings, stops, road_lines, lane_lines = [], [], [], []
    for road in network.roads:
        for at_end, node in ((False, road.start), (True, road.end)):
            if network.junctions[node].outline_m is not None:
                crossings.append(_crossing(network, road, at_end))
                outline = _stop_outline(network, road, at_end)
                if outline is not None:
                    stops.append((outline, len(crossings) - 1))
        of_road, of_lanes = _dividers(road)
        road_lines += of_road
        lane_lines += of_lanes
    return Surfaces(
        polygons(drivable), polygons(walkways.difference(lot_outlines)),
        (*polygons(_carparks(network)), *polygons(lot_outlines)), tuple(crossings), tuple(stops),
        tuple(road_lines), tuple(lane_lines), tuple(bay for lot in lots for bay in lot.bays),
    )  # fmt: skip
