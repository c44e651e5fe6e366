"""Finds the key frame, the agent or the point that a picture shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import EGO_CATEGORY, AgentType
from forecast.core.errors import DataError
from forecast.core.tracks import Tracks
from forecast.pictures.point_forecasts import points_of


def chosen_frame(tracks: Tracks, scene: str, frame: int | None) -> int:
    """Index of a scene's key frame; its middle one where none is given.

    Raises:
        DataError: no such scene or key frame.
    """
    frames = tracks.frames_of(scene)
    at = len(frames) // 2 if frame is None else frame
    if not 0 <= at < len(frames):
        raise DataError(f"{scene} has no key frame {at}; its key frames are 0 to {len(frames) - 1}")
    return int(frames[at])


def position_of(tracks: Tracks, instance: str, sample: int) -> NDArray[np.float64]:
    """(2,) metres, where an agent is at a key frame, world frame.

    Raises:
        DataError: no such agent there.
    """
    track = _track_of(tracks, instance)
    first, end = tracks.first_row[track : track + 2].tolist()
    found = np.flatnonzero(tracks.row_sample[first:end] == sample)
    if not len(found):
        raise DataError(
            f"instance {instance} was not seen at the chosen key frame; choose one with --scene and --frame"
        )
    position: NDArray[np.float64] = tracks.row_position_m[first + int(found[0])]
    return position


def chosen_point(tracks: Tracks, scene: str, instance: str | None, frame: int | None, steps: int) -> int:
    """The observation that an animation is about.

    Args:
        tracks: the data set.
        scene: its name; not looked at where an instance is given.
        instance: token of the agent; by default the vehicle of the scene that travels furthest.
        frame: key frame of the scene; by default the middle one of those that all forecasts reach.
        steps: of a forecast.

    Raises:
        DataError: no such agent, or it was not seen for long enough.
    """
    track = _liveliest(tracks, scene, steps) if instance is None else _track_of(tracks, instance)
    points = points_of(tracks, track, steps)
    if frame is not None:
        sample = chosen_frame(tracks, str(tracks.scene_names[tracks.track_scene[track]]), frame)
        points = points[tracks.row_sample[points] == sample]
    if not len(points):
        raise DataError(
            f"instance {tracks.track_tokens[track]} has no past at each of the {steps} key frames before the point; "
            "choose a later key frame, or another agent"
        )
    return int(points[len(points) // 2])


def _track_of(tracks: Tracks, instance: str) -> int:
    found = np.flatnonzero(tracks.track_tokens == instance)
    if not len(found):
        raise DataError(f"no instance {instance!r} in this data set; expected the token of an annotated agent")
    return int(found[0])


def _liveliest(tracks: Tracks, scene: str, steps: int) -> int:
    """The vehicle of a scene, other than the ego, that travels furthest while it can be forecast."""
    tracks.frames_of(scene)  # refuses an unknown scene
    here = tracks.track_scene == tracks.scene_names.tolist().index(scene)
    here &= (tracks.track_types == AgentType.VEHICLE) & (tracks.track_categories != EGO_CATEGORY)
    travelled_m: dict[int, float] = {}
    for track in np.flatnonzero(here).tolist():
        points = points_of(tracks, track, steps)
        if len(points):
            seen = tracks.row_position_m[points[0] - steps : points[-1] + 1]
            travelled_m[track] = float(np.linalg.norm(np.diff(seen, axis=0), axis=1).sum())
    if not travelled_m:
        raise DataError(f"{scene}: no vehicle was seen at {steps + 2} key frames in a row; choose another scene")
    return int(max(travelled_m, key=lambda track: travelled_m[track]))
