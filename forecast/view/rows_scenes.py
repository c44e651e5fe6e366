"""Scenes of plain rows for the player: no data set, tracks and forecasts alone, with or without a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.core.maps import MapSource
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.matching import issue_step_s, lead_step_s, typical_gap_s
from forecast.view.ground_outlines import outlines
from forecast.view.model_in_scene import beside_truth, nearest_frame
from forecast.view.view_scene import UNKNOWN_KIND, ViewAgents, ViewScene

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Nothing is observed or forecast for longer than this between two scenes, seconds.
APART_S = 5.0
#: So many times as many frames as steps are too many: the tracks have times of their own.
_UNEVEN = 1.3
#: An agent that moves less than this between two observations keeps its heading, metres.
_TURNS_M = 0.3


def rows_scenes(
    forecasts: Sequence[ForecastRows], truth: TruthRows, source: MapSource | None = None, *, most: int | None = None
) -> list[ViewScene]:
    """Cut recordings where nothing happens for a while, and gather what each part shows.

    Args:
        forecasts: one entry a model; tracks are called as in the truth.
        truth: of the tracks. World frame, metres; seconds on one clock.
        source: the map that all of them are on.
        most: at most so many scenes, the first ones.

    Returns:
        Scenes in order of time; those without any forecast are left out.
    """
    times = np.unique(np.concatenate([truth.time_s, *(rows.issue_time_s for rows in forecasts)]))
    first = np.concatenate([[True], np.diff(times) > APART_S])
    starts, ends = times[first], np.concatenate([times[np.flatnonzero(first[1:])], times[-1:]])
    scenes: list[ViewScene] = []
    for start_s, end_s in zip(starts.tolist(), ends.tolist(), strict=True):
        parts = [rows.take((rows.issue_time_s >= start_s) & (rows.issue_time_s <= end_s)) for rows in forecasts]
        if not any(len(part) for part in parts):
            continue
        if most is not None and len(scenes) == most:
            break
        seen = (truth.time_s >= start_s) & (truth.time_s <= end_s)
        part_truth = TruthRows(truth.track[seen], truth.time_s[seen], truth.positions_m[seen])
        scenes.append(_scene(parts, part_truth, source, start_s))
    return scenes


def _scene(parts: Sequence[ForecastRows], truth: TruthRows, source: MapSource | None, start_s: float) -> ViewScene:
    """One scene; its clock begins at its first time."""
    moved = TruthRows(truth.track, truth.time_s - start_s, truth.positions_m)
    rows = [replace(part, issue_time_s=part.issue_time_s - start_s) for part in parts]
    tracks = np.unique(np.concatenate([truth.track, *(part.track for part in parts)]))
    time_s = _frames(rows, moved)
    agents = _agents(moved, tracks, time_s)
    names = tracks.tolist()
    found = tuple(beside_truth(part, moved, names, time_s) for part in rows)
    places = [truth.positions_m, *(part.positions_m.reshape(-1, 2) for part in parts)]
    ground = {} if source is None else outlines(source, np.concatenate(places))
    name = f"from {round(start_s, 3):.13g} s"
    return ViewScene(name, source.name if source and ground else "", time_s, agents, moved, ground, found)


def _frames(rows: Sequence[ForecastRows], truth: TruthRows) -> Floats:
    """(frames,) seconds: times of observations and issues, those that lie together as one.

    Where tracks are observed at times of their own, frames are evenly apart, so that all are seen in each.
    """
    _, code = np.unique(truth.track, return_inverse=True)
    gaps = [typical_gap_s(code.reshape(-1).astype(np.int64), truth.time_s)]
    gaps += [min(issue_step_s(part), lead_step_s(part)) for part in rows if len(part)]
    gap_s = min(gaps)
    every = np.unique(np.concatenate([truth.time_s, *(part.issue_time_s for part in rows)]))
    frames = [float(every[0])]
    for time in every.tolist():
        if time - frames[-1] >= 0.5 * gap_s:
            frames.append(time)
    even = np.arange(every[0], every[-1] + 0.5 * gap_s, gap_s) if np.isfinite(gap_s) else every[:1]
    return even if np.isfinite(gap_s) and len(frames) > _UNEVEN * len(even) else np.array(frames)


def _agents(truth: TruthRows, tracks: NDArray[np.str_], time_s: Floats) -> ViewAgents:
    agent, frame = np.searchsorted(tracks, truth.track), nearest_frame(truth.time_s, time_s)
    # Of several observations in one frame the last counts.
    order = np.lexsort((truth.time_s, frame, agent))
    agent, frame, place = agent[order], frame[order], truth.positions_m[order]
    last = np.concatenate([(np.diff(agent) != 0) | (np.diff(frame) != 0), [True]]) if len(agent) else np.zeros(0, bool)
    agent, frame, place = agent[last], frame[last], place[last]
    heading = np.concatenate([_headings(place[agent == one]) for one in range(len(tracks))] or [np.zeros(0)])
    return ViewAgents(
        names=tracks.tolist(),
        categories=[""] * len(tracks),
        kinds=np.full(len(tracks), UNKNOWN_KIND),
        ego=np.zeros(len(tracks), dtype=bool),
        agent=agent.astype(np.int64),
        frame=frame,
        pose_world=np.concatenate([place, heading[:, None]], 1),
        size_m=np.full((len(tracks), 2), np.nan),
    )


def _headings(place_m: Floats) -> Floats:
    """(observations,) direction in which a track came, radians; that of its last movement where it stands.

    NaN where it never moves.
    """
    heading = np.full(len(place_m), np.nan)
    last, moved = 0, False
    for now in range(1, len(place_m)):
        move = place_m[now] - place_m[last]
        heading[now] = heading[now - 1]
        if np.hypot(*move) >= _TURNS_M:
            heading[now] = np.arctan2(move[1], move[0])
            if not moved:
                heading[:now] = heading[now]
            last, moved = now, True
    return heading
