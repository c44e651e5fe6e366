"""Writes a town's map as a nuScenes map expansion (v1.3): nodes, polygons, lines and the layers that point to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon

from forecast.data.synthetic.curves import Curve
from forecast.data.synthetic.roads import Lane, RoadNetwork
from forecast.data.synthetic.surfaces import Surfaces
from forecast.data.synthetic.tokens import token

Floats = NDArray[np.float64]
Record = dict[str, Any]

_LAYERS = (
    "polygon line node drivable_area road_segment road_block lane ped_crossing walkway stop_line carpark_area "
    "road_divider lane_divider traffic_light lane_connector"
).split()


class _Expansion:
    """Collects records; points that coincide to the millimetre become one shared node."""

    def __init__(self, city: str, seed: int) -> None:
        self.name = (seed, city)
        self.layers: dict[str, list[Record]] = {layer: [] for layer in _LAYERS}
        self.nodes: dict[tuple[float, float], str] = {}

    def add(self, layer: str, **fields: Any) -> str:
        record = {"token": token(*self.name, layer, len(self.layers[layer])), **fields}
        self.layers[layer].append(record)
        return str(record["token"])

    def node(self, x: float, y: float) -> str:
        key = round(float(x), 3), round(float(y), 3)
        if key not in self.nodes:
            self.nodes[key] = self.add("node", x=key[0], y=key[1])
        return self.nodes[key]

    def line(self, points_m: Floats) -> str:
        return self.add("line", node_tokens=[self.node(*p) for p in points_m])

    def polygon(self, shape: Polygon | Floats) -> str:
        shape = shape if isinstance(shape, Polygon) else Polygon(shape)
        rings = [list(dict.fromkeys(self.node(*p) for p in ring.coords)) for ring in (shape.exterior, *shape.interiors)]
        holes = [{"node_tokens": ring} for ring in rings[1:]]
        return self.add("polygon", exterior_node_tokens=rings[0], holes=holes)


def arcline_path(curve: Curve) -> list[Record]:
    """A curve as consecutive circular arcs (shape LSL or RSR, all length in the first segment) through its points."""
    steps = np.diff(curve.points_m, axis=0)
    chord, bearing = np.hypot(*steps.T), np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    turn = np.diff(curve.headings_rad)
    records = []
    for i, (length, angle, delta) in enumerate(zip(chord, bearing, turn, strict=True)):
        straight = abs(delta) < 1e-4
        radius = 999.999 if straight else float(length / (2 * np.sin(abs(delta) / 2)))
        arc = float(length) if straight else radius * abs(float(delta))
        half = 0.0 if straight else delta / 2
        poses = [
            [
                *np.round(curve.points_m[i + end], 4).tolist(),
                round(float((angle + s * half + np.pi) % (2 * np.pi) - np.pi), 6),
            ]
            for end, s in ((0, -1), (1, 1))
        ]
        records.append(
            {
                "start_pose": poses[0],
                "end_pose": poses[1],
                "shape": "LSR" if straight else ("LSL" if delta > 0 else "RSR"),
                "radius": round(radius, 6),
                "segment_length": [0.0, arc, 0.0] if straight else [arc, 0.0, 0.0],
            }
        )
    return records


def _lanes(out: _Expansion, lanes: list[Lane]) -> tuple[Record, Record]:
    """Write lanes and connectors; give connectivity and arcline paths."""
    names = {lane.index: token(*out.name, "path", lane.index) for lane in lanes}
    for lane in lanes:
        polygon = out.polygon(lane.outline_m)
        if lane.is_connector:
            out.layers["lane_connector"].append({"token": names[lane.index], "polygon_token": polygon})
            continue
        edges = [np.stack([lane.right.points_m[row], lane.left.points_m[row]]) for row in (0, -1)]
        sides = {
            f"{side}_lane_divider_segments": [
                {"node_token": out.node(*p), "segment_type": "DASHED_WHITE"}
                for p in curve.points_m[:: len(curve.points_m) - 1]
            ]
            for side, curve in (("left", lane.left), ("right", lane.right))
        }
        record: Record = {"token": names[lane.index], "polygon_token": polygon, "lane_type": "CAR"}
        record |= {"from_edge_line_token": out.line(edges[0]), "to_edge_line_token": out.line(edges[1]), **sides}
        out.layers["lane"].append(record)
    connectivity = {
        names[lane.index]: {
            "incoming": [names[i] for i in lane.predecessors],
            "outgoing": [names[i] for i in lane.successors],
        }
        for lane in lanes
    }
    return connectivity, {names[lane.index]: arcline_path(lane.centre) for lane in lanes}


def _roads(out: _Expansion, network: RoadNetwork) -> dict[int, str]:
    """Road segments (roads and junctions) and road blocks (one direction of a road); give the roads' tokens."""
    segments: dict[int, str] = {}
    for road in network.roads:
        polygon = out.polygon(road.outline_m)
        segments[road.index] = out.add(
            "road_segment", polygon_token=polygon, is_intersection=False, drivable_area_token=""
        )
        for lanes in (road.forward, road.backward):
            if lanes:
                _block(out, network, lanes, segments[road.index])
    for junction in network.junctions:
        if junction.outline_m is not None:
            polygon = out.polygon(junction.outline_m)
            out.add("road_segment", polygon_token=polygon, is_intersection=True, drivable_area_token="")
    return segments


def _block(out: _Expansion, network: RoadNetwork, lanes: list[int], segment: str) -> None:
    members = [network.lanes[i] for i in lanes]  # from the middle of the road outwards
    inner, outer = members[0], members[-1]
    left, right = (inner, outer) if network.drive_right else (outer, inner)
    ordered = members[::-1] if network.drive_right else members  # right to left
    edges = [np.stack([ordered[0].right.points_m[r], *(m.left.points_m[r] for m in ordered)]) for r in (0, -1)]
    outline = np.concatenate([right.right.points_m, edges[1][1:-1], left.left.points_m[::-1], edges[0][1:-1][::-1]])
    out.add(
        "road_block",
        polygon_token=out.polygon(outline),
        from_edge_line_token=out.line(edges[0]),
        to_edge_line_token=out.line(edges[1]),
        road_segment_token=segment,
    )


def _surfaces(out: _Expansion, network: RoadNetwork, surfaces: Surfaces, segments: dict[int, str]) -> None:
    out.add("drivable_area", polygon_tokens=[out.polygon(p) for p in surfaces.drivable])
    for walkway in surfaces.walkways:
        out.add("walkway", polygon_token=out.polygon(walkway))
    for park in surfaces.carparks:
        out.add("carpark_area", polygon_token=out.polygon(park), orientation=0.0, road_block_token="")
    crossings = [
        out.add("ped_crossing", polygon_token=out.polygon(c.outline_m), road_segment_token=segments[c.road])
        for c in surfaces.crossings
    ]
    for outline, crossing in surfaces.stop_lines:
        junction = network.junctions[surfaces.crossings[crossing].junction]
        lights = junction.signals
        out.add(
            "stop_line",
            polygon_token=out.polygon(outline),
            stop_line_type="TRAFFIC_LIGHT" if lights else "PED_CROSSING",
            ped_crossing_tokens=[] if lights else [crossings[crossing]],
            traffic_light_tokens=[_light(out, outline, junction.centre_m)] if lights else [],
            road_block_token="",
        )


def _light(out: _Expansion, stop_line_m: Floats, junction_m: Floats) -> str:
    """A traffic light over a stop line; its line points from there at those who come."""
    right, left = stop_line_m[0], stop_line_m[-1]
    x, y = (right + left) / 2
    along = np.array([right[1] - left[1], left[0] - right[0]]) / np.hypot(*(left - right))
    back = along * np.sign(np.dot(along, [x, y] - junction_m))
    pose = {"tx": round(float(x), 3), "ty": round(float(y), 3), "tz": 0.0, "rx": 0.0, "ry": 0.0}
    return out.add(
        "traffic_light",
        line_token=out.line(np.array([[x, y], [x, y] + 2.0 * back])),
        traffic_light_type="VERTICAL",
        from_road_block_token="",
        items=[],
        pose={**pose, "rz": round(float(np.arctan2(back[1], back[0])), 6)},
    )


def _dividers(out: _Expansion, surfaces: Surfaces) -> None:
    def points(line: LineString) -> Floats:
        return np.asarray(line.coords)

    for line in surfaces.road_dividers:
        out.add("road_divider", line_token=out.line(points(line)), road_segment_token=None)
    for line in surfaces.lane_dividers:
        name = out.line(points(line))
        marks = [{"node_token": out.node(*p), "segment_type": "DASHED_WHITE"} for p in points(line)]
        out.add("lane_divider", line_token=name, lane_divider_segments=marks)


def map_expansion(city: str, seed: int, network: RoadNetwork, surfaces: Surfaces) -> Record:
    """The whole expansion file of one town, ready for JSON."""
    out = _Expansion(city, seed)
    segments = _roads(out, network)
    connectivity, paths = _lanes(out, network.lanes)
    _surfaces(out, network, surfaces, segments)
    _dividers(out, surfaces)
    return {
        **out.layers,
        "version": "1.3",
        "canvas_edge": [network.extent_m, network.extent_m],
        "connectivity": connectivity,
        "arcline_path_3": paths,
    }
