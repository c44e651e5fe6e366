"""Files of forecasts and of truth: Parquet or CSV, read whole or streamed track by track.

Two forms (docs/forecasts-format.md): *flat*, one line per forecast point, which any tool can write; and *nested*
Parquet, one row a forecast with its modes as a list, which is faster to read.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from forecast.core.errors import SubmissionError
from forecast.core.files import for_arrow, written_whole
from forecast.core.rows import ForecastRows, TruthRows
from forecast.core.units import ratio_complaint
from forecast.eval.columns import (
    BadRowsError,
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
from forecast.eval.flat_rows import MAX_COORDINATE_M, REQUIRED, SAMPLE, rows_of, table_of
from forecast.eval.matching import issue_step_s, lead_step_s
from forecast.eval.nested_rows import is_nested, nested_rows_of, nested_table_of
from forecast.eval.notes import COVARIANCE, Notes
from forecast.eval.row_files import (
    MAX_CSV_LINE_BYTES,
    Source,
    concatenated,
    kept,
    open_source,
    sorted_on_disk,
    suffix,
    whole_tracks,
)
from forecast.eval.submission import MAX_MODES, Submission
from forecast.eval.survey import Survey, survey
from forecast.eval.written import Issues, checked, refuse_unreadable

CHUNK_ROWS = 1 << 20
NESTED_CHUNK_ROWS = 1 << 14
_ALL = 1 << 40
#: Points of a submission may be so many steps from even leads.
_STRAY_STEPS = 0.1
#: Text is parsed once and kept up to this size; larger files are parsed once more.
_KEPT_CSV_BYTES = 1 << 28
#: Columns of a CSV that hold numbers.
_NUMERIC = (*REQUIRED[1:], *COVARIANCE, SAMPLE, "time_s")
_TRUTH = ("track", "time_s", "x_m", "y_m")
_NO_FORECASTS = "no rows; expected at least one forecast"


class ForecastFile:
    """A file of forecasts, read in pieces of whole tracks, so that each piece can be scored by itself.

    Memory is that of a piece, whatever the file's size and the order of its rows: where the rows of a track do not
    follow each other, the file is sorted on disk first. All pieces have the same leads.

    Attributes:
        path: Parquet or CSV.
        notes: what was noticed, complete once all pieces are read.
        interval_s: median seconds between successive issues of a track over the whole file, known with the first piece;
            inf where each is forecast once.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        chunk_rows: int | None = None,
        max_modes: int = MAX_MODES,
        skip_bad_rows: bool = False,
    ) -> None:
        """Name a file; it is opened as the pieces are asked for.

        Args:
            path: Parquet or CSV.
            chunk_rows: lines of the file read at a time.
            max_modes: most modes a forecast may have.
            skip_bad_rows: leave out rows that are wrong by themselves, and count them in the notes.
        """
        self.path = Path(path)
        self.notes = Notes()
        self.interval_s = float("nan")
        self._chunk_rows, self._max_modes, self._skip = chunk_rows, max_modes, skip_bad_rows

    def __iter__(self) -> Iterator[ForecastRows]:
        """Give the pieces.

        Raises:
            SubmissionError: in one line, which row of the file, what was found and what was expected.
        """
        with _clear_errors(self.path):
            try:
                yield from self._pieces(self.notes.left_out if self._skip else None, by_cell=self._skip)
            except pa.ArrowInvalid:
                if suffix(self.path) == ".csv":
                    self._name_the_cell()
                raise

    def _pieces(self, bad: Counter[str] | None, *, by_cell: bool) -> Iterator[ForecastRows]:
        where, surveyed, found = str(self.path), None, False
        with ExitStack() as stack:
            source = open_source(self.path, piece_rows=self._piece_rows, numeric=_NUMERIC, by_cell=by_cell, bad=bad)
            tables = iter([concatenated(list(source.pieces(None)))] if source.single else ())
            if not source.single:
                source, surveyed = self._surveyed(source, stack)
                tables = whole_tracks(source.pieces(None), where)
            for table in tables:
                self.notes.see_columns(table.column_names)
                rows = self._read(table, tables, surveyed)
                if rows is None:
                    continue
                if source.single:
                    self.interval_s = issue_step_s(rows)
                if not found and (complaint := ratio_complaint(self.interval_s, lead_step_s(rows))):
                    raise SubmissionError(f"{where}: {complaint}")
                self.notes.see_leads(rows)
                found = True
                yield rows
        if not found:
            raise SubmissionError(f"{where}: {_nothing(self.notes, _NO_FORECASTS)}")

    def _piece_rows(self, columns: Any) -> int:
        return self._chunk_rows or (NESTED_CHUNK_ROWS if is_nested(columns) else CHUNK_ROWS)

    def _surveyed(self, source: Source, stack: ExitStack) -> tuple[Source, Survey]:
        """Look through the file, and sort it first where need be."""
        flat = not is_nested(source.columns)
        if source.columns:
            require(source.where, source.columns, REQUIRED if flat else ("track", "issue_time_s"))
        elif self.path.stat().st_size <= _KEPT_CSV_BYTES:
            source = kept(source)
        found = survey(source, flat=flat)
        if found is None:
            source = sorted_on_disk(source, stack, self._piece_rows(source.columns))
            found = survey(source, flat=flat)
        assert found is not None
        self.interval_s = found.interval_s
        return source, found

    def _read(self, table: pa.Table, rest: Iterator[pa.Table], surveyed: Survey | None) -> ForecastRows | None:
        try:
            return sifted(table, lambda part: self._rows(part, surveyed, self.notes), skip=self._skip, notes=self.notes)
        except BadRowsError as bad:
            raise bad.counted(self._more(bad.reason, rest, surveyed)) from None

    def _rows(self, table: pa.Table, surveyed: Survey | None, notes: Notes | None) -> ForecastRows:
        where = str(self.path)
        if is_nested(table.column_names):
            return nested_rows_of(table, where, max_modes=self._max_modes, notes=notes)
        grid, sampled = (None, False) if surveyed is None else (surveyed.grid, surveyed.sampled)
        return rows_of(table, where, max_modes=self._max_modes, grid=grid, sampled=sampled, notes=notes)

    def _more(self, reason: str, rest: Iterator[pa.Table], surveyed: Survey | None) -> int:
        """How many rows of the remaining pieces are bad for the same reason, as far as they can be read."""
        notes = Notes()
        try:
            for table in rest:
                sifted(table, lambda part: self._rows(part, surveyed, None), skip=True, notes=notes)
        except (SubmissionError, pa.ArrowException, OSError):
            pass
        return notes.left_out[reason]

    def _name_the_cell(self) -> None:
        """Read a CSV once more, by the cell, to say which row is bad."""
        for _ in self._pieces(None, by_cell=True):
            pass


def read_forecasts(
    path: Path | str, *, max_modes: int = MAX_MODES, skip_bad_rows: bool = False, notes: Notes | None = None
) -> ForecastRows:
    """Read a whole file of forecasts, its rows in any order.

    Args:
        path: Parquet or CSV.
        max_modes: most modes a forecast may have.
        skip_bad_rows: leave out rows that are wrong by themselves, and count them in the notes.
        notes: what is noticed.

    Raises:
        SubmissionError: in one line, which row, what was found and what was expected.
    """
    file = ForecastFile(path, chunk_rows=_ALL, max_modes=max_modes, skip_bad_rows=skip_bad_rows)
    file.notes = file.notes if notes is None else notes
    (rows,) = file
    return rows


def iter_forecasts(
    path: Path | str, *, chunk_rows: int | None = None, max_modes: int = MAX_MODES, skip_bad_rows: bool = False
) -> Iterator[ForecastRows]:
    """Stream a file of forecasts in pieces of whole tracks: see :class:`ForecastFile`.

    Args:
        path: Parquet or CSV.
        chunk_rows: lines of the file read at a time.
        max_modes: most modes a forecast may have.
        skip_bad_rows: leave out rows that are wrong by themselves.

    Raises:
        SubmissionError: all that :func:`read_forecasts` refuses.
    """
    yield from ForecastFile(path, chunk_rows=chunk_rows, max_modes=max_modes, skip_bad_rows=skip_bad_rows)


def write_forecasts(path: Path | str, rows: ForecastRows | Iterable[ForecastRows], *, flat: bool = False) -> None:
    """Write forecasts: ``.parquet`` nested (or flat), ``.csv`` flat; an iterable of pieces is written as it comes.

    All points, modes and samples come back as they were: what the file could not hold, or its reader would refuse, is
    refused, and there is no file then.

    Raises:
        SubmissionError: another suffix, nothing to write, or rows that could not be read again.
    """
    pieces = [rows] if isinstance(rows, ForecastRows) else rows
    csv, where = suffix(Path(path)) == ".csv", str(path)

    make, read = (table_of, rows_of) if flat or csv else (nested_table_of, nested_rows_of)

    def tables() -> Iterator[pa.Table]:
        issues = Issues(where)
        for piece in pieces:
            table, most = make(checked(piece, where)), piece.probabilities.shape[1]
            refuse_unreadable(table, partial(read, where=where, max_modes=most), where, csv=csv)
            issues.add(piece)
            yield table
        issues.check()

    _write(path, tables())


def read_truth(path: Path | str, *, skip_bad_rows: bool = False, notes: Notes | None = None) -> TruthRows:
    """Read observations of tracks: columns track, time_s, x_m, y_m, in any order.

    Args:
        path: Parquet or CSV.
        skip_bad_rows: leave out rows that are wrong by themselves, and count them in the notes.
        notes: what is noticed.

    Raises:
        SubmissionError: in one line, which row, what was found and what was expected.
    """
    path, notes = Path(path), Notes() if notes is None else notes
    with _clear_errors(path):
        try:
            return _truth(path, skip_bad_rows, notes, by_cell=skip_bad_rows)
        except pa.ArrowInvalid:
            if suffix(path) == ".csv":
                _truth(path, False, Notes(), by_cell=True)
            raise


def _truth(path: Path, skip: bool, notes: Notes, *, by_cell: bool) -> TruthRows:
    bad = notes.left_out if skip else None
    source = open_source(path, piece_rows=lambda _: CHUNK_ROWS, numeric=_NUMERIC, by_cell=by_cell, bad=bad)
    if source.columns:
        require(str(path), source.columns, _TRUTH)
    table = concatenated(list(source.pieces(_TRUTH if source.columns else None)))
    found = sifted(table, lambda part: _truth_of(part, str(path), notes), skip=skip, notes=notes)
    if found is None:
        raise SubmissionError(f"{path}: {_nothing(notes, 'no rows; expected at least one observation')}")
    return found


def _truth_of(table: pa.Table, where: str, notes: Notes) -> TruthRows:
    require(where, table.column_names, _TRUTH)
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


def _nothing(notes: Notes, otherwise: str) -> str:
    """Why nothing is left."""
    return f"all rows are bad: {notes.reasons}" if notes.left_out else otherwise


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
    _write(path, [table])


def rows_from_submission(submission: Submission, issue_time_s: Any, *, step_s: float = 0.5) -> ForecastRows:
    """A nuScenes submission as rows, covariances and samples included; the tracks are its instances.

    Args:
        submission: world frame.
        issue_time_s: (entries,) time of each entry's key frame, on the truth's clock.
        step_s: seconds between forecast points.
    """
    lead_s = step_s * np.arange(1, submission.positions_m.shape[2] + 1)
    times = np.asarray(issue_time_s, dtype=np.float64)
    kept = submission.positions_m, submission.probabilities, submission.covariances_m2, submission.samples_m
    return ForecastRows(submission.instance_tokens, times, lead_s, *kept)


def submission_from_rows(rows: ForecastRows, sample_tokens: Any) -> Submission:
    """Rows as a nuScenes submission, given each row's key frame token; the tracks must be instance tokens.

    Raises:
        SubmissionError: leads of single rows that stray from the steps, or steps that are not even: a submission has
            no place for either.
    """
    step_s = float(rows.lead_s[0]) if len(rows.lead_s) else 0.0
    off_s = np.abs(rows.own_lead_s - step_s * np.arange(1, len(rows.lead_s) + 1))
    if off_s.max(initial=0.0) > _STRAY_STEPS * step_s:
        row, step = np.unravel_index(int(off_s.argmax()), off_s.shape)
        raise SubmissionError(
            f"row {row} ({rows.track[row]}): point {step} is {rows.own_lead_s[row, step]:.6g} s ahead; a submission "
            f"has its points at multiples of {step_s:g} s: interpolate them to these leads"
        )
    samples = np.asarray(sample_tokens, dtype=np.str_)
    return Submission(rows.track, samples, rows.positions_m, rows.probabilities, rows.covariances_m2, rows.samples_m)


def _write(path: Path | str, tables: Iterable[pa.Table]) -> None:
    csv = suffix(Path(path)) == ".csv"
    with written_whole(path) as temporary, for_arrow(temporary, "wb") as file:
        writer: Any = None
        try:
            for table in tables:
                if writer is None:
                    make, schema = pyarrow.csv.CSVWriter if csv else pq.ParquetWriter, table.schema
                    writer = make(file, schema)
                if not table.schema.equals(schema, check_metadata=True):
                    raise SubmissionError(f"{path}: pieces with different columns or leads; expected the same in all")
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise SubmissionError(f"{path}: nothing to write; expected at least one forecast")


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, json.JSONDecodeError, OverflowError, MemoryError) as error:
        detail = _with_column_name(" ".join(str(error).split())[:200] or type(error).__name__, path)
        raise SubmissionError(f"{path}: cannot be read: {detail}; expected Parquet or CSV as documented") from error


def _with_column_name(detail: str, path: Path) -> str:
    """The reader of CSV counts columns from 0; people know them by name."""
    found = re.search(r"CSV column #(\d+)", detail)
    if not found:
        return detail
    with path.open("rb") as file:
        names_found = file.readline(MAX_CSV_LINE_BYTES).decode(errors="replace").strip().split(",")
    name = dict(enumerate(names_found)).get(int(found[1]), found[1]).strip('"')
    return detail.replace(found[0], f"column {name}")
