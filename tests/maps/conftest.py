"""A small map expansion, written for the tests."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest


class ExpansionWriter:
    """Builds the tables of a map expansion from coordinates."""

    def __init__(self) -> None:
        self.tables: dict[str, object] = {"version": "1.3", "canvas_edge": [100.0, 100.0]}
        lists = "polygon line node drivable_area road_segment road_block lane lane_connector ped_crossing walkway"
        for name in f"{lists} stop_line carpark_area road_divider lane_divider traffic_light".split():
            self.tables[name] = []
        self.tables |= {"arcline_path_3": {}, "connectivity": {}}

    def _add(self, table: str, **record: object) -> str:
        rows = self.tables[table]
        assert isinstance(rows, list)
        token = f"{table}-{len(rows)}"
        rows.append({"token": token, **record})
        return token

    def _nodes(self, points: list[tuple[float, float]]) -> list[str]:
        return [self._add("node", x=x, y=y) for x, y in points]

    def polygon(self, points: list[tuple[float, float]], holes: tuple[list[tuple[float, float]], ...] = ()) -> str:
        cut = [{"node_tokens": self._nodes(hole)} for hole in holes]
        return self._add("polygon", exterior_node_tokens=self._nodes(points), holes=cut)

    def area(self, layer: str, points: list[tuple[float, float]], *holes: list[tuple[float, float]]) -> None:
        token = self.polygon(points, holes)
        key = {"polygon_tokens": [token]} if layer == "drivable_area" else {"polygon_token": token}
        self._add(layer, **key)

    def line(self, layer: str, points: list[tuple[float, float]]) -> None:
        self._add(layer, line_token=self._add("line", node_tokens=self._nodes(points)))

    def write(self, path: Path) -> Path:
        path.write_text(json.dumps(self.tables))
        return path


@pytest.fixture
def expansion() -> ExpansionWriter:
    """An empty expansion to add to."""
    return ExpansionWriter()


@pytest.fixture
def small_map(expansion: ExpansionWriter, tmp_path: Path) -> Path:
    """A crossroads: a drivable cross with a hole, a walkway, a divider, and a curved lane's centre line."""
    expansion.area("drivable_area", [(0, 40), (100, 40), (100, 60), (0, 60)], [(20, 45), (30, 45), (30, 55), (20, 55)])
    expansion.area("road_segment", [(40, 0), (60, 0), (60, 100), (40, 100)])
    expansion.area("walkway", [(0, 60), (38, 60), (38, 64), (0, 64)])
    expansion.line("lane_divider", [(0, 50), (20, 50)])
    expansion.line("road_divider", [])
    expansion.tables["arcline_path_3"] = {
        "lane": [
            {
                "start_pose": [10.0, 45.0, 0.0],
                "end_pose": [20.0, 55.0, math.pi / 2],
                "shape": "LSL",
                "radius": 10.0,
                "segment_length": [10 * math.pi / 2, 0.0, 0.0],
            }
        ]
    }
    return expansion.write(tmp_path / "smallville.json")
