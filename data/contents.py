"""What a data set holds, told by the names that commands take: its scenes, and the agents of one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import EGO_CATEGORY, AgentType
from forecast.core.errors import DataError, one_of
from forecast.data.prepared import Dataset

#: An agent that is never farther than this from where it was first seen stands, metres.
STANDS_M = 2.0


@dataclass(frozen=True)
class SceneEntry:
    """A scene.

    Attributes:
        scene: its name.
        map: that it lies on.
        splits: that hold it.
        frames: number of key frames; they count from 0.
        agents: tracks, the recording vehicle aside.
        agent_samples: listed ones of the challenge; None where the data set lists none.
    """

    scene: str
    map: str
    splits: tuple[str, ...]
    frames: int
    agents: int
    agent_samples: int | None


@dataclass(frozen=True)
class AgentEntry:
    """An agent of a scene.

    Attributes:
        agent: its token.
        type: ``vehicle``, ``pedestrian``, ``cyclist`` or ``other``.
        category: as the data set calls it.
        first_frame, last_frame: key frames of the scene at which it was first and last seen, from 0.
        seen_s: seconds between the two.
        moved_m: how far it came at most from where it was first seen, metres.
        moves: whether that is more than ``STANDS_M``.
        listed_frames: key frames at which it is an agent-sample of the challenge; None where the data set lists none.
    """

    agent: str
    type: str
    category: str
    first_frame: int
    last_frame: int
    seen_s: float
    moved_m: float
    moves: bool
    listed_frames: tuple[int, ...] | None


def scenes_in(dataset: Dataset, split: str | None = None) -> list[SceneEntry]:
    """The scenes of a data set in their order, or those of a split in the split's.

    Raises:
        DataError: no such split, or no scene of it here.
    """
    tracks, names = dataset.tracks, dataset.tracks.scene_names.tolist()
    holders: dict[str, list[str]] = {}
    for name in dataset.splits:
        for scene in dataset.scenes_of(name):
            holders.setdefault(scene, []).append(name)
    frames = np.bincount(tracks.sample_scene, minlength=len(names))
    agents = np.bincount(tracks.track_scene[tracks.track_categories != EGO_CATEGORY], minlength=len(names))
    listed = _listed_rows(dataset)
    scene_of = tracks.track_scene[dataset.columns.row_track[np.zeros(0, dtype=np.int64) if listed is None else listed]]
    samples = np.bincount(scene_of, minlength=len(names))
    place = {name: number for number, name in enumerate(names)}
    shown = [name for name in names if dataset.shows(name)]
    return [
        SceneEntry(
            scene,
            str(tracks.scene_maps[place[scene]]),
            tuple(holders.get(scene, ())),
            int(frames[place[scene]]),
            int(agents[place[scene]]),
            None if listed is None else int(samples[place[scene]]),
        )
        for scene in (shown if split is None else dataset.scenes_of(split))
    ]


def agents_in(dataset: Dataset, scene: str, frame: int | None = None) -> list[AgentEntry]:
    """The agents of a scene, those that moved farthest first.

    Args:
        dataset: that holds the scene.
        scene: its name.
        frame: only those seen at this key frame of the scene, counted from 0; all where none is given.

    Raises:
        DataError: no such scene or key frame.
    """
    tracks, names = dataset.tracks, dataset.tracks.scene_names.tolist()
    if scene not in names:
        raise DataError(f"{dataset.where}: no scene {scene!r}; {one_of(names, scene)}")
    samples = np.flatnonzero(tracks.sample_scene == names.index(scene))
    if frame is not None and not 0 <= frame < len(samples):
        raise DataError(f"--frame {frame}: {scene} has key frames 0 to {len(samples) - 1}")
    listed = _listed_rows(dataset)
    found = []
    for track in np.flatnonzero(tracks.track_scene == names.index(scene)).tolist():
        rows = np.arange(tracks.first_row[track], tracks.first_row[track + 1])
        if frame is None or (tracks.row_sample[rows] == samples[frame]).any():
            found.append(_agent(dataset, track, rows, int(samples[0]), listed))
    return sorted(found, key=lambda one: (-one.moved_m, one.agent))


def _agent(
    dataset: Dataset, track: int, rows: NDArray[np.int64], first_sample: int, listed: NDArray[np.int64] | None
) -> AgentEntry:
    tracks = dataset.tracks
    frames, place_m = tracks.row_sample[rows] - first_sample, tracks.row_position_m[rows]
    moved_m = float(np.linalg.norm(place_m - place_m[0], axis=1).max())
    return AgentEntry(
        str(tracks.track_tokens[track]),
        AgentType(int(tracks.track_types[track])).name.lower(),
        str(tracks.track_categories[track]),
        int(frames[0]),
        int(frames[-1]),
        round(float(np.ptp(tracks.row_time_us[rows])) * 1e-6, 3),
        round(moved_m, 2),
        moved_m > STANDS_M,
        None if listed is None else tuple(frames[np.isin(rows, listed)].tolist()),
    )


def _listed_rows(dataset: Dataset) -> NDArray[np.int64] | None:
    """Observations that are agent-samples of any split, each once; None where the data set lists none."""
    if not dataset.lists_challenge:
        return None
    rows = [dataset.samples(split).rows for split in dataset.splits]
    listed: NDArray[np.int64] = np.unique(np.concatenate([*rows, np.zeros(0, dtype=np.int64)]))
    return listed
