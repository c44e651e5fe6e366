"""A file of truth: observations of tracks, Parquet or CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from forecast.core.errors import SubmissionError
from forecast.core.rows import TruthRows
from forecast.eval.formats.flat_rows import MAX_COORDINATE_M
from forecast.eval.formats.given_table import GivenTable, RowsGiven, as_given
from forecast.eval.formats.read_notes import Notes
from forecast.eval.formats.row_files import open_source
from forecast.eval.formats.row_source import suffix
from forecast.eval.formats.table_columns import (
    names,
    numbered,
    numbers,
    refuse,
    refuse_times,
    require,
    sifted,
    times,
    told_twice,
)
from forecast.eval.formats.table_files import CHUNK_ROWS, NUMERIC, clear_errors, nothing_left, write_tables
from forecast.eval.formats.track_order import concatenated
from forecast.eval.formats.write_checks import refuse_unreadable

_COLUMNS = ("track", "time_s", "x_m", "y_m")


def read_truth(path: RowsGiven, *, skip_bad_rows: bool = False, notes: Notes | None = None) -> TruthRows:
    """Read observations of tracks: columns track, time_s, x_m, y_m, in any order.

    Args:
        path: Parquet or CSV, or a table in the place of a file.
        skip_bad_rows: leave out rows that are wrong by themselves, and count them in the notes.
        notes: what is noticed.

    Raises:
        SubmissionError: in one line, which row, what was found and what was expected.
    """
    file, notes = as_given(path, "truth"), Notes() if notes is None else notes
    with clear_errors(file):
        try:
            return _truth(file, skip_bad_rows, notes, by_cell=skip_bad_rows)
        except pa.ArrowInvalid:
            if suffix(file) == ".csv":
                _truth(file, False, Notes(), by_cell=True)
            raise


def _truth(path: Path | GivenTable, skip: bool, notes: Notes, *, by_cell: bool) -> TruthRows:
    bad = notes.left_out if skip else None
    source = open_source(path, piece_rows=lambda _: CHUNK_ROWS, numeric=NUMERIC, by_cell=by_cell, bad=bad)
    if source.columns:
        require(str(path), source.columns, _COLUMNS)
    table = concatenated(list(source.pieces(_COLUMNS if source.columns else None)))
    found = sifted(table, lambda part: _truth_of(part, str(path), notes), skip=skip, notes=notes)
    if found is None:
        raise SubmissionError(f"{path}: {nothing_left(notes, 'no rows; expected at least one observation')}")
    return found


def _truth_of(table: pa.Table, where: str, notes: Notes) -> TruthRows:
    require(where, table.column_names, _COLUMNS)
    code, track_names = names(table, where)
    time_s, x, y = times(table, "time_s", where), numbers(table, "x_m", where), numbers(table, "y_m", where)
    refuse_times(where, "time_s", time_s)
    for name, values in {"x_m": x, "y_m": y}.items():
        refuse(where, ~np.isfinite(values), f"{name} is not a finite number")
    refuse(where, np.maximum(np.abs(x), np.abs(y)) > MAX_COORDINATE_M, "a position over 10,000 km out; expected metres")
    place = np.stack([x, y], -1)
    slot, first = numbered(code, time_s)
    if len(first) < len(slot):
        wrong = told_twice(slot, place)
        again = int(wrong.argmax())
        detail = f"track {track_names[code[again]]} at {time_s[again]:.15g} s twice; expected one observation"
        refuse(where, wrong, "a track twice at the same time", detail)
    order = np.lexsort((time_s, code))
    positions = place[order]
    notes.digits.see(positions, [str(table.column(name).type) for name in ("x_m", "y_m")])
    return TruthRows(track_names[code[order]], time_s[order], positions)


def write_truth(path: Path | str, truth: TruthRows) -> None:
    """Write observations as Parquet or CSV, by the suffix.

    Raises:
        SubmissionError: another suffix, nothing to write, or observations that could not be read again.
    """
    x, y = truth.positions_m.T
    where, csv = str(path), suffix(Path(path)) == ".csv"
    if not len(truth):
        raise SubmissionError(f"{where}: nothing to write; expected at least one observation")
    table = pa.table({"track": truth.track, "time_s": truth.time_s, "x_m": x, "y_m": y})
    refuse_unreadable(table, lambda part: _truth_of(part, where, Notes()), where, csv=csv)
    write_tables(path, [table])
