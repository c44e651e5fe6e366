"""Leads on a grid: which step each forecast point is at, where the leads of real time stamps stray from even ones.

Leads that are the same to a microsecond in some forecast that has all of them are a grid as they are. Others are
counted: the step is the median distance of one lead to the next within a forecast, and each lead is the whole number of
steps after the one before it that it is nearest to. So real stamps may wander (nuScenes key frames come 0.4 to 0.6 s
apart), and a gap stays a gap. Where that is not clear-cut, leads of all forecasts that lie close together are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from forecast.core.errors import SubmissionError
from forecast.eval.results import Bools, Floats, Integers

_US = 1e6
#: Leads of one forecast closer than this are one lead: its modes, written with a little noise.
_SAME_US = 1000
#: From one lead to the next is a whole number of steps, to this share of one.
STRAY_STEPS = 0.4
#: The n-th lead may wander from its median by so many steps, or by this share of its steps.
_WANDER_STEPS, _WANDER = 2.0, 0.25
#: Leads of different forecasts within this share of a step are one, where they cannot be counted.
_CLOSE_STEPS = 0.1
#: A round step may be off by this share of a step at the last lead; where the leads wander, by the second.
_ROUND_STEPS, _ROUND_WANDERING_STEPS = 0.02, 0.25


@dataclass(frozen=True)
class Spans:
    """The leads of each forecast, in order.

    Attributes:
        forecast: (leads,) which forecast, ascending.
        lead_us: (leads,) its leads, ascending, µs.
    """

    forecast: Integers
    lead_us: Floats

    @staticmethod
    def of(forecast: Integers, lead_us: Integers) -> tuple[Spans, Integers]:
        """From one forecast number and one lead a row, in any order; and the lead of each row, as its place here."""
        width = int(lead_us.max(initial=0)) + 1
        key, row_key = np.unique(forecast * width + lead_us, return_inverse=True)
        number, lead = key // width, key % width
        new = np.ones(len(key), dtype=bool)
        new[1:] = (np.diff(number) != 0) | (np.diff(lead) > _SAME_US)
        group = np.cumsum(new) - 1
        mean = np.bincount(group, weights=lead) / np.maximum(np.bincount(group), 1)
        return Spans(number[new], mean), group[row_key.reshape(-1)]

    @staticmethod
    def joined(parts: Iterable[Spans]) -> Spans:
        """Those of several parts of a file, which share no forecast."""
        forecasts, leads, start = [], [], 0
        for part in parts:
            forecasts.append(part.forecast + start)
            leads.append(part.lead_us)
            start += int(part.forecast.max(initial=-1)) + 1
        return Spans(np.concatenate(forecasts), np.concatenate(leads))

    @property
    def first(self) -> Bools:
        """(leads,) whether each is the first of its forecast."""
        first: Bools = np.diff(self.forecast, prepend=-1) != 0
        return first

    @property
    def gap_us(self) -> Floats:
        """(leads,) from the lead before, or from the issue."""
        return np.where(self.first, self.lead_us, np.diff(self.lead_us, prepend=0.0))


@dataclass(frozen=True)
class LeadGrid:
    """The steps of all forecasts of a file.

    Attributes:
        lead_s: (steps,) seconds ahead.
        kind: how a lead is placed: by its own value; by counting steps; or by the stretch that it falls into.
        places: (steps,) the value in µs; the number of steps; or the end of the stretch, µs.
        step_us: of counting.
    """

    lead_s: Floats
    kind: Literal["exact", "counted", "close"]
    places: Floats
    step_us: float = 0.0

    def place(self, forecast: Integers, lead_us: Integers) -> tuple[Integers, Floats | None]:
        """The step of each row; and (forecasts, steps) each forecast's own leads, s, if they stray from the grid.

        Args:
            forecast: (rows,) number of the forecast.
            lead_us: (rows,) its lead.
        """
        if self.kind == "exact":
            return np.searchsorted(self.places, lead_us), None
        spans, group = Spans.of(forecast, lead_us)
        step = _steps(self, spans)
        own_s = np.broadcast_to(self.lead_s, (int(forecast.max(initial=-1)) + 1, len(self.lead_s))).copy()
        own_s[spans.forecast, step] = spans.lead_us / _US
        strays = np.abs(own_s - self.lead_s).max(initial=0.0) > 1.5 / _US
        return step[group], own_s if strays else None


def _steps(grid: LeadGrid, spans: Spans) -> Integers:
    if grid.kind == "close":
        return np.searchsorted(grid.places, spans.lead_us)
    return np.searchsorted(grid.places, _counted(spans, grid.step_us))


def _counted(spans: Spans, step_us: float) -> Integers:
    """The number of steps ahead of each lead."""
    total = np.cumsum(np.rint(spans.gap_us / step_us))
    before = np.where(spans.first, total - np.rint(spans.gap_us / step_us), 0.0)
    counted: Integers = (total - np.maximum.accumulate(before)).astype(np.int64)
    return counted


def exact_grid(distinct_us: Integers) -> LeadGrid:
    """Every lead is a step of its own."""
    return LeadGrid(distinct_us / _US, "exact", distinct_us.astype(np.float64))


def lead_grid(where: str, distinct_us: Integers, longest: int, spans: Callable[[], Spans]) -> LeadGrid:
    """Find the grid that the leads of a file lie on, whatever the order of its rows.

    Args:
        where: the file.
        distinct_us: all leads, ascending.
        longest: leads of the forecast with the most, if known; a smaller number costs time alone.
        spans: gives the leads of each forecast.

    Raises:
        SubmissionError: in one line, they lie on none: which leads, and what to do.
    """
    if longest >= len(distinct_us):
        return exact_grid(distinct_us)
    found = spans()
    count = np.bincount(found.forecast)
    if count.max() >= len(distinct_us):
        return exact_grid(distinct_us)
    later = found.gap_us[~found.first]
    step_us = float(np.median(later if len(later) else found.lead_us))
    separate = np.diff(distinct_us).min() > _CLOSE_STEPS * step_us
    if separate and len(found.lead_us) >= 2 * len(distinct_us):
        return exact_grid(distinct_us)  # forecasts of a few rates, each of which occurs again
    return _counting(found, step_us) or _close(found, step_us) or _none(where, found, step_us)


def _counting(spans: Spans, step_us: float) -> LeadGrid | None:
    steps = spans.gap_us / step_us
    if (np.rint(steps) < 1).any() or (np.abs(steps - np.rint(steps)) > STRAY_STEPS).any():
        return None
    number = _counted(spans, step_us)
    places, at = np.unique(number, return_inverse=True)
    median = _medians(at.reshape(-1), spans.lead_us)
    limit_us = np.maximum(_WANDER * number, _WANDER_STEPS) * step_us
    if (np.abs(spans.lead_us - median[at.reshape(-1)]) > limit_us).any() or (np.diff(median) <= 0).any():
        return None
    return LeadGrid(_even(places, median / _US), "counted", places.astype(np.float64), step_us)


def _close(spans: Spans, step_us: float) -> LeadGrid | None:
    order = np.argsort(spans.lead_us, kind="stable")
    lead_us = spans.lead_us[order]
    new = np.diff(lead_us, prepend=-np.inf) > _CLOSE_STEPS * step_us
    group = np.cumsum(new) - 1
    last = np.append(np.flatnonzero(new)[1:] - 1, len(lead_us) - 1)
    if (lead_us[last] - lead_us[new] > 2 * _CLOSE_STEPS * step_us).any():
        return None
    at = np.empty_like(group)
    at[order] = group
    if ((np.diff(at) == 0) & (np.diff(spans.forecast) == 0)).any():
        return None
    median_s = _medians(at, spans.lead_us) / _US
    ends = np.append((lead_us[last[:-1]] + lead_us[np.flatnonzero(new)[1:]]) / 2, np.inf)
    return LeadGrid(_rounded(median_s, step_us / _US), "close", ends)


def _none(where: str, spans: Spans, step_us: float) -> LeadGrid:
    steps = spans.gap_us / step_us
    worst = int(np.abs(steps - np.maximum(np.rint(steps), 1)).argmax())
    before = 0.0 if spans.first[worst] else spans.lead_us[worst - 1] / _US
    raise SubmissionError(
        f"{where}: the leads lie on no grid: one forecast has points {before:.6g} s and "
        f"{spans.lead_us[worst] / _US:.6g} s ahead, {steps[worst]:.3g} steps of {step_us / _US:.6g} s apart (the "
        f"median); expected the same leads in all forecasts, or whole steps within {STRAY_STEPS:g} of one: interpolate "
        "the points to even leads"
    )


def _medians(group: Integers, values: Floats) -> Floats:
    order = np.lexsort((values, group))
    count = np.bincount(group)
    start = np.cumsum(count) - count
    ordered = values[order]
    middle: Floats = (ordered[start + (count - 1) // 2] + ordered[start + count // 2]) / 2
    return middle


def _even(number: Integers, median_s: Floats) -> Floats:
    """Multiples of the roundest step that is near enough to the leads; nearer where these hardly wander."""
    step_s = float(np.median(median_s / number))
    for share in (_ROUND_STEPS, _ROUND_WANDERING_STEPS):
        for digits in range(7):
            even_s: Floats = number * round(step_s, digits)
            target_s = median_s if share == _ROUND_STEPS else number * step_s
            if even_s[0] > 0 and np.abs(even_s - target_s).max() <= share * step_s:
                return np.round(even_s, 6)
    return number * step_s


def _rounded(median_s: Floats, step_s: float) -> Floats:
    for digits in range(7):
        round_s: Floats = np.round(median_s, digits)
        near = np.abs(round_s - median_s).max() <= _ROUND_STEPS * step_s
        if near and round_s[0] > 0 and (np.diff(round_s) > 0).all():
            return round_s
    return median_s
