"""What is written can be read again, whole: what cannot is refused before there is a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows
from forecast.core.units import ratio_complaint
from forecast.eval.formats.table_columns import BadRowsError, numbered
from forecast.eval.matching import lead_step_s, typical_gap_s
from forecast.eval.results import Bools, Floats, Integers

#: A covariance may be so far from symmetric, by rounding, as a share of its largest entry.
_ASYMMETRY = 1e-6


def checked(rows: ForecastRows, where: str) -> ForecastRows:
    """Refuse rows of which a file would lose something.

    Returns:
        The same, with covariances symmetric to the last digit.

    Raises:
        SubmissionError: in one line, which row, and what of it.
    """
    if np.isnan(rows.issue_time_s).any():
        raise SubmissionError(
            f"{where}: not written: rows whose issue times are not known, as of a submission; "
            "read them with their data set (forecast.scoring.dataset_join.read_for_dataset)"
        )
    if rows.row_lead_s is not None:
        own = rows.row_lead_s
        _refuse(rows, (own <= 0).any(-1) | (np.diff(own) <= 0).any(-1), "leads are not positive and increasing", where)
    given = ~np.isnan(rows.probabilities)
    _refuse(rows, ~given.any(-1), "no mode with a probability; expected at least one", where)
    point, partly = _points(rows.positions_m)
    _refuse(
        rows, partly.any((1, 2)), "a position that is not finite; expected numbers, or NaN in both where none", where
    )
    _refuse(rows, (point.any(-1) & ~given).any(-1), "positions in a mode without a probability (NaN)", where)
    _refuse(rows, (given & ~point.any(-1)).any(-1), "a probability of a mode without positions", where)
    if rows.samples_m is not None:
        _, partly = _points(rows.samples_m)
        _refuse(rows, partly.any((1, 2)), "a sample that is not finite; expected numbers, or NaN in both", where)
    return _symmetric(rows, point, where)


def _points(positions_m: Floats) -> tuple[Bools, Bools]:
    """(rows, modes, steps) where there is a point; and where there is neither a point nor NaN alone."""
    point: Bools = np.isfinite(positions_m).all(-1)
    return point, ~point & ~np.isnan(positions_m).all(-1)


def _refuse(rows: ForecastRows, wrong: Bools, what: str, where: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        who = f"track {str(rows.track[row])!r} at {rows.issue_time_s[row]:.15g} s"
        raise SubmissionError(f"{where}: not written: row {row} ({who}) has {what}")


def _symmetric(rows: ForecastRows, point: Bools, where: str) -> ForecastRows:
    found = rows.covariances_m2
    if found is None:
        return rows
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(found[..., 0, 1] - found[..., 1, 0]) > _ASYMMETRY * np.abs(found).max((-2, -1))
        _refuse(rows, (point & off).any((1, 2)), "a covariance that is not symmetric", where)
        return replace(rows, covariances_m2=0.5 * found + 0.5 * found.swapaxes(-1, -2))


def refuse_remark(rows: ForecastRows, where: str) -> None:
    """Refuse forecasts of which something must be said, in a file that has no place for it."""
    if rows.remark:
        raise SubmissionError(
            f"{where}: not written: only nested .parquet has a place for what must be said of these forecasts: "
            f"{rows.remark}"
        )


def refuse_unreadable(table: pa.Table, read: Callable[[pa.Table], object], where: str, *, csv: bool) -> None:
    """Refuse a table that its reader would refuse.

    Args:
        table: what is about to be written.
        read: its reader.
        where: the file.
        csv: whether it is text, in which a name cannot hold the end of a line.

    Raises:
        SubmissionError: in one line, what the reader would say.
    """
    if not table.num_rows:
        return
    if csv:
        names = set(table.column("track").unique().to_pylist())
        broken = sorted(name for name in names if "\n" in name or "\r" in name)
        if broken:
            raise SubmissionError(f"{where}: not written: track {broken[0]!r} holds the end of a line; use Parquet")
    try:
        read(table)
    except BadRowsError as bad:
        name, detail = str(table.column("track")[bad.row]), bad.detail
        raise SubmissionError(f"{where}: not written: line {bad.row} (track {name!r}): {detail}") from None
    except SubmissionError as fault:
        said = str(fault).removeprefix(f"{where}: ")
        raise SubmissionError(f"{where}: not written: {said}") from None


class Issues:
    """The forecasts of all pieces that were written: there is at least one, and none twice."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._number: dict[str, int] = {}
        self._tracks: list[Integers] = []
        self._issues: list[Floats] = []
        self._step_s = np.nan

    def add(self, rows: ForecastRows) -> None:
        """Look at a piece."""
        names, code = np.unique(rows.track, return_inverse=True)
        ids = np.array([self._number.setdefault(name, len(self._number)) for name in names.tolist()], dtype=np.int64)
        self._tracks.append(ids[code.reshape(-1)])
        self._issues.append(rows.issue_time_s)
        self._step_s = lead_step_s(rows) if len(rows.lead_s) else np.nan

    def check(self) -> None:
        """Refuse what the reader of the whole file would.

        Raises:
            SubmissionError: no forecasts, one twice, or clocks of two units.
        """
        track = np.concatenate([np.zeros(0, dtype=np.int64), *self._tracks])
        issue_s = np.concatenate([np.zeros(0), *self._issues])
        if not len(track):
            raise SubmissionError(f"{self._where}: nothing to write; expected at least one forecast")
        first = numbered(track, issue_s)[1]
        if len(first) < len(track):
            again = np.ones(len(track), dtype=bool)
            again[first] = False
            at = int(again.argmax())
            name = list(self._number)[track[at]]
            raise SubmissionError(
                f"{self._where}: not written: two forecasts of track {name!r} at {issue_s[at]:.15g} s; expected one"
            )
        if complaint := ratio_complaint(typical_gap_s(track, issue_s), self._step_s):
            raise SubmissionError(f"{self._where}: not written: {complaint}")
