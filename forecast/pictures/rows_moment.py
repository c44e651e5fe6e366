"""One moment of plain rows, without a data set: who is where, what is forecast of them, and what they did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.errors import ConfigError, DataError, one_of
from forecast.core.maps import MapSource
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.matching import TOLERANCE_STEPS, lead_step_s, truth_for
from forecast.pictures.agent_picture import Agent
from forecast.pictures.key_frame_agents import Moment

Floats = NDArray[np.float64]

#: Past that is drawn, seconds; and what an agent moves at least to have a heading, metres.
_PAST_S, _MOVES_M = 2.0, 0.3


@dataclass(frozen=True)
class RowsMoment:
    """A moment of plain rows.

    Attributes:
        names: (agents,) of the moment's agents.
        moment: everybody seen then; sizes are NaN, since rows tell none.
        forecasts: of each model, of the moment's targets.
        truth_m: (targets, steps, 2) what they did, NaN where unknown.
        since_s: seconds since the first forecast.
        step_s: seconds between the forecasts' points.
    """

    names: NDArray[np.str_]
    moment: Moment
    forecasts: tuple[ForecastRows, ...]
    truth_m: Floats
    since_s: float
    step_s: float


def rows_moment(
    forecasts: Sequence[ForecastRows], truth: TruthRows, frame: int | None = None, source: MapSource | None = None
) -> RowsMoment:
    """Gather one moment.

    Args:
        forecasts: one entry a model. World frame, metres; seconds on one clock.
        truth: of their tracks.
        frame: which time of issue, from 0; the middle one by default.
        source: the map, if any.

    Raises:
        ConfigError: the models' points are not at the same leads.
        DataError: no such time of issue, or nobody who is forecast then was seen then.
    """
    lead_s = forecasts[0].lead_s
    for other in forecasts[1:]:
        if other.lead_s.shape != lead_s.shape or not np.allclose(other.lead_s, lead_s, rtol=0, atol=1e-6):
            raise ConfigError(
                f"models side by side need the same leads, found {lead_s[0]:g} to {lead_s[-1]:g} s and "
                f"{other.lead_s[0]:g} to {other.lead_s[-1]:g} s; draw them one by one"
            )
    issues = np.unique(np.concatenate([rows.issue_time_s for rows in forecasts]))
    at = len(issues) // 2 if frame is None else frame
    if not 0 <= at < len(issues):
        raise DataError(f"no time of issue {at}; there are {len(issues)}, counted from 0")
    now_s, step_s = float(issues[at]), lead_step_s(forecasts[0])
    tolerance_s = TOLERANCE_STEPS * step_s
    agents, names = _seen(truth, now_s, tolerance_s)
    current = [rows.take(np.abs(rows.issue_time_s - now_s) <= tolerance_s) for rows in forecasts]
    targets = np.isin(names, np.concatenate([rows.track for rows in current]))
    if not targets.any():
        raise DataError(f"nobody who is forecast at {now_s:.13g} s was seen then; choose another time with --frame")
    found = tuple(_in_order(rows, names[targets], now_s) for rows in current)
    moment = Moment(
        sample=-1,
        scene=f"{now_s:.13g} s",
        frame=at,
        rows=np.arange(len(agents)),
        agents=agents,
        types=np.full(len(agents), AgentType.OTHER, dtype=np.int8),
        ego=np.zeros(len(agents), dtype=np.bool_),
        targets=targets,
        source=source,
    )
    return RowsMoment(names, moment, found, truth_for(found[0], truth)[0], round(now_s - float(issues[0]), 2), step_s)


def position_among(shown: RowsMoment, track: str) -> Floats:
    """(2,) metres, where a track is at the moment, world frame.

    Raises:
        DataError: it was not seen then.
    """
    at = np.flatnonzero(shown.names == track)
    if not len(at):
        raise DataError(f"track {track!r} was not seen at {shown.moment.scene}; {one_of(shown.names.tolist(), track)}")
    position: Floats = shown.moment.positions_m[int(at[0])]
    return position


def _seen(truth: TruthRows, now_s: float, tolerance_s: float) -> tuple[tuple[Agent, ...], NDArray[np.str_]]:
    """Everybody seen at a time, with up to 2 s of the past."""
    near = (truth.time_s >= now_s - _PAST_S - tolerance_s) & (truth.time_s <= now_s + tolerance_s)
    agents, names = [], []
    for name in np.unique(truth.track[near]).tolist():
        mine = np.flatnonzero(near & (truth.track == name))
        mine = mine[np.argsort(truth.time_s[mine])]
        if truth.time_s[mine[-1]] < now_s - tolerance_s:
            continue
        past = truth.positions_m[mine]
        moved = past[-1] - past
        far = np.flatnonzero(np.linalg.norm(moved, axis=1) >= _MOVES_M)
        heading = np.arctan2(moved[far[-1], 1], moved[far[-1], 0]) if len(far) else 0.0
        agents.append(Agent(np.array([*past[-1], heading]), np.full(2, np.nan), past))
        names.append(name)
    return tuple(agents), np.array(names, dtype=np.str_)


def _in_order(rows: ForecastRows, names: NDArray[np.str_], now_s: float) -> ForecastRows:
    """The forecasts of these tracks, in this order; NaN where there is none."""
    entry_of = {name: entry for entry, name in enumerate(rows.track.tolist())}
    entries = np.array([entry_of.get(name, -1) for name in names.tolist()])
    shape = (len(names), *rows.positions_m.shape[1:])
    positions, probabilities = np.full(shape, np.nan), np.full(shape[:2], np.nan)
    there = entries >= 0
    positions[there], probabilities[there] = rows.positions_m[entries[there]], rows.probabilities[entries[there]]
    empty = replace(rows.take(np.zeros(0, dtype=np.int64)), covariances_m2=None, samples_m=None, row_lead_s=None)
    return replace(
        empty,
        track=names,
        issue_time_s=np.full(len(names), now_s),
        positions_m=positions,
        probabilities=probabilities,
        sample_tokens=None,
    )
