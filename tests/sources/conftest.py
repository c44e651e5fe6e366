"""Small Argoverse 2 scenarios, made up here in the form of the official files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PRESENT, STEPS = 49, 110
START_NS = 315_968_000_000_000_000


def straight(step: int) -> tuple[float, float, float]:
    """10 m/s to the east along y = −2."""
    return 1.0 * step, -2.0, 0.0


def point(x: float, y: float) -> dict[str, float]:
    return {"x": x, "y": y, "z": 0.0}


@dataclass
class Twin:
    """A scenario and its map: a road of two lanes along x, one each way, from −50 to 200 m."""

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    focal: str = "focal"
    steps: int = STEPS

    def track(
        self,
        name: str,
        path: Callable[[int], tuple[float, float, float]],
        *,
        kind: str = "vehicle",
        category: int = 1,
        steps: range | None = None,
    ) -> None:
        """Add a track: time step → x, y, heading."""
        for step in range(self.steps) if steps is None else steps:
            x, y, heading = path(step)
            self.rows.append(
                {
                    "observed": step <= PRESENT,
                    "track_id": name,
                    "object_type": kind,
                    "object_category": category,
                    "timestep": step,
                    "position_x": x,
                    "position_y": y,
                    "heading": heading,
                    "velocity_x": 0.0,
                    "velocity_y": 0.0,
                }
            )

    def table(self) -> pa.Table:
        whole = {
            "scenario_id": self.name,
            "start_timestamp": float(START_NS),
            "end_timestamp": float(START_NS + (self.steps - 1) * 100_000_000),
            "num_timestamps": self.steps,
            "focal_track_id": self.focal,
            "city": "nowhere",
        }
        return pa.Table.from_pylist([row | whole for row in self.rows])

    @property
    def map(self) -> dict[str, Any]:
        def lane(left_y: float, right_y: float, direction: int, marks: tuple[str, str], beside: Any) -> dict[str, Any]:
            xs = (-50.0, 200.0)[::direction]
            return {
                "centerline": [point(x, (left_y + right_y) / 2) for x in xs],
                "left_lane_boundary": [point(x, left_y) for x in xs],
                "right_lane_boundary": [point(x, right_y) for x in xs],
                "left_lane_mark_type": marks[0],
                "right_lane_mark_type": marks[1],
                "left_neighbor_id": None,
                "right_neighbor_id": beside,
                "lane_type": "VEHICLE",
                "is_intersection": False,
                "predecessors": [],
                "successors": [],
            }

        corners = [(-50.0, -8.0), (200.0, -8.0), (200.0, 4.0), (-50.0, 4.0)]
        return {
            "drivable_areas": {"1": {"id": 1, "area_boundary": [point(x, y) for x, y in corners]}},
            "lane_segments": {
                "10": lane(0.0, -4.0, 1, ("DOUBLE_SOLID_YELLOW", "DASHED_WHITE"), 12),
                "11": lane(0.0, 4.0, -1, ("DOUBLE_SOLID_YELLOW", "SOLID_WHITE"), None),
                "12": lane(-4.0, -8.0, 1, ("DASHED_WHITE", "SOLID_WHITE"), None) | {"left_neighbor_id": 10},
                "13": lane(4.0, 6.0, 1, ("NONE", "NONE"), None) | {"lane_type": "BIKE"},
            },
            "pedestrian_crossings": {
                "20": {"id": 20, "edge1": [point(40, -8), point(40, 4)], "edge2": [point(44, -8), point(44, 4)]},
                "21": {"id": 21, "edge1": [point(90, -8), point(90, 4)], "edge2": [point(93, 4), point(93, -8)]},
            },
        }

    def write(self, root: Path, split: str | None = None) -> Path:
        """Write both files; returns the folder."""
        folder = (root if split is None else root / split) / self.name
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(self.table(), folder / f"scenario_{self.name}.parquet")
        (folder / f"log_map_archive_{self.name}.json").write_text(json.dumps(self.map))
        return folder


def filled(name: str, *, future: Callable[[int], float] = lambda step: 0.0, steps: int = STEPS) -> Twin:
    """A scenario with every kind of track; ``future`` moves everybody aside after the present."""

    def moved(path: Callable[[int], tuple[float, float, float]]) -> Callable[[int], tuple[float, float, float]]:
        def at(step: int) -> tuple[float, float, float]:
            x, y, heading = path(step)
            return (x, y, heading) if step <= PRESENT else (x, y + future(step), heading + future(step))

        return at

    twin = Twin(name, steps=steps)
    until = range(steps)
    twin.track("focal", moved(lambda k: (0.01 * k * k, -2.0, 0.001 * k)), category=3)
    twin.track("AV", moved(lambda k: (20.0 + 0.5 * k, -6.0, 0.0)))
    twin.track("walker", moved(lambda k: (42.0, -10.0 + 0.1 * k, np.pi / 2)), kind="pedestrian", category=2)
    twin.track("rider", moved(lambda k: (60.0 - 0.3 * k, 2.0, np.pi)), kind="motorcyclist")
    twin.track("bus", moved(lambda k: (80.0 - 0.4 * k, 2.0, np.pi)), kind="bus", category=0, steps=until[30:])
    twin.track("cone", moved(lambda k: (30.0, -7.0, 0.0)), kind="construction", category=0)
    twin.track("brief", moved(lambda k: (10.0, 1.0, 0.0)), category=0, steps=range(45, 49))
    twin.track("gappy", moved(straight), steps=range(0, min(steps, 60), 3))
    return twin


@pytest.fixture
def twin() -> Callable[..., Twin]:
    """Makes a filled scenario: ``twin(name)``; change its rows, then ``write(root)``."""
    return filled


@pytest.fixture
def argoverse(tmp_path: Path) -> Path:
    """Two scenarios straight under a folder."""
    root = tmp_path / "argoverse"
    for name in ("one", "two"):
        filled(name).write(root)
    return root


@pytest.fixture(scope="session")
def real_argoverse() -> Path:
    """Folder of real scenarios; tests that need it skip where ``ARGOVERSE2_DATAROOT`` is not set."""
    root = os.environ.get("ARGOVERSE2_DATAROOT")
    if not root:
        pytest.skip("ARGOVERSE2_DATAROOT is not set: no real Argoverse 2 scenarios to test on")
    return Path(root)
