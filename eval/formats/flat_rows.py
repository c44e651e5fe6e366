"""From one line per forecast point to arrays, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows
from forecast.core.units import MAX_FIRST_LEAD_S, MAX_LEAD_S, MIN_LAST_LEAD_S, lead_complaint
from forecast.eval.formats.lead_grid import LeadGrid, Spans, lead_grid
from forecast.eval.formats.read_notes import COVARIANCE, Notes
from forecast.eval.formats.table_columns import (
    names,
    numbered,
    numbers,
    refuse,
    refuse_times,
    require,
    times,
    told_twice,
)
from forecast.eval.results import Bools, Floats, Integers

REQUIRED = ("track", "issue_time_s", "mode", "probability", "lead_s", "x_m", "y_m")
SAMPLE = "sample"
#: Positions farther from the origin than this are no positions, m.
MAX_COORDINATE_M = 1e7
MAX_SAMPLES = 10_000
#: Probabilities need not sum to 1, but what is larger than this is none.
MAX_PROBABILITY = 1e6
#: Arrays may have so many times as many places as the file has rows: forecasts may differ in length and modes.
_MAX_EMPTY = 64

_US = 1e6


def rows_of(
    table: pa.Table,
    where: str,
    *,
    max_modes: int,
    grid: LeadGrid | None = None,
    sampled: bool = False,
    notes: Notes | None = None,
) -> ForecastRows:
    """Gather the points of a table, in any order, into one row a forecast, by track and issue time.

    Args:
        table: one line a point.
        where: the file.
        max_modes: most modes a forecast may have.
        grid: the steps that the leads are at; default: those of this table.
        sampled: whether other pieces of the file have samples, so that this has room for some.
        notes: what is noticed.

    Raises:
        BadRowsError: rows that are wrong by themselves.
        SubmissionError: in one line, what was found and what was expected.
    """
    require(where, table.column_names, REQUIRED)
    code, track_names = names(table, where)
    issue_s, lead_s = times(table, "issue_time_s", where), times(table, "lead_s", where, clock=False)
    value = {name: numbers(table, name, where) for name in ("mode", "probability", "x_m", "y_m")}
    refuse_times(where, "issue_time_s", issue_s)
    refuse_leads(where, lead_s)
    positions = _positions(where, value)
    sample = numbers(table, SAMPLE, where) if SAMPLE in table.column_names else np.full(len(code), np.nan)
    is_mode = np.isnan(sample)
    _check_indices(where, value, sample, is_mode, max_modes)
    forecast, row_of = numbered(code, issue_s)
    lead_us = np.rint(lead_s * _US).astype(np.int64)
    grid = grid_of(where, forecast, lead_us) if grid is None else grid
    step, row_lead_s = grid.place(forecast, lead_us)
    index = np.where(is_mode, value["mode"], 0).astype(np.int64)
    modes = int(index.max(initial=-1, where=is_mode)) + 1
    shape = (len(row_of), modes, len(grid.lead_s))
    _check_size(where, shape, len(code))
    points = _Points(where, is_mode, (forecast, index, step))
    points.once(shape, positions, value["probability"])
    probabilities = points.probabilities(shape[:2], value["probability"])
    covariances = _covariances(table, where, shape, points)
    samples = _samples(where, sample, (forecast, step), positions, shape, sampled=sampled)
    if notes is not None:
        notes.digits.see(positions, [str(table.column(name).type) for name in ("x_m", "y_m")])
    return ForecastRows(
        track=track_names[code[row_of]],
        issue_time_s=issue_s[row_of],
        lead_s=grid.lead_s,
        positions_m=points.placed(shape, positions),
        probabilities=probabilities,
        covariances_m2=covariances,
        samples_m=samples,
        row_lead_s=row_lead_s,
    )


def _positions(where: str, value: dict[str, Floats]) -> Floats:
    """(rows, 2) metres."""
    for name in ("x_m", "y_m"):
        refuse(where, ~np.isfinite(value[name]), f"{name} is not a finite number")
    positions = np.stack([value["x_m"], value["y_m"]], -1)
    far = np.abs(positions).max(-1) > MAX_COORDINATE_M
    refuse(where, far, "a position over 10,000 km out; expected metres")
    return positions


def refuse_leads(where: str, lead_s: Floats) -> None:
    """Refuse leads that are none: not finite, not positive, or far too large for seconds.

    Args:
        where: the file.
        lead_s: (rows,) seconds.

    Raises:
        BadRowsError: in one line.
    """
    refuse(where, ~np.isfinite(lead_s), "lead_s is not a finite number")
    refuse(where, np.rint(lead_s * _US) <= 0, "lead_s is not positive; expected seconds after the issue")
    large = lead_s > MAX_LEAD_S
    refuse(where, large, f"lead_s beyond {MAX_LEAD_S:g} s", lead_complaint(lead_s))


def check_leads(where: str, lead_s: Floats) -> None:
    """Refuse leads that cannot be seconds, all of them taken together.

    Args:
        where: the file.
        lead_s: (steps,) seconds, increasing.

    Raises:
        SubmissionError: in one line, which unit they look like.
    """
    if len(lead_s) and not (lead_s[0] <= MAX_FIRST_LEAD_S and MIN_LAST_LEAD_S <= lead_s[-1] <= MAX_LEAD_S):
        raise SubmissionError(f"{where}: {lead_complaint(lead_s)}")


def grid_of(where: str, forecast: Integers, lead_us: Integers) -> LeadGrid:
    """The grid of leads of a whole file, given one forecast number and one lead a row.

    Raises:
        SubmissionError: there is none, or the leads are no seconds.
    """
    longest = lead_us[forecast == np.bincount(forecast).argmax()]
    grid = lead_grid(where, np.unique(lead_us), len(np.unique(longest)), lambda: Spans.of(forecast, lead_us)[0])
    check_leads(where, grid.lead_s)
    return grid


def _check_indices(where: str, value: dict[str, Floats], sample: Floats, is_mode: Bools, max_modes: int) -> None:
    mode, probability = value["mode"], value["probability"]
    whole = np.isfinite(mode) & (mode == np.floor(mode)) & (mode >= 0)
    refuse(where, is_mode & ~whole, "mode is not a whole number from 0")
    refuse(where, is_mode & (mode >= max_modes), f"a mode beyond the {max_modes} allowed (counted from 0)")
    refuse(where, is_mode & ~np.isfinite(probability), "probability is not a finite number")
    refuse(where, is_mode & (probability < 0), "a negative probability; expected 0 or more")
    refuse(where, is_mode & (probability > MAX_PROBABILITY), "a probability over a million; expected up to 1")
    wrong = ~is_mode & ~((sample >= 0) & (sample < MAX_SAMPLES) & (sample == np.floor(sample)))
    refuse(where, wrong, f"sample is not a whole number from 0 to {MAX_SAMPLES - 1}")


def _check_size(where: str, shape: tuple[int, int, int], rows: int) -> None:
    """Refuse before they are made arrays that would be nearly empty."""
    if np.prod(shape, dtype=np.float64) > _MAX_EMPTY * rows + 1e6:
        raise SubmissionError(
            f"{where}: {shape[0]} forecasts of up to {shape[1]} modes have {shape[2]} different leads in all, but "
            f"there are {rows} rows; expected leads on one grid: interpolate the points to even leads"
        )


class _Points:
    """The rows of a table that are points of modes (not samples), and where each belongs."""

    def __init__(self, where: str, is_mode: Bools, at: tuple[Integers, Integers, Integers]) -> None:
        self._where = where
        self.is_mode = is_mode
        self._rows: Any = slice(None) if is_mode.all() else is_mode
        self._forecast = at[0]
        self._at = tuple(part[self._rows] for part in at)

    def _refuse(self, wrong: Bools, reason: str) -> None:
        if wrong.any():
            every = np.zeros(len(self.is_mode), dtype=bool)
            every[self._rows] = wrong
            refuse(self._where, every, reason)

    def once(self, shape: tuple[int, ...], positions: Floats, probability: Floats) -> None:
        """Refuse two points in one place: all of them where they differ, all but the first where they are the same."""
        slot = _slots(shape, self._at)
        if len(slot) and np.bincount(slot).max() > 1:
            self._refuse(told_twice(slot, np.column_stack([positions, probability])[self._rows]), TWICE)

    def probabilities(self, shape: tuple[int, int], values: Floats) -> Floats:
        """(forecasts, modes), one probability at all leads of a mode."""
        at, values = self._at[:2], values[self._rows]
        probabilities = np.full(shape, np.nan)
        probabilities[at] = values
        differs = np.abs(probabilities[at] - values) > 1e-9
        if differs.any():
            of_mode = np.zeros(shape, dtype=bool)
            of_mode[tuple(part[differs] for part in at)] = True
            self._refuse(of_mode[at], "one mode has different probabilities at different leads; expected one")
        none = np.isnan(probabilities).all(-1)
        refuse(self._where, none[self._forecast], "samples but no mode in a forecast; expected at least one mode each")
        zero = np.nansum(probabilities, -1) <= 0
        refuse(self._where, zero[self._forecast], "all probabilities of a forecast are 0; expected a positive sum")
        return probabilities

    def placed(self, shape: tuple[int, ...], values: Floats) -> Floats:
        """(forecasts, modes, steps, ...), NaN where there is no point."""
        return _placed(shape, self._at, values[self._rows])


TWICE = "two rows for the same track, issue time, mode (or sample) and lead; expected one each"


def _slots(shape: tuple[int, ...], at: tuple[Integers, ...]) -> Integers:
    return np.ravel_multi_index(at, shape).astype(np.int64) if len(at[0]) else np.zeros(0, dtype=np.int64)


def _placed(shape: tuple[int, ...], at: tuple[Integers, ...], values: Floats) -> Floats:
    placed = np.full((int(np.prod(shape)), *values.shape[1:]), np.nan)
    placed[_slots(shape, at)] = values
    return placed.reshape(*shape, *values.shape[1:])


def _covariances(table: pa.Table, where: str, shape: tuple[int, ...], points: _Points) -> Floats | None:
    found = [name for name in COVARIANCE if name in table.column_names]
    if not found:
        return None
    require(where, table.column_names, COVARIANCE)
    xx, xy, yy = (numbers(table, name, where) for name in COVARIANCE)
    with np.errstate(over="ignore", invalid="ignore"):
        sound = (xx > 0) & (xx * yy - xy**2 > 0) & np.isfinite(xx * yy)
    refuse(where, points.is_mode & ~sound, "the covariance is not positive definite")
    return points.placed(shape, np.stack([xx, xy, xy, yy], -1)).reshape(*shape, 2, 2)


def _samples(
    where: str,
    sample: Floats,
    at: tuple[Integers, Integers],
    positions: Floats,
    shape: tuple[int, ...],
    *,
    sampled: bool,
) -> Floats | None:
    drawn = ~np.isnan(sample)
    if not drawn.any():
        return np.full((shape[0], 1, shape[2], 2), np.nan) if sampled else None
    forecast, step = at
    number = sample[drawn].astype(np.int64)
    sizes = (shape[0], int(number.max()) + 1, shape[2])
    _check_size(where, sizes, len(sample))
    place, points = (forecast[drawn], number, step[drawn]), positions[drawn]
    wrong = np.zeros(len(sample), dtype=bool)
    wrong[drawn] = told_twice(_slots(sizes, place), points)
    refuse(where, wrong, TWICE)
    return _placed(sizes, place, points)


def table_of(rows: ForecastRows) -> pa.Table:
    """One line per forecast point; absent modes and leads are left out."""
    present = np.isfinite(rows.positions_m).all(-1) & ~np.isnan(rows.probabilities)[..., None]
    row, mode, step = np.nonzero(present)
    columns: dict[str, Any] = {
        "track": rows.track[row],
        "issue_time_s": rows.issue_time_s[row],
        "mode": mode.astype(np.float64),
        "probability": rows.probabilities[row, mode],
        "lead_s": rows.own_lead_s[row, step],
        "x_m": rows.positions_m[present][:, 0],
        "y_m": rows.positions_m[present][:, 1],
    }
    if rows.covariances_m2 is not None:
        covariance = rows.covariances_m2[present]
        columns |= dict(zip(COVARIANCE, (covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]), strict=True))
    table = pa.table(columns)
    if rows.samples_m is None:
        return table
    drawn = np.isfinite(rows.samples_m).all(-1)
    sample_row, sample, step = np.nonzero(drawn)
    samples = pa.table(
        {
            "track": rows.track[sample_row],
            "issue_time_s": rows.issue_time_s[sample_row],
            "lead_s": rows.own_lead_s[sample_row, step],
            "x_m": rows.samples_m[drawn][:, 0],
            "y_m": rows.samples_m[drawn][:, 1],
            SAMPLE: sample.astype(np.float64),
        }
    )
    both = pa.concat_tables([table, samples], promote_options="default")
    return both.take(np.argsort(np.concatenate([row, sample_row]), kind="stable"))  # streaming wants tracks together
