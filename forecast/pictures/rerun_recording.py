"""A recording of a scene and its forecasts for the Rerun viewer, written without one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.extras import optional_module
from forecast.core.files import written_whole
from forecast.core.maps import MapSource
from forecast.core.progress import progress
from forecast.pictures.agent_forecasts import ForecastSource
from forecast.pictures.key_frame_agents import Moment, moment_at

if TYPE_CHECKING:
    from forecast.data.cache import Dataset

Floats = NDArray[np.float64]
_GREY, _BLUE, _DARK, _EGO, _LIGHT = (120, 120, 120), (0, 114, 178), (64, 64, 64), (213, 94, 0), (200, 200, 200)
_HEIGHT_M = 1.6
_AROUND_M = 150.0


def write_recording(path: Path | str, dataset: Dataset, scene: str, source: ForecastSource) -> None:
    """Write a recording: outlines of the map once; boxes, forecasts and truth at every key frame.

    Positions are metres from the scene's first ego or agent position, x east, y north, since Rerun keeps float32.

    Args:
        path: of the file, ``.rrd``.
        dataset: what to show.
        scene: its name.
        source: of the forecasts.

    Raises:
        MissingExtraError: rerun-sdk is not installed.
    """
    rerun = optional_module("rerun", "rerun")
    frames = dataset.tracks.frames_of(scene)
    moments = [moment_at(dataset, int(sample)) for sample in frames]
    origin = next((m.positions_m[m.ego.argmax()] for m in moments if len(m.rows)), np.zeros(2))
    with written_whole(path) as temporary:
        recording = rerun.RecordingStream("cab-forecast")
        recording.save(str(temporary))
        _map(rerun, recording, moments[0].source, origin)
        for moment in progress(moments, "recording", total=len(moments)):
            recording.set_time("time", timestamp=float(dataset.tracks.sample_time_us[moment.sample]) * 1e-6)
            _agents(rerun, recording, moment, origin)
            _forecasts(rerun, recording, moment, source, origin)
            _truth(rerun, recording, moment, moment.truth_m(dataset.tracks, 12), origin)
        recording.flush()
        recording.disconnect()


def _flat(points: Floats, origin: Floats, height_m: float) -> NDArray[np.float32]:
    """Points (n, 2) of the world as (n, 3) at a height above the ground."""
    moved = np.asarray(points, dtype=np.float64) - origin
    return np.column_stack([moved, np.full(len(moved), height_m)]).astype(np.float32)


def _map(rerun: Any, recording: Any, source: MapSource | None, origin: Floats) -> None:
    import shapely

    window = shapely.box(*(origin - _AROUND_M), *(origin + _AROUND_M))
    for layer in ("drivable_area", "ped_crossing", "lane_divider", "road_divider"):
        if source is None or layer not in source.layers:
            continue
        near = [shape.intersection(window) for shape in source.geometries(layer) if shape.intersects(window)]
        lines = [
            _flat(shapely.get_coordinates(line), origin, 0.0)
            for shape in near
            for line in shapely.get_parts(shape.boundary if layer in ("drivable_area", "ped_crossing") else shape)
        ]
        recording.log(f"map/{layer}", rerun.LineStrips3D(lines, colors=_LIGHT, radii=0.08), static=True)


def _agents(rerun: Any, recording: Any, moment: Moment, origin: Floats) -> None:
    half_turns = np.array([agent.pose_world[2] for agent in moment.agents]) / 2
    flat = np.zeros(len(half_turns))
    sizes = np.array([[*agent.size_m, _HEIGHT_M] for agent in moment.agents]).reshape(-1, 3)
    colours = [_EGO if moment.ego[k] else _DARK if moment.targets[k] else _GREY for k in range(len(moment.agents))]
    boxes = rerun.Boxes3D(
        centers=_flat(moment.positions_m, origin, _HEIGHT_M / 2),
        half_sizes=(sizes / 2).astype(np.float32),
        # As arrays: lists of Rerun's own types need NumPy 2.
        quaternions=np.column_stack([flat, flat, np.sin(half_turns), np.cos(half_turns)]).astype(np.float32),
        colors=colours,
        labels=[AgentType(int(kind)).name.lower() for kind in moment.types],
        show_labels=False,
    )
    recording.log("agents", boxes)


def _forecasts(rerun: Any, recording: Any, moment: Moment, source: ForecastSource, origin: Floats) -> None:
    found = source.of(moment.rows[moment.targets])
    lines, radii = [], []
    for start, modes, probabilities in zip(
        moment.positions_m[moment.targets], found.positions_m, found.probabilities, strict=True
    ):
        for path, probability in zip(modes, probabilities, strict=True):
            if probability >= 0.02:
                lines.append(_flat(np.vstack([start, path]), origin, 0.1 + 0.1 * probability))
                radii.append(0.05 + 0.35 * probability)
    recording.log("forecasts", rerun.LineStrips3D(lines, colors=_BLUE, radii=radii))


def _truth(rerun: Any, recording: Any, moment: Moment, truth_m: Floats, origin: Floats) -> None:
    lines = []
    for start, path in zip(moment.positions_m[moment.targets], truth_m, strict=True):
        seen = path[np.isfinite(path).all(1)]
        if len(seen):
            lines.append(_flat(np.vstack([start, seen]), origin, 0.05))
    recording.log("truth", rerun.LineStrips3D(lines, colors=(0, 0, 0), radii=0.06))
