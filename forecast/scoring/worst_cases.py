"""The agent-samples that a model missed by most, one a track, with all that a picture of them needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecast.core.rows import ForecastRows
from forecast.eval.results import Floats, PerItem

#: How many are kept.
WORST = 12


@dataclass(frozen=True)
class Case:
    """One forecast beside what happened. World frame, metres.

    Attributes:
        track: whose.
        issue_time_s: when it was issued.
        error_m: minFDE_1.
        past_m: (steps, 2) positions up to the issue, those that are known.
        truth_m: (steps, 2), NaN where unknown.
        modes_m: (modes, steps, 2), NaN in absent modes.
        probabilities: (modes,).
    """

    track: str
    issue_time_s: float
    error_m: float
    past_m: Floats
    truth_m: Floats
    modes_m: Floats
    probabilities: Floats

    @property
    def pose_world(self) -> Floats:
        """(3,) x, y and direction of the last known movement; that of the truth where nothing moved before."""
        known = np.concatenate([self.past_m, self.truth_m[np.isfinite(self.truth_m).all(-1)]])
        moves = np.diff(known, axis=0)
        moved = np.flatnonzero(np.linalg.norm(moves, axis=-1) > 0.1)
        before = moved[moved < len(self.past_m) - 1]
        chosen = before[-1:] if len(before) else moved[:1]
        x, y = moves[chosen[0]] if len(chosen) else (1.0, 0.0)
        return np.array([*(self.past_m[-1] if len(self.past_m) else known[0]), np.arctan2(y, x)])


def worst_cases(forecasts: ForecastRows, error_m: PerItem, past_m: Floats, truth_m: Floats) -> list[Case]:
    """The cases of largest error, largest first; of each track the worst one alone.

    Args:
        forecasts: (rows).
        error_m: minFDE_1 of each row.
        past_m: (rows, history, 2), the present last; NaN where unknown.
        truth_m: (rows, steps, 2).
    """
    error, track, issue_s = error_m.values, forecasts.track, forecasts.issue_time_s
    rows = np.flatnonzero(error_m.valid)
    # Of equal errors those of the first tracks, whatever the order of the rows.
    ranked = rows[np.lexsort((issue_s[rows], track[rows], -error[rows]))]
    _, first_of_track = np.unique(track[ranked], return_index=True)
    worst = ranked[np.sort(first_of_track)[:WORST]].tolist()
    return [
        Case(
            str(forecasts.track[row]),
            float(forecasts.issue_time_s[row]),
            float(error_m.values[row]),
            past_m[row][np.isfinite(past_m[row]).all(-1)],
            truth_m[row].copy(),
            forecasts.positions_m[row].copy(),
            forecasts.probabilities[row].copy(),
        )
        for row in worst
    ]


def worst_of(parts: Sequence[Sequence[Case]]) -> list[Case]:
    """The worst of several lists, worst first, one a track."""
    cases = [case for part in parts for case in part]
    cases.sort(key=lambda case: (-case.error_m, case.track, case.issue_time_s))
    first = {case.track: case for case in reversed(cases)}
    return [case for case in cases if first[case.track] is case][:WORST]
