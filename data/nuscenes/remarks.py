"""What the user of a nuScenes folder should know of it: pieces that are missing, and what was taken in their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from forecast.core.agents import EGO_CATEGORY, AgentType, known_type, named_by_nuscenes
from forecast.core.tracks import Strings, Tracks
from forecast.data.general_remarks import gap_remarks, heading_remarks
from forecast.data.nuscenes.ego import EGO_CHANNEL
from forecast.data.nuscenes.reading import FILE_NAME, Reading


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
        *gap_remarks(tracks),
        *heading_remarks(tracks),
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


def _few(names: Sequence[str] | Strings) -> str:
    return "e.g. " + ", ".join(names[:3])
