"""A nuScenes folder small enough to write by hand: every test says what was seen, and when."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

VERSION = "v1.0-mini"


@dataclass
class HandWritten:
    """Tables as lists of rows; key frames every 0.5 s; the ego drives along x at 5 m/s, 100 m to the side."""

    root: Path
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    challenge: dict[str, list[str]] | None = field(default_factory=dict)

    def __post_init__(self) -> None:
        categories = ("vehicle.car", "vehicle.bicycle", "human.pedestrian.adult", "movable_object.barrier")
        self.tables = {
            "attribute": [{"token": "moving", "name": "vehicle.moving"}],
            "calibrated_sensor": [
                {"token": "cal", "sensor_token": "lidar"},
                {"token": "cam", "sensor_token": "camera"},
            ],
            "category": [{"token": name, "name": name} for name in categories],
            "ego_pose": [],
            "instance": [],
            "log": [{"token": "log", "location": "boston-seaport"}],
            "map": [{"token": "map", "category": "semantic_prior", "filename": "maps/mask.png", "log_tokens": ["log"]}],
            "sample": [],
            "sample_annotation": [],
            "sample_data": [],
            "scene": [],
            "sensor": [{"token": "lidar", "channel": "LIDAR_TOP"}, {"token": "camera", "channel": "CAM_FRONT"}],
        }

    def scene(self, name: str, frames: int, *, times_s: list[float] | None = None) -> None:
        self.tables["scene"].append({"token": f"{name}-token", "name": name, "log_token": "log"})
        for k in range(frames):
            time_us = 1_500_000_000_000_000 + round(1e6 * (times_s[k] if times_s else 0.5 * k))
            token = f"{name}/{k}"
            self.tables["sample"].append({"token": token, "timestamp": time_us, "scene_token": f"{name}-token"})
            for sensor, shift in (("cal", 0.0), ("cam", 0.2)):
                pose = f"{token}/{sensor}"
                self.tables["sample_data"].append(
                    {"sample_token": token, "ego_pose_token": pose, "calibrated_sensor_token": sensor}
                    | {"is_key_frame": True, "filename": 'a},{"b'}
                )
                self.tables["ego_pose"].append(
                    {"token": pose, "translation": [2.5 * k + shift, 100.0, 0.0], "rotation": [1.0, 0.0, 0.0, 0.0]}
                )

    def agent(
        self,
        name: str,
        path: dict[int, tuple[float, float, float]],
        *,
        category: str = "vehicle.car",
        scene: str = "scene-0103",
    ) -> None:
        """``path``: key frame → x, y, heading."""
        self.tables["instance"].append({"token": name, "category_token": category})
        for k, (x, y, heading) in path.items():
            self.tables["sample_annotation"].append(
                {
                    "token": f"{name}@{scene}/{k}",
                    "sample_token": f"{scene}/{k}",
                    "instance_token": name,
                    "attribute_tokens": ["moving"],
                    "translation": [x, y, 1.0],
                    "size": [2.0, 4.0, 1.5],
                    "rotation": [math.cos(heading / 2), 0.0, 0.0, math.sin(heading / 2)],
                    "prev": "nowhere",
                    "next": "nowhere",
                }
            )

    def write(self) -> Path:
        folder = self.root / VERSION
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in self.tables.items():
            (folder / f"{name}.json").write_text(json.dumps(rows, indent=0))
        if self.challenge is not None:
            path = self.root / "maps" / "prediction" / "prediction_scenes.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self.challenge))
        return self.root


@pytest.fixture
def hand_written(tmp_path: Path) -> HandWritten:
    """An empty folder to fill: call ``scene``, ``agent``, then ``write``."""
    return HandWritten(tmp_path / "nuscenes")


def straight(
    first: int, last: int, *, speed_mps: float = 4.0, y: float = 0.0, x: float = 0.0
) -> dict[int, tuple[float, float, float]]:
    return {k: (x + 0.5 * speed_mps * k, y, 0.0) for k in range(first, last + 1)}


@pytest.fixture
def straight_path() -> Callable[..., dict[int, tuple[float, float, float]]]:
    """Key frames ``first`` to ``last`` of a straight drive along x."""
    return straight


@pytest.fixture
def traffic(hand_written: HandWritten) -> HandWritten:
    """One scene of 20 key frames with every kind of track."""
    hand_written.scene("scene-0103", 20)
    hand_written.agent("steady", {k: (2.0 * k, 0.01 * k * k, 0.01 * k) for k in range(20)})
    hand_written.agent("late", straight(8, 19, y=4.0))
    hand_written.agent("vanishing", straight(0, 9, y=8.0))
    gaps = {k: pose for k, pose in straight(0, 19, y=12.0).items() if k not in (6, 7, 13)}
    hand_written.agent("interrupted", gaps)
    hand_written.agent("once", {7: (14.0, -4.0, 0.0)})
    hand_written.agent("standing", {k: (20.0, -8.0, 3.1 if k % 2 else -3.1) for k in range(20)})
    hand_written.agent("walker", straight(0, 19, speed_mps=1.0, y=-3.0), category="human.pedestrian.adult")
    hand_written.agent("rider", straight(0, 19, speed_mps=3.0, y=-6.0), category="vehicle.bicycle")
    hand_written.agent("barrier", dict.fromkeys(range(20), (10.0, 2.0, 0.0)), category="movable_object.barrier")
    assert hand_written.challenge is not None
    hand_written.challenge["scene-0103"] = ["steady_scene-0103/9", "late_scene-0103/10", "steady_scene-0103/5"]
    return hand_written
