"""Dispersion and convergence of each point of a track as they grow: over the forecasts that were issued so far."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.rows import ForecastRows, TruthRows
from forecast.core.shapes import Bool, Float64
from forecast.eval.consistency import (
    SuccessiveForecasts,
    convergence_of,
    dispersion_of,
    nothing_predicted,
    successive_forecasts,
)
from forecast.eval.matching import NoGridError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: The range of the convergence that is shown, metres.
RANGE_M = 1.0


@dataclass(frozen=True)
class PointsSoFar:
    """What successive forecasts predicted for the points of the tracks, and its figures as the forecasts come in.

    Column ``k`` of the figures is over the forecasts issued ``k + 1`` steps before the point or earlier: the last
    column knows the earliest forecast alone, the first one all. Where ``complete``, column 0 is the published metric.

    Attributes:
        said: the points that at least one forecast is about. Metres, world frame.
        dispersion_m: (points, steps) D; NaN where fewer than two are known.
        convergence_s: (points, steps) C(1 m): since how many seconds the newest ones stay in range; NaN where the
            newest is unknown.
        complete: (points,) whether a forecast was issued at every step.
        gap: why there are no points at all; empty where there are some.
    """

    said: SuccessiveForecasts
    dispersion_m: Float64[Floats, "points steps"]
    convergence_s: Float64[Floats, "points steps"]
    complete: Bool[Bools, "points"]
    gap: str = ""


def points_so_far(forecasts: ForecastRows, truth: TruthRows) -> PointsSoFar:
    """Gather the points of the tracks that are forecast.

    Args:
        forecasts, truth: of one scene, on one clock, world frame, metres.
    """
    gap = ""
    try:
        every = successive_forecasts(forecasts, truth) if len(forecasts) else nothing_predicted(forecasts)
    except NoGridError as fault:
        every, gap = nothing_predicted(forecasts), str(fault)
    said = _some(every, every.valid.any(1))
    steps = said.valid.shape[1]
    spread = np.full(said.valid.shape, np.nan)
    within = spread.copy()
    for newest in range(steps if len(said) else 0):
        known, place = said.valid[:, newest:], said.predicted_m[:, newest:]
        found = dispersion_of(place, known, window="partial", minimum=1)
        spread[found.valid, newest] = found.values[found.valid]
        found = convergence_of(
            place, said.truth_m, known, tau_m=RANGE_M, step_s=said.step_s, window="partial", minimum=1
        )
        within[found.valid, newest] = found.values[found.valid]
    return PointsSoFar(said, spread, within, said.valid.all(1) & (steps > 0), gap)


def _some(said: SuccessiveForecasts, kept: Bools) -> SuccessiveForecasts:
    step_s = said.step_s if kept.any() else math.nan
    return SuccessiveForecasts(
        said.track[kept], said.time_s[kept], said.truth_m[kept], said.predicted_m[kept], said.valid[kept], step_s,
        said.tolerance_s,
    )  # fmt: skip
