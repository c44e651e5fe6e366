"""Further views of temporal consistency: successive forecasts of a track, compared at the same absolute times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from forecast.core.rows import ForecastRows
from forecast.core.shapes import Float64, Int64
from forecast.eval.displacement import likeliest
from forecast.eval.matching import TOLERANCE_STEPS, lead_step_s, timing_of
from forecast.eval.results import Bools, Floats, Integers, PerItem, per_item

#: Two most likely modes farther apart than this at the last shared time have flipped, if another one stayed near, m.
FLIP_M = 2.0


@dataclass(frozen=True)
class SuccessivePairs:
    """Successive forecasts of the same track, and where their leads meet.

    Attributes:
        earlier, later: (pairs,) rows of the forecasts, issued one interval apart.
        shift: leads by which the earlier forecast is ahead: lead i + shift of the earlier is lead i of the later.
        candidates: forecasts that another one of their track follows, whenever: what coverage counts against.
    """

    earlier: Int64[Integers, "pairs"]
    later: Int64[Integers, "pairs"]
    shift: int
    candidates: int


def successive_pairs(
    forecasts: ForecastRows, *, interval_s: float | None = None, tolerance_s: float | None = None
) -> SuccessivePairs:
    """Pair each forecast with the one of its track that was issued ``interval_s`` later, the nearest to that.

    Forecasts with leads of their own are paired if their points meet, however their issues stray.

    Args:
        forecasts: leads at an even step.
        interval_s: default: the median interval between issues.
        tolerance_s: largest difference from ``interval_s``; the leads must meet within it too. Default: a tenth of the
            leads' step.

    Raises:
        ValueError: the interval is no multiple of the leads' step, or the leads are not even.
    """
    step = lead_step_s(forecasts)
    if len(forecasts.lead_s) > 1 and np.abs(np.diff(forecasts.lead_s) - step).max() > TOLERANCE_STEPS * step:
        raise ValueError("the leads are not even, so that points of successive forecasts do not meet")
    tolerance = (TOLERANCE_STEPS * step if tolerance_s is None else tolerance_s) + 1e-6
    interval = timing_of(forecasts).interval_s if interval_s is None else interval_s
    if not np.isfinite(interval):
        return SuccessivePairs(np.zeros(0, np.int64), np.zeros(0, np.int64), 1, 0)
    shift = round(interval / step)
    if shift < 1 or abs(shift * step - interval) > tolerance:
        raise ValueError(f"issues every {interval:g} s and leads every {step:g} s do not meet; give --interval-s")
    _, code = np.unique(forecasts.track, return_inverse=True)
    code = code.reshape(-1)
    order = np.lexsort((forecasts.issue_time_s, code))
    # Real stamps stray by up to half a step: whether the points of two forecasts meet is seen from their own leads.
    within = tolerance if forecasts.row_lead_s is None else max(tolerance, step / 2)
    earlier, later = _an_interval_apart(code[order], forecasts.issue_time_s[order], interval, within)
    pairs = SuccessivePairs(order[earlier], order[later], shift, int((np.diff(code[order]) == 0).sum()))
    return pairs if forecasts.row_lead_s is None else _that_meet(forecasts, pairs, tolerance)


def _an_interval_apart(
    code: Integers, issue_s: Floats, interval_s: float, tolerance_s: float
) -> tuple[Integers, Integers]:
    """Pairs of entries of one track, the later nearest to an interval after the earlier; sorted by track and time."""
    start = np.concatenate([[True], np.diff(code) != 0])
    since_s = issue_s - issue_s[start][np.cumsum(start) - 1]
    span_s = float(since_s.max(initial=0.0)) + 2 * (interval_s + tolerance_s)
    key = code * span_s + since_s
    entry = np.arange(len(code))
    after = np.clip(np.searchsorted(key, key + interval_s), entry + 1, None)
    before = np.clip(after - 1, entry + 1, None)
    inside = np.clip(np.stack([before, after]), 0, len(code) - 1)
    off_s = np.abs(issue_s[inside] - issue_s - interval_s)
    usable = (code[inside] == code) & (inside > entry) & (off_s <= tolerance_s)
    off_s = np.where(usable, off_s, np.inf)
    chosen = np.where(off_s[0] <= off_s[1], inside[0], inside[1])
    first = np.flatnonzero(usable.any(0))
    return first, chosen[first]


def _that_meet(forecasts: ForecastRows, pairs: SuccessivePairs, tolerance_s: float) -> SuccessivePairs:
    """Those pairs whose points at the same step are at the same time, wherever both have one."""
    shared = max(len(forecasts.lead_s) - pairs.shift, 0)
    when_s, there = (
        forecasts.issue_time_s[:, None] + forecasts.own_lead_s,
        np.isfinite(forecasts.positions_m[..., 0]).any(1),
    )
    apart_s = np.abs(when_s[pairs.earlier, pairs.shift :] - when_s[pairs.later, :shared])
    both = there[pairs.earlier, pairs.shift :] & there[pairs.later, :shared]
    meet = (~both | (apart_s <= tolerance_s)).all(-1) & both.any(-1)
    return SuccessivePairs(pairs.earlier[meet], pairs.later[meet], pairs.shift, pairs.candidates)


def _both(forecasts: ForecastRows, pairs: SuccessivePairs) -> tuple[Floats, Floats]:
    """(pairs, modes, shared, 2) of the earlier and of the later forecast, at the same absolute times."""
    shared = max(forecasts.positions_m.shape[2] - pairs.shift, 0)
    earlier = forecasts.positions_m[pairs.earlier][:, :, pairs.shift :]
    return earlier, forecasts.positions_m[pairs.later][:, :, :shared]


def shifted_overlap(forecasts: ForecastRows, pairs: SuccessivePairs, *, within_s: float = np.inf) -> PerItem:
    """Mean distance of the two most likely modes at the absolute times both speak of, metres, per pair.

    Args:
        forecasts: world frame.
        pairs: as :func:`successive_pairs` gives them.
        within_s: only times up to so long after the later issue.
    """
    first, second = likeliest_both(forecasts, pairs)
    near = forecasts.lead_s[: first.shape[1]] <= within_s + 1e-6
    return _mean_known(np.linalg.norm(first[:, near] - second[:, near], axis=-1))


def likeliest_both(
    forecasts: ForecastRows, pairs: SuccessivePairs
) -> tuple[Float64[Floats, "pairs shared 2"], Float64[Floats, "pairs shared 2"]]:
    """The most likely modes of the earlier and the later forecasts at the absolute times both speak of, metres."""
    likely_m = forecasts.most_likely_m()
    shared = max(likely_m.shape[1] - pairs.shift, 0)
    return likely_m[pairs.earlier, pairs.shift :], likely_m[pairs.later, :shared]


def chains(rows: int, pairs: SuccessivePairs) -> tuple[Integers, Integers, Integers]:
    """Three forecasts in a row: (chains,) rows of the first, the second and the third.

    Args:
        rows: how many forecasts there are.
        pairs: of them.
    """
    after = np.full(rows, -1, dtype=np.int64)
    after[pairs.earlier] = pairs.later
    middle = after[pairs.earlier]
    last = np.where(middle >= 0, after[middle], -1)
    whole: Bools = last >= 0
    return pairs.earlier[whole], middle[whole], last[whole]


def _mean_known(distance_m: Floats) -> PerItem:
    known = np.isfinite(distance_m)
    total = np.where(known, distance_m, 0.0).sum(-1)
    return per_item(total / np.maximum(known.sum(-1), 1), known.any(-1))


def transport_overlap(forecasts: ForecastRows, pairs: SuccessivePairs) -> PerItem:
    """The same over all modes: optimal-transport distance under the mode probabilities, metres, per pair.

    The cost of moving one mode to another is their mean distance at the shared times; probabilities are normalised.
    One linear programme a pair: some milliseconds with 25 modes.
    """
    earlier, later = _both(forecasts, pairs)
    values = np.full(len(earlier), np.nan)
    for index, (first, second) in enumerate(zip(earlier, later, strict=True)):
        p = forecasts.probabilities[pairs.earlier[index]]
        q = forecasts.probabilities[pairs.later[index]]
        cost = np.linalg.norm(first[p > 0][:, None] - second[q > 0][None], axis=-1).mean(-1)
        if cost.size and np.isfinite(cost).all():
            values[index] = _transport(cost, p[p > 0], q[q > 0])
    return per_item(values, np.isfinite(values))


def _transport(cost: Floats, p: Floats, q: Floats) -> float:
    rows, columns = cost.shape
    cell = np.arange(cost.size)
    # One equality per source and per target; the last follows from the others.
    sums = coo_array(
        (np.ones(2 * cost.size), (np.concatenate([cell // columns, rows + cell % columns]), np.tile(cell, 2)))
    ).tocsr()[:-1]
    amounts = np.concatenate([p / p.sum(), q / q.sum()])[:-1]
    return float(linprog(cost.ravel(), A_eq=sums, b_eq=amounts, method="highs").fun)


def mode_flips(forecasts: ForecastRows, pairs: SuccessivePairs, *, tau_m: float = FLIP_M) -> PerItem:
    """1 where the most likely mode jumped although another one would have stayed, per pair.

    That is: the two most likely modes are more than τ apart at the last time both speak of, while another mode of the
    later forecast lies within τ of the earlier most likely one.
    """
    earlier, later = _both(forecasts, pairs)
    each = np.arange(len(earlier))
    if not later.shape[2]:
        return per_item(np.zeros(len(each)), np.zeros(len(each), dtype=bool))
    first = earlier[each, likeliest(forecasts.probabilities[pairs.earlier]), -1]
    chosen = likeliest(forecasts.probabilities[pairs.later])
    distance = np.linalg.norm(later[:, :, -1] - first[:, None], axis=-1)
    at_chosen = distance[each, chosen]
    others = distance.copy()
    others[each, chosen] = np.inf
    flipped = (at_chosen > tau_m) & (np.where(np.isfinite(others), others, np.inf).min(-1) <= tau_m)
    return per_item(flipped, np.isfinite(at_chosen))


def endpoint_jitter(forecasts: ForecastRows, pairs: SuccessivePairs, present_m: Float64[Floats, "rows 2"]) -> PerItem:
    """RMS over successive issues of the second difference of (end-point − present position), metres, per track.

    Args:
        forecasts: world frame.
        pairs: as :func:`successive_pairs` gives them; three issues in a row make one second difference.
        present_m: (rows, 2) where each agent was when it was forecast; NaN where unknown.
    """
    end = forecasts.positions_m[np.arange(len(forecasts)), likeliest(forecasts.probabilities), -1] - present_m
    first, middle, last = chains(len(forecasts), pairs)
    second = ((end[last] - 2 * end[middle] + end[first]) ** 2).sum(-1)
    names, code = np.unique(forecasts.track, return_inverse=True)
    code, known = code.reshape(-1)[first], np.isfinite(second)
    total = np.bincount(code[known], weights=second[known], minlength=len(names))
    count = np.bincount(code[known], minlength=len(names))
    return per_item(np.sqrt(total / np.maximum(count, 1)), count > 0)
