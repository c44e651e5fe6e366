"""Finds impossible motion in forecasts or truth: a wrong unit, gaps filled with a number, lost digits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.results import Bools, Floats

#: No vehicle is faster than this by more than the uncertainty of positions.
FASTEST_MPS, UNCERTAIN_M = 100.0, 10.0
#: Where everything that moves moves slower than this, it is hardly metres.
_SLOWEST_MPS = 0.1
#: Standard deviations beyond these say nothing of a position.
_NARROWEST_M, _WIDEST_M = 1e-3, 1e3
_KEYS = (
    "forecasts_faster_than_100_mps",
    "observations_faster_than_100_mps",
    "observations_that_move",
    "observations_that_creep",
    "forecasts_of_absurd_covariance",
)


def count_motion(forecasts: ForecastRows, truth: TruthRows) -> dict[str, int]:
    """Count impossible motion.

    Args:
        forecasts: (rows).
        truth: the observations of their tracks.

    Returns:
        Keys of the report's ``coverage``: forecasts with a mode or a sample that is somewhere faster than 100 m/s;
        observations that are, of those with an earlier one; observations that moved at all, and those that did so by
        less than 0.1 m/s; forecasts with a covariance of less than a millimetre or more than a kilometre.
    """
    fast = _leaps(forecasts.positions_m, forecasts.lead_s)
    if forecasts.samples_m is not None:
        fast = fast | _leaps(forecasts.samples_m, forecasts.lead_s)
    order = np.lexsort((truth.time_s, truth.track))
    same = truth.track[order][1:] == truth.track[order][:-1]
    elapsed_s = np.where(same, np.diff(truth.time_s[order]), np.nan)
    moved_m = np.linalg.norm(np.diff(truth.positions_m[order], axis=0), axis=-1)
    with np.errstate(invalid="ignore"):
        leaps = moved_m > UNCERTAIN_M + FASTEST_MPS * elapsed_s
        moves = same & (moved_m > 0)
        creeps = moves & (moved_m < _SLOWEST_MPS * elapsed_s)
    absurd = 0
    if forecasts.covariances_m2 is not None:
        variance = np.stack([forecasts.covariances_m2[..., 0, 0], forecasts.covariances_m2[..., 1, 1]], -1)
        with np.errstate(invalid="ignore"):
            beyond = (variance < _NARROWEST_M**2) | (variance > _WIDEST_M**2)
        absurd = int((beyond.any(-1) & np.isfinite(forecasts.positions_m).all(-1)).any((1, 2)).sum())
    counts = (fast.sum(), leaps.sum(), moves.sum(), creeps.sum(), absurd)
    return dict(zip(_KEYS, map(int, counts), strict=True))


def _leaps(positions_m: Floats, lead_s: Floats) -> Bools:
    """(rows,) whether any of the trajectories (rows, trajectories, steps, 2) is somewhere faster than anybody."""
    moved_m = np.linalg.norm(np.diff(positions_m, axis=2), axis=-1)
    with np.errstate(invalid="ignore"):
        fast: Bools = (moved_m > UNCERTAIN_M + FASTEST_MPS * np.diff(lead_s)).any((1, 2))
    return fast


def about_motion(coverage: Mapping[str, float]) -> list[str]:
    """One line for each kind of impossible motion."""
    fast, leaps, moves, creeps, absurd = (int(coverage[key]) for key in _KEYS)
    agents, said = int(coverage["agent_samples"]), list[str]()
    if fast:
        said.append(
            f"{fast} of {agents} forecasts are somewhere faster than {FASTEST_MPS:g} m/s: is a gap filled with a "
            "number, or the unit another one?"
        )
    if leaps:
        said.append(
            f"{leaps} observations of the truth are faster than {FASTEST_MPS:g} m/s: do two agents have one name, or "
            "is the unit another one?"
        )
    if moves and creeps == moves:
        said.append(
            f"nothing in the truth moves faster than {_SLOWEST_MPS:g} m/s: expected metres; are these degrees, or "
            "kilometres?"
        )
    if absurd:
        said.append(
            f"{absurd} of {agents} forecasts have standard deviations below {_NARROWEST_M * 1e3:g} mm or beyond "
            f"{_WIDEST_M / 1e3:g} km: NLL, ADE-f and FDE-f say little"
        )
    return said
