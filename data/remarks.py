"""What the user of a data set should know of it: pieces that are missing, and what was taken in their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from forecast.core.agents import EGO_CATEGORY, AgentType, known_type, named_by_nuscenes
from forecast.core.tracks import Strings, Tracks
from forecast.data.backward_motion import backward_motion
from forecast.data.clock import long_gaps
from forecast.data.nuscenes.ego import EGO_CHANNEL
from forecast.data.nuscenes.reading import FILE_NAME, Reading

#: Of so many boxes of vehicles that move faster than this, no more than that share head aside of their motion.
_DRIVES_MPS, _ENOUGH, _ASIDE_SHARE = 4.0, 50, 0.2


def remarks_on(tracks: Tracks, reading: Reading, ego_channel: str, official: Iterable[str]) -> tuple[str, ...]:
    """One line each; none on a complete nuScenes folder.

    Args:
        tracks: the data set.
        reading: what its user says about it.
        ego_channel: the sensor whose poses are the ego's, ``""`` for none.
        official: names of all scenes that are in some split.
    """
    return (
        *_ego(tracks, reading, ego_channel),
        *_categories(tracks, reading),
        *_scenes(tracks, set(official)),
        *_gaps(tracks),
        *_headings(tracks),
    )


def _ego(tracks: Tracks, reading: Reading, channel: str) -> list[str]:
    if not channel:
        return ["no ego: sample_data.json has no key frames of any sensor, so there is no ego among the neighbours"]
    told = []
    if channel != EGO_CHANNEL and reading.ego_channel is None:
        told.append(
            f"no key frames of {EGO_CHANNEL}: the ego's poses are those of {channel}'s key frames "
            f"(another can be named: ego_channel in {FILE_NAME})"
        )
    row_is_ego = np.repeat(tracks.track_categories == EGO_CATEGORY, np.diff(tracks.first_row))
    seen = np.zeros(len(tracks.sample_tokens), np.bool_)
    seen[tracks.row_sample[row_is_ego]] = True
    scenes = len(tracks.scene_names)
    held = np.bincount(tracks.sample_scene, minlength=scenes)
    with_ego = np.bincount(tracks.sample_scene, seen, minlength=scenes)
    none, some = (held > 0) & (with_ego == 0), (with_ego > 0) & (with_ego < held)
    if none.any():
        told.append(
            f"{none.sum()} of {scenes} scenes have no ego (no key frames of {channel}), "
            f"{_few(tracks.scene_names[none])}"
        )
    if some.any():
        lost = int((held - with_ego)[some].sum())
        told.append(
            f"{lost} key frames of {some.sum()} scenes have no ego (none of {channel}), "
            f"{_few(tracks.scene_names[some])}"
        )
    return told


def _categories(tracks: Tracks, reading: Reading) -> list[str]:
    count = Counter(tracks.track_categories.tolist())
    foreign = [name for name in sorted(count) if not named_by_nuscenes(name) and name not in reading.categories]
    told = []
    taken = [(name, kind) for name in foreign if (kind := known_type(name)) is not None]
    if taken:
        listed = ", ".join(f"{name} as {kind.name.lower()} ({count[name]:,} tracks)" for name, kind in taken)
        told.append(f"categories that nuScenes does not have: {listed} (to change that: categories in {FILE_NAME})")
    unknown = [name for name in foreign if known_type(name) is None]
    if unknown:
        listed = ", ".join(f"{name} ({count[name]:,} tracks)" for name in unknown)
        kinds = ", ".join(kind.name.lower() for kind in AgentType if kind is not AgentType.PADDING)
        told.append(
            f"categories that are not known count as other, and are neither forecast nor neighbours: {listed}; say "
            f"what they are ({kinds}) under categories in {FILE_NAME}"
        )
    return told


def _scenes(tracks: Tracks, official: set[str]) -> list[str]:
    outside = [name for name in tracks.scene_names.tolist() if name not in official]
    if not outside:
        return []
    return [
        f"{len(outside)} of {len(tracks.scene_names)} scenes are in no official split, {_few(outside)}: no split "
        "selects them"
    ]


def _gaps(tracks: Tracks) -> list[str]:
    count, longest = long_gaps(tracks)
    if not count:
        return []
    return [
        f"{count} gaps between key frames are more than half as long again as their scene's step, the longest is "
        f"{longest}: steps count key frames, so forecasts across a gap are compared with a later truth"
    ]


def _headings(tracks: Tracks) -> list[str]:
    velocity = backward_motion(tracks)[:, :2]
    vehicle = np.repeat(tracks.track_types == AgentType.VEHICLE, np.diff(tracks.first_row))
    moving = vehicle & (np.hypot(velocity[:, 0], velocity[:, 1]) > _DRIVES_MPS)  # NaN is not greater than anything
    direction = np.arctan2(velocity[moving, 1], velocity[moving, 0])
    # Reversing is no fault, nor are boxes the wrong way round.
    along = np.abs(np.cos(tracks.row_heading_rad[moving] - direction))
    aside, count = int((along < 0.5).sum()), len(along)
    if count < _ENOUGH or aside <= _ASIDE_SHARE * count:
        return []
    return [
        f"the headings of {aside:,} of {count:,} boxes of moving vehicles are not where they drive (more than 60° "
        "aside): are rotations w, x, y, z, and is x before y?"
    ]


def _few(names: Sequence[str] | Strings) -> str:
    return "e.g. " + ", ".join(names[:3])
