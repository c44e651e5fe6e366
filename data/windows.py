"""Looks up observations around many agents at once: along their tracks, and beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.data.track_columns import TrackColumns

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class NeighbourRule:
    """Who counts as a neighbour of whom: everyone nearer at time 0 than a distance that depends on both.

    Cyclists count as vehicles do. Other objects (barriers, cones, animals) are neighbours only with a radius.

    Attributes:
        vehicle_m: between two vehicles or cyclists.
        pedestrian_m: between a pedestrian and a vehicle or cyclist.
        pedestrians_m: between two pedestrians.
        other_m: between anyone and any other object; 0 leaves these out.
        at_most: only the nearest ones are kept; None keeps all.
    """

    vehicle_m: float = 30.0
    pedestrian_m: float = 20.0
    pedestrians_m: float = 10.0
    other_m: float = 0.0
    at_most: int | None = None

    def radii_m(self) -> NDArray[np.float64]:
        """(types, types) radius by target and neighbour type."""
        radii = np.full((4, 4), self.vehicle_m)
        radii[AgentType.PEDESTRIAN, :] = radii[:, AgentType.PEDESTRIAN] = self.pedestrian_m
        radii[AgentType.PEDESTRIAN, AgentType.PEDESTRIAN] = self.pedestrians_m
        radii[AgentType.OTHER, :] = radii[:, AgentType.OTHER] = self.other_m
        return radii


def window(columns: TrackColumns, rows: Rows, back: int, ahead: int) -> Rows:
    """Observations of the same tracks at the key frames before and after.

    Steps count the scene's key frames, whatever the time between two of them; a track that was not seen at one has
    a gap there, and nothing is moved up to fill it.

    Args:
        columns: the data set.
        rows: (n,) observations at time 0.
        back, ahead: key frames to look at before and after; neither is looked at beyond.

    Returns:
        (n, back + 1 + ahead) rows, oldest first; −1 where the track was not seen.
    """
    tracks = columns.tracks
    track = columns.row_track[rows]
    first, end = tracks.first_row[track], tracks.first_row[track + 1]
    # A track holds at most one row a key frame: within `back` key frames lie at most `back` rows.
    candidates = rows[:, None] + np.arange(-back, ahead + 1)
    inside = (candidates >= first[:, None]) & (candidates < end[:, None])
    candidates = np.where(inside, candidates, rows[:, None])
    step = tracks.row_sample[candidates] - tracks.row_sample[rows][:, None]
    inside &= (step >= -back) & (step <= ahead)
    found = np.full(candidates.shape, -1, np.int64)
    agent, _ = np.nonzero(inside)
    found[agent, step[inside] + back] = candidates[inside]
    return found


def neighbours(columns: TrackColumns, rows: Rows, rule: NeighbourRule) -> tuple[Rows, Rows, Rows]:
    """Everyone near the targets at time 0, the nearest first.

    Args:
        columns: the data set.
        rows: (n,) observations of the targets at time 0.
        rule: how near.

    Returns:
        three arrays (pairs,): index of the target in ``rows``, place of the neighbour in that target's list, and
        the neighbour's row. Equal distances are ordered by row.
    """
    tracks = columns.tracks
    target, row = _in_same_key_frame(columns, rows)
    between_m = np.linalg.norm(tracks.row_position_m[row] - tracks.row_position_m[rows[target]], axis=-1)
    radius_m = rule.radii_m()[
        tracks.track_types[columns.row_track[rows[target]]], tracks.track_types[columns.row_track[row]]
    ]
    near = (between_m <= radius_m) & (radius_m > 0) & (row != rows[target])
    target, row, between_m = target[near], row[near], between_m[near]
    order = np.lexsort((row, between_m, target))
    target, row = target[order], row[order]
    place = _place_in_group(target, len(rows))
    kept = place < (rule.at_most if rule.at_most is not None else len(place))
    return target[kept], place[kept], row[kept]


def _in_same_key_frame(columns: TrackColumns, rows: Rows) -> tuple[Rows, Rows]:
    """All pairs of a target and an observation in its key frame, the target's own included."""
    sample = columns.tracks.row_sample[rows]
    first = columns.sample_first[sample]
    counts = columns.sample_first[sample + 1] - first
    target = np.repeat(np.arange(len(rows)), counts)
    place = _place_in_group(target, len(rows))
    return target, columns.sample_rows[first[target] + place].astype(np.int64)


def _place_in_group(group: Rows, groups: int) -> Rows:
    """Number the members of each group from 0; ``group`` is sorted."""
    counts = np.bincount(group, minlength=groups)
    starts = np.cumsum(counts) - counts
    return np.arange(len(group)) - starts[group]
