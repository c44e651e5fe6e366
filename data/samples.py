"""Which agents are forecast at which key frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import EGO_CATEGORY, AgentType
from forecast.core.errors import DataError
from forecast.core.tracks import Tracks
from forecast.data.track_columns import TrackColumns

_STANDS_M = 0.25


@dataclass(frozen=True)
class Samples:
    """Agent-samples: a target agent, and the key frame that is its time 0.

    Attributes:
        rows: (n,) int64 rows of :class:`~forecast.core.tracks.Tracks`: each target's observation at time 0.
    """

    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Samples:
        return Samples(self.rows[index])

    def track_tokens(self, tracks: Tracks) -> list[str]:
        """(n,) token of each target's track."""
        track = tracks.track_of(self.rows)
        found: list[str] = tracks.track_tokens[track].tolist()
        return found

    def sample_tokens(self, tracks: Tracks) -> list[str]:
        """(n,) token of each target's key frame."""
        found: list[str] = tracks.sample_tokens[tracks.row_sample[self.rows]].tolist()
        return found

    def tokens(self, tracks: Tracks) -> list[str]:
        """(n,) the two joined, ``track_sample``, as nuScenes' submissions write them; not to be taken apart."""
        pairs = zip(self.track_tokens(tracks), self.sample_tokens(tracks), strict=True)
        return [f"{track}_{sample}" for track, sample in pairs]


def dense_samples(columns: TrackColumns, scenes: Sequence[str], types: Sequence[AgentType], *, ego: bool) -> Samples:
    """Every agent of the given types at every key frame with at least one earlier observation of the same track.

    Args:
        columns: the data set.
        scenes: names; the answer is ordered by scene as given, then by key frame, then by track.
        types: agent types; the ego, though a vehicle, counts only where ``ego``.
        ego: the ego vehicle too.
    """
    tracks, row_track = columns.tracks, columns.row_track
    order = {name: number for number, name in enumerate(scenes)}
    scene_order = np.array([order.get(name, -1) for name in tracks.scene_names.tolist()])
    is_ego = tracks.track_categories == EGO_CATEGORY
    wanted = np.where(is_ego, ego, np.isin(tracks.track_types, [int(kind) for kind in types]))
    wanted &= scene_order[tracks.track_scene] >= 0
    seen_before = np.arange(len(row_track)) > tracks.first_row[row_track]
    rows = np.flatnonzero(wanted[row_track] & seen_before)
    return Samples(rows[np.lexsort((rows, tracks.row_sample[rows], scene_order[tracks.track_scene[row_track[rows]]]))])


def vehicles_with_a_past(tracks: Tracks, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(rows,) which observations a vehicle forecaster is asked about: vehicles that were seen before, not the ego.

    Args:
        tracks: of the data set.
        rows: (rows,) observations.
    """
    track = tracks.track_of(rows)
    others = tracks.track_categories[track] != EGO_CATEGORY
    found: NDArray[np.bool_] = (
        others & (tracks.track_types[track] == AgentType.VEHICLE) & (rows > tracks.first_row[track])
    )
    return found


def thin_standing(columns: TrackColumns, samples: Samples, keep: float) -> Samples:
    """Leave out some agents that stand: most vehicles are parked, and a forecaster learns little from the thousandth.

    Whether an agent stands is decided by its last two observations alone. A choice by the future would change what
    is likely, given the past; this one does not.

    Args:
        columns: the data set.
        samples: agent-samples that were all seen before, as dense ones are.
        keep: share to keep of those that came less than 0.25 m far since their last observation; it is drawn, the
            same one every time.
    """
    position_m = columns.tracks.row_position_m
    step_m = np.linalg.norm(position_m[samples.rows] - position_m[samples.rows - 1], axis=1)
    return samples[(step_m >= _STANDS_M) | (np.random.default_rng(0).random(len(samples)) < keep)]


def listed_samples(
    locate: Callable[[str, str], int],
    listing: Mapping[str, Sequence[tuple[str, str]]],
    scenes: Sequence[str],
    path: Path,
) -> Samples:
    """The listed agent-samples of the given scenes, in the order of the lists.

    Args:
        locate: row of a track at a key frame, by their tokens.
        listing: scene → (track token, sample token).
        scenes: names.
        path: where they are listed, for messages.

    Raises:
        DataError: an entry names no key frame, is unknown, or is listed twice.
    """
    rows: dict[int, None] = {}
    for scene in scenes:
        for number, (track, sample) in enumerate(listing.get(scene, ())):
            where = f"{path}: {scene}, entry {number}"
            if not sample:
                raise DataError(f"{where}: expected instance_sample, found {track!r}")
            try:
                row = locate(track, sample)
            except DataError as fault:
                raise DataError(f"{where}: {fault}") from None
            if row in rows:
                raise DataError(f"{where}: {track}_{sample} is listed twice")
            rows[row] = None
    return Samples(np.fromiter(rows, np.int64, len(rows)))
