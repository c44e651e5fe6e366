"""Which truth belongs to which forecast point, by track and absolute time, within a stated tolerance.

Times are compared in whole microseconds; nothing is interpolated: a forecast point is matched with the nearest
observation of its track if that lies within ``tolerance_s``, the earlier one of two equally near.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.core.errors import ConfigError, SubmissionError
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.results import Bools, Floats, Integers

_US = 1e6
#: A time is taken to be at a lead if it is off by at most this share of the step, unless told otherwise.
TOLERANCE_STEPS = 0.1


class NoGridError(SubmissionError):
    """Successive forecasts cannot be compared: the leads are not as far apart as the issues."""


@dataclass(frozen=True)
class Matches:
    """For every truth point the forecasts that were issued for it, one per lead.

    Attributes:
        truth_row: (points,) index into the truth: every observation of a track that is forecast at all.
        forecast_row: (points, steps) index into the forecasts, -1 where none was issued at that lead.
        lead_index: (steps,) index into ``lead_s`` of each step, 1 … T steps ahead.
        step_s: seconds between these steps.
        tolerance_s: largest difference in time that was accepted.
    """

    truth_row: Integers
    forecast_row: Integers
    lead_index: Integers
    step_s: float
    tolerance_s: float


@dataclass(frozen=True)
class Timing:
    """At which distances in time the forecasts of a file are compared, the same for all of its pieces.

    Attributes:
        step_s: between the leads that dispersion and convergence compare.
        interval_s: between the forecasts of a pair (overlap, flips, jitter); inf where no track is forecast twice.
    """

    step_s: float
    interval_s: float


def timing_of(
    forecasts: ForecastRows,
    *,
    interval_s: float | None = None,
    issue_step: float | None = None,
    tolerance_s: float | None = None,
) -> Timing:
    """Choose at which distances in time to compare forecasts.

    Args:
        forecasts: whose leads are those of the whole file.
        interval_s: what was asked for, for both; default: from the leads and the interval between issues.
        issue_step: seconds between successive issues over the whole file; default: that of ``forecasts``.
        tolerance_s: as in :func:`match_points`.

    Raises:
        ConfigError: the interval that was asked for does not meet the leads.
    """
    lead = lead_step_s(forecasts)
    if interval_s is None:
        issue = _on_leads(issue_step_s(forecasts) if issue_step is None else issue_step, lead)
        coarser = lead if not np.isfinite(issue) or issue <= lead * (1 + TOLERANCE_STEPS) else issue
        return Timing(coarser, issue)
    try:
        steps = round(interval_s / lead) if np.isfinite(interval_s) and interval_s > 0 else 0
        if steps < 1 or abs(steps * lead - interval_s) > TOLERANCE_STEPS * lead + 1 / _US:
            raise NoGridError(f"the leads run every {lead:g} s")
        _grid(forecasts.lead_s, interval_s, _tolerance(tolerance_s, interval_s))
    except NoGridError as gap:
        raise ConfigError(
            f"--interval-s {interval_s:g}: does not meet the leads, {_span(forecasts.lead_s)}: {gap}; "
            f"expected a multiple of {lead:g} s up to {forecasts.lead_s[-1]:g} s"
        ) from None
    return Timing(interval_s, interval_s)


def _span(lead_s: Floats) -> str:
    return ", ".join(f"{lead:g}" for lead in lead_s[:3].tolist()) + (
        f" … {lead_s[-1]:g} s" if len(lead_s) > 3 else " s"
    )


def _on_leads(interval_s: float, lead_step_s: float) -> float:
    """The multiple of the leads' step that an interval between issues strays from, if it is near one."""
    steps = np.rint(interval_s / lead_step_s) if np.isfinite(interval_s) else 0
    near = steps >= 1 and abs(steps * lead_step_s - interval_s) <= TOLERANCE_STEPS * lead_step_s
    return float(steps * lead_step_s) if near else interval_s


def lead_step_s(forecasts: ForecastRows) -> float:
    """Seconds between the leads (the median difference; the first lead where there is but one)."""
    return round(float(np.median(np.diff(forecasts.lead_s, prepend=0.0))), 9)


def issue_step_s(forecasts: ForecastRows) -> float:
    """Seconds between successive issues for one track (the median); inf where each track is forecast once."""
    code, _ = _codes(forecasts.track, forecasts.track[:0])
    return typical_gap_s(code, forecasts.issue_time_s)


def typical_gap_s(code: Integers, issue_s: Floats) -> float:
    """The same, of one integer a track.

    Args:
        code: (forecasts,) which track.
        issue_s: (forecasts,) seconds.
    """
    order = np.lexsort((issue_s, code))
    gap = np.diff(issue_s[order])[np.diff(code[order]) == 0]
    return float(np.median(gap[gap > 0])) if (gap > 0).any() else float("inf")


def truth_for(forecasts: ForecastRows, truth: TruthRows, *, tolerance_s: float | None = None) -> tuple[Floats, Bools]:
    """Find the truth at every point of every forecast.

    Returns:
        positions (rows, steps, 2), NaN where unknown, and valid (rows, steps).
    """
    _require_times(forecasts)
    tolerance = _tolerance(tolerance_s, lead_step_s(forecasts))
    code, truth_code = _codes(forecasts.track, truth.track)
    origin = _origin(code, truth_code, forecasts.issue_time_s, truth.time_s)
    wanted_us = _us(forecasts.issue_time_s[:, None] + forecasts.own_lead_s - origin[code][:, None])
    truth_us = _us(truth.time_s - origin[truth_code])
    row = _nearest(truth_code, truth_us, np.broadcast_to(code[:, None], wanted_us.shape), wanted_us, tolerance)
    valid = row >= 0
    if not len(truth):
        return np.full((*row.shape, 2), np.nan), valid
    found = np.where(valid[..., None], truth.positions_m[row], np.nan)
    return found, valid & np.isfinite(found).all(-1)


def match_points(
    forecasts: ForecastRows, truth: TruthRows, *, step_s: float | None = None, tolerance_s: float | None = None
) -> Matches:
    """Find, for every truth point at t̂, the forecasts issued at t̂ − step, t̂ − 2 step, … t̂ − T step.

    Forecasts with leads of their own are found by the time of their point, whatever the step that it is at.

    Args:
        forecasts: issued at any rate, with leads at any rate.
        truth: observations at any rate.
        step_s: the grid of leads; default: the coarser of the leads' step and the issues' interval.
        tolerance_s: default: a tenth of the step.

    Raises:
        NoGridError: the leads hold no such grid.
        SubmissionError: the tolerance would confuse two steps.
    """
    _require_times(forecasts)
    step = step_s if step_s is not None else timing_of(forecasts).step_s
    tolerance = _tolerance(tolerance_s, step)
    lead_index = _grid(forecasts.lead_s, step, tolerance)
    code, truth_code = _codes(forecasts.track, truth.track)
    points = np.flatnonzero(np.isin(truth_code, code))
    origin = _origin(code, truth_code, forecasts.issue_time_s, truth.time_s)
    point_code = truth_code[points]
    issue_s, time_s = forecasts.issue_time_s - origin[code], truth.time_s[points] - origin[point_code]
    if forecasts.row_lead_s is None:
        wanted_us = _us(time_s[:, None] - forecasts.lead_s[lead_index])
        wanted_code = np.broadcast_to(point_code[:, None], wanted_us.shape)
        row = _nearest(code, _us(issue_s), wanted_code, wanted_us, tolerance)
    else:
        ahead_s = forecasts.row_lead_s[:, lead_index]
        meant = (_us(issue_s + column) for column in ahead_s.T)
        row = np.stack([_nearest(code, column, point_code, _us(time_s), tolerance) for column in meant], -1)
    return Matches(points, row, lead_index, step, tolerance)


def _require_times(forecasts: ForecastRows) -> None:
    if np.isnan(forecasts.issue_time_s).any():
        raise SubmissionError("the forecasts' issue times are not known; join a submission with its data set first")


def _tolerance(tolerance_s: float | None, step_s: float) -> float:
    tolerance = TOLERANCE_STEPS * step_s if tolerance_s is None else tolerance_s
    if not 0 <= tolerance < step_s / 2:
        raise SubmissionError(
            f"a time tolerance of {tolerance:g} s does not tell steps of {step_s:g} s apart; give one below half a step"
        )
    return tolerance


def _grid(lead_s: Floats, step_s: float, tolerance_s: float) -> Integers:
    """Indices of the leads at step, 2 step, … as far as they go without a gap."""
    # A lead is the nearest of one step at most, so that more steps than leads have a gap among the first.
    count = int(min((lead_s[-1] + tolerance_s) / step_s + 1e-9, len(lead_s) + 1)) if len(lead_s) else 0
    wanted = step_s * np.arange(1, count + 1)
    nearest = np.abs(lead_s[None, :] - wanted[:, None]).argmin(-1) if count else np.zeros(0, dtype=np.int64)
    off = np.abs(lead_s[nearest] - wanted) > tolerance_s + 1 / _US
    if not count or off.any():
        missing = wanted[int(off.argmax())] if count else step_s
        raise NoGridError(
            f"the forecasts have no point {missing:g} s ahead (within {tolerance_s:g} s), which steps of {step_s:g} s "
            "(the coarser of the leads' step and the interval between issues) need"
        )
    return nearest.astype(np.int64)


def _codes(first: np.ndarray, second: np.ndarray) -> tuple[Integers, Integers]:  # type: ignore[type-arg]
    """One integer per distinct track name, shared by both lists."""
    _, code = np.unique(np.concatenate([first.astype(str), second.astype(str)]), return_inverse=True)
    code = code.astype(np.int64).reshape(-1)
    return code[: len(first)], code[len(first) :]


def _origin(code: Integers, truth_code: Integers, issue_s: Floats, time_s: Floats) -> Floats:
    """(tracks,) earliest time of each track, s: large clock readings keep their microseconds relative to it."""
    tracks = int(max(code.max(initial=-1), truth_code.max(initial=-1))) + 1
    origin = np.full(tracks, np.inf)
    np.minimum.at(origin, code, issue_s)
    np.minimum.at(origin, truth_code, time_s)
    return origin


def _us(time_s: Floats) -> Integers:
    micro: Integers = np.rint(time_s * _US).astype(np.int64)
    return micro


def _nearest(code: Integers, time_us: Integers, want_code: Integers, want_us: Integers, tolerance_s: float) -> Integers:
    """Row of the entry of the same track nearest in time, within the tolerance; -1 where there is none."""
    if not len(code) or not want_us.size:
        return np.full(want_us.shape, -1, dtype=np.int64)
    tolerance_us = round(tolerance_s * _US) + 1  # rounding to microseconds may cost one
    low = min(int(time_us.min()), int(want_us.min())) - 2 * tolerance_us
    span = max(int(time_us.max()), int(want_us.max())) + 2 * tolerance_us - low + 1
    if span * (max(int(code.max()), int(want_code.max())) + 1) > 2**62:
        raise SubmissionError(f"times of one track lie up to {span / _US:.3g} s apart; expected seconds on one clock")
    order = np.lexsort((time_us, code))
    key = code[order] * span + (time_us[order] - low)
    want = want_code * span + (want_us - low)
    right = np.searchsorted(key, want)
    after = np.minimum(right, len(key) - 1)
    before = np.maximum(right - 1, 0)
    nearer = np.where(np.abs(key[before] - want) <= np.abs(key[after] - want), before, after)
    return np.where(np.abs(key[nearer] - want) <= tolerance_us, order[nearer], -1)
