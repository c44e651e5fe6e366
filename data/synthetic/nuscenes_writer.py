"""Writes recordings as genuine nuScenes tables, scene by scene, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from forecast.data.synthetic.simulated_scene import Recording, SimulatedAgent
from forecast.data.synthetic.tokens import token

Record = dict[str, Any]

CITIES = ("boston-seaport", "singapore-hollandvillage", "singapore-onenorth", "singapore-queenstown")
STEP_US = 500_000
_STREAMED = ("scene", "sample", "sample_data", "ego_pose", "instance", "sample_annotation")
_CATEGORIES = (
    "human.pedestrian.adult human.pedestrian.child human.pedestrian.construction_worker movable_object.barrier "
    "movable_object.trafficcone vehicle.bicycle vehicle.bus.rigid vehicle.car vehicle.motorcycle vehicle.trailer "
    "vehicle.truck"
).split()
_ATTRIBUTES = "vehicle.moving vehicle.stopped vehicle.parked pedestrian.moving pedestrian.standing".split()
_STANDING_MPS = 0.3


@dataclass(frozen=True)
class SceneTables:
    """One scene's rows of every growing table, already encoded, and its prediction-challenge entries."""

    name: str
    city: str
    rows: dict[str, bytes]
    targets: list[str]


def _encode(records: list[Record]) -> bytes:
    return msgspec.json.encode(records)[1:-1]


def _rotation(heading_rad: float) -> list[float]:
    return [round(float(np.cos(heading_rad / 2)), 7), 0.0, 0.0, round(float(np.sin(heading_rad / 2)), 7)]


def map_token(seed: int, city: str) -> str:
    """Token of a city's map record, which also names its mask."""
    return token(seed, "map", city)


class _Scene:
    """Names and rows of one recording."""

    def __init__(self, seed: int, recording: Recording) -> None:
        self.seed, self.recording = seed, recording
        self.frames = len(recording.ego)
        self.samples = [self.token("sample", f) for f in range(self.frames)]

    def token(self, *parts: object) -> str:
        return token(self.seed, self.recording.name, *parts)

    def chain(self, tokens: list[str], i: int) -> Record:
        return {"prev": tokens[i - 1] if i else "", "next": tokens[i + 1] if i + 1 < len(tokens) else ""}

    def frame_rows(self) -> dict[str, list[Record]]:
        poses = [self.token("ego", f) for f in range(self.frames)]
        data = [self.token("data", f) for f in range(self.frames)]
        rows: dict[str, list[Record]] = {"sample": [], "sample_data": [], "ego_pose": []}
        for f, (x, y, heading) in enumerate(self.recording.ego.tolist()):
            time = self.recording.start_us + f * STEP_US
            scene = {"timestamp": time, **self.chain(self.samples, f), "scene_token": self.token("scene")}
            rows["sample"].append({"token": self.samples[f], **scene})
            rows["ego_pose"].append(
                {
                    "token": poses[f],
                    "timestamp": time,
                    "rotation": _rotation(heading),
                    "translation": [round(x, 4), round(y, 4), 0.0],
                }
            )
            rows["sample_data"].append(
                {
                    "token": data[f],
                    "sample_token": self.samples[f],
                    "ego_pose_token": poses[f],
                    "calibrated_sensor_token": token(self.seed, "calibrated_sensor"),
                    "timestamp": time,
                    "fileformat": "pcd",
                    "is_key_frame": True,
                    "height": 0,
                    "width": 0,
                    "filename": f"samples/LIDAR_TOP/{self.recording.name}__LIDAR_TOP__{time}.pcd.bin",
                    **self.chain(data, f),
                }
            )
        return rows

    def agent_rows(self, number: int, agent: SimulatedAgent) -> tuple[Record, list[Record]]:
        instance = self.token("instance", number)
        names = [self.token("annotation", number, row) for row in range(len(agent.poses))]
        speeds = np.hypot(*np.gradient(agent.poses[:, :2], axis=0).T) * 2 if len(names) > 1 else np.zeros(1)
        size = [round(s, 3) for s in agent.size_m]
        points = 40 if agent.category.startswith("vehicle") else 12
        annotations = [
            {
                "token": names[row],
                "sample_token": self.samples[agent.first_frame + row],
                "instance_token": instance,
                "visibility_token": "4",
                "attribute_tokens": _attributes(self.seed, agent, float(speeds[row])),
                "translation": [round(x, 4), round(y, 4), round(size[2] / 2, 3)],
                "size": size,
                "rotation": _rotation(heading),
                **self.chain(names, row),
                "num_lidar_pts": points,
                "num_radar_pts": 0,
            }
            for row, (x, y, heading) in enumerate(agent.poses.tolist())
        ]
        record = {
            "token": instance,
            "category_token": token(self.seed, "category", agent.category),
            "nbr_annotations": len(names),
            "first_annotation_token": names[0],
            "last_annotation_token": names[-1],
        }
        return record, annotations


def _attributes(seed: int, agent: SimulatedAgent, speed_mps: float) -> list[str]:
    moving = speed_mps > _STANDING_MPS
    if agent.category.startswith("human"):
        return [token(seed, "attribute", "pedestrian.moving" if moving else "pedestrian.standing")]
    if not agent.category.startswith("vehicle"):
        return []
    name = "parked" if agent.parked else ("moving" if moving else "stopped")
    return [token(seed, "attribute", f"vehicle.{name}")]


def scene_tables(seed: int, recording: Recording) -> SceneTables:
    """Encode one recording's rows."""
    scene = _Scene(seed, recording)
    rows: dict[str, list[Record]] = {table: [] for table in _STREAMED} | scene.frame_rows()
    for number, agent in enumerate(recording.agents):
        instance, annotations = scene.agent_rows(number, agent)
        rows["instance"].append(instance)
        rows["sample_annotation"] += annotations
    rows["scene"] = [
        {
            "token": scene.token("scene"),
            "log_token": token(seed, "log", recording.city),
            "nbr_samples": scene.frames,
            "first_sample_token": scene.samples[0],
            "last_sample_token": scene.samples[-1],
            "name": recording.name,
            "description": "synthetic",
        }
    ]
    targets = [f"{scene.token('instance', agent)}_{scene.samples[frame]}" for agent, frame in recording.targets]
    return SceneTables(recording.name, recording.city, {k: _encode(v) for k, v in rows.items()}, targets)


def _fixed_tables(seed: int) -> dict[str, list[Record]]:
    """The tables that do not grow with the scenes."""
    levels = ("v0-40", "v40-60", "v60-80", "v80-100")
    sensor = token(seed, "sensor")
    return {
        "attribute": [{"token": token(seed, "attribute", n), "name": n, "description": ""} for n in _ATTRIBUTES],
        "category": [{"token": token(seed, "category", n), "name": n, "description": ""} for n in _CATEGORIES],
        "visibility": [{"token": str(i + 1), "level": level, "description": ""} for i, level in enumerate(levels)],
        "sensor": [{"token": sensor, "channel": "LIDAR_TOP", "modality": "lidar"}],
        "calibrated_sensor": [
            {
                "token": token(seed, "calibrated_sensor"),
                "sensor_token": sensor,
                "translation": [0.94, 0.0, 1.84],
                "rotation": [1.0, 0.0, 0.0, 0.0],
                "camera_intrinsic": [],
            }
        ],
        "log": [
            {
                "token": token(seed, "log", city),
                "logfile": f"town-{city}",
                "vehicle": "town",
                "date_captured": "2020-01-01",
                "location": city,
            }
            for city in CITIES
        ],
        "map": [
            {
                "category": "semantic_prior",
                "token": map_token(seed, city),
                "filename": f"maps/{map_token(seed, city)}.png",
                "log_tokens": [token(seed, "log", city)],
            }
            for city in CITIES
        ],
    }


def write_tables(folder: Path, seed: int, scenes: Iterable[SceneTables]) -> dict[str, list[str]]:
    """Write all tables into ``folder``, taking the scenes one at a time.

    Returns:
        the prediction challenge's entries by scene name.
    """
    folder.mkdir(parents=True)
    for table, records in _fixed_tables(seed).items():
        (folder / f"{table}.json").write_bytes(msgspec.json.encode(records))
    files = {table: (folder / f"{table}.json").open("wb") for table in _STREAMED}
    targets: dict[str, list[str]] = {}
    try:
        for scene in scenes:
            for table, rows in scene.rows.items():
                # An empty list of rows leaves no comma behind.
                lead = b"[" if files[table].tell() == 0 else (b"," if rows else b"")
                files[table].write(lead + rows)
            targets[scene.name] = scene.targets
        for file in files.values():
            file.write(b"]")
    finally:
        for file in files.values():
            file.close()
    return targets
