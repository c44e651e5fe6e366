"""Tracks of a plain table with one row for each time that an agent was seen: what most data sets can be brought to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecast.core.agents import AgentType, agent_type
from forecast.core.errors import DataError
from forecast.core.tracks import Tracks


def tracks_from_rows(
    scene: Sequence[str],
    time_us: ArrayLike,
    track: Sequence[str],
    category: Sequence[str],
    position_m: ArrayLike,
    heading_rad: ArrayLike,
    size_m: ArrayLike,
    maps: Mapping[str, str],
    types: Mapping[str, AgentType] | None = None,
) -> Tracks:
    """Sort rows into scenes, key frames and tracks; every time at which anybody was seen in a scene is a key frame.

    A track's token is ``scene:track`` and a key frame's ``scene:time_us``, so that names need be unique in their scene
    only.

    Args:
        scene: (rows,) name of the scene.
        time_us: (rows,) microseconds.
        track: (rows,) name of the agent.
        category: (rows,) what the data set calls such an agent; the same in all rows of a track.
        position_m: (rows, 2) x, y of the box centre, metres, world frame.
        heading_rad: (rows,) radians, counter-clockwise from the world's x axis.
        size_m: (rows, 2) length and width, metres.
        maps: scene → name of the map that it lies on.
        types: category → agent type; by default :func:`~forecast.core.agents.agent_type` tells by the name.

    Raises:
        DataError: there are no rows, numbers are not finite, or an agent was seen twice at one time.
    """
    scenes, row_scene = np.unique(np.asarray(scene, np.str_), return_inverse=True)
    if not len(scenes):
        raise DataError("no rows: expected one for each time that an agent was seen")
    when = np.asarray(time_us, np.int64)
    place, heading = np.asarray(position_m, np.float64), np.asarray(heading_rad, np.float64)
    _check_finite(position_m=place, heading_rad=heading, size_m=np.asarray(size_m, np.float64))
    tokens, first, row_track = np.unique(_joined(scenes[row_scene], track), return_index=True, return_inverse=True)
    order = np.lexsort((when, row_track))
    twice = (np.diff(row_track[order]) == 0) & (np.diff(when[order]) == 0)
    if twice.any():
        row = order[int(twice.argmax()) + 1]
        raise DataError(f"row {row}: track {tokens[row_track[row]]} was seen a second time at {when[row]} µs")
    frames, row_frame = np.unique(np.stack([row_scene, when], 1), axis=0, return_inverse=True)
    categories = np.asarray(category, np.str_)[first]
    known = {name: (types or {}).get(name, agent_type(name)) for name in np.unique(categories).tolist()}
    return Tracks(
        scene_names=scenes,
        scene_maps=np.array([maps[name] for name in scenes.tolist()], np.str_),
        sample_tokens=_joined(scenes[frames[:, 0]], frames[:, 1].astype(np.str_)),
        sample_time_us=frames[:, 1],
        sample_scene=frames[:, 0].astype(np.int32),
        track_tokens=tokens,
        track_categories=categories,
        track_types=np.array([known[name] for name in categories.tolist()], np.int8),
        track_scene=row_scene[first].astype(np.int32),
        first_row=np.concatenate([[0], np.cumsum(np.bincount(row_track))]).astype(np.int64),
        row_sample=row_frame.reshape(-1)[order].astype(np.int32),
        row_position_m=place[order],
        row_heading_rad=heading[order],
        row_size_m=np.asarray(size_m, np.float32)[order],
    )


def _joined(scene: NDArray[np.str_], name: Any) -> NDArray[np.str_]:
    return np.char.add(np.char.add(scene, ":"), np.asarray(name, np.str_))


def _check_finite(**columns: NDArray[np.float64]) -> None:
    for name, values in columns.items():
        wrong = ~np.isfinite(values.reshape(len(values), -1)).all(1)
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"row {row}: {name} is {values[row].tolist()}; expected finite numbers")
