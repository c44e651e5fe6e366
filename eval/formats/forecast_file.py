"""A file of rows of forecasts, flat or nested, read in pieces of whole tracks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows
from forecast.core.units import ratio_complaint
from forecast.eval.formats.file_survey import Survey, survey
from forecast.eval.formats.flat_rows import REQUIRED, rows_of
from forecast.eval.formats.given_table import RowsGiven, as_given
from forecast.eval.formats.nested_rows import is_nested, nested_rows_of
from forecast.eval.formats.read_notes import Notes
from forecast.eval.formats.row_files import open_source
from forecast.eval.formats.row_source import Source, kept, suffix
from forecast.eval.formats.submission_json import MAX_MODES
from forecast.eval.formats.table_columns import BadRowsError, require, sifted
from forecast.eval.formats.table_files import CHUNK_ROWS, NUMERIC, clear_errors, nothing_left
from forecast.eval.formats.track_order import concatenated, sorted_on_disk, whole_tracks
from forecast.eval.matching import issue_step_s, lead_step_s

NESTED_CHUNK_ROWS = 1 << 14
#: Text is parsed once and kept up to this size; larger files are parsed once more.
_KEPT_CSV_BYTES = 1 << 28
_NO_FORECASTS = "no rows; expected at least one forecast"


class ForecastFile:
    """A file of forecasts, read in pieces of whole tracks, so that each piece can be scored by itself.

    Memory is that of a piece, whatever the file's size and the order of its rows: where the rows of a track do not
    follow each other, the file is sorted on disk first. All pieces have the same leads.

    Attributes:
        path: Parquet or CSV; or the table in its place.
        notes: what was noticed, complete once all pieces are read.
        interval_s: median seconds between successive issues of a track over the whole file, known with the first piece;
            inf where each is forecast once.
    """

    def __init__(
        self,
        path: RowsGiven,
        *,
        chunk_rows: int | None = None,
        max_modes: int = MAX_MODES,
        skip_bad_rows: bool = False,
    ) -> None:
        """Name a file; it is opened as the pieces are asked for.

        Args:
            path: Parquet or CSV, or a table in the place of a file.
            chunk_rows: lines of the file read at a time.
            max_modes: most modes a forecast may have.
            skip_bad_rows: leave out rows that are wrong by themselves, and count them in the notes.
        """
        self.path = as_given(path, "forecasts")
        self.notes = Notes()
        self.interval_s = float("nan")
        self._chunk_rows, self._max_modes, self._skip = chunk_rows, max_modes, skip_bad_rows

    def __iter__(self) -> Iterator[ForecastRows]:
        """Give the pieces.

        Raises:
            SubmissionError: in one line, which row of the file, what was found and what was expected.
        """
        with clear_errors(self.path):
            try:
                yield from self._pieces(self.notes.left_out if self._skip else None, by_cell=self._skip)
            except pa.ArrowInvalid:
                if suffix(self.path) == ".csv":
                    self._name_the_cell()
                raise

    def _pieces(self, bad: Counter[str] | None, *, by_cell: bool) -> Iterator[ForecastRows]:
        where, surveyed, found = str(self.path), None, False
        with ExitStack() as stack:
            source = open_source(self.path, piece_rows=self._piece_rows, numeric=NUMERIC, by_cell=by_cell, bad=bad)
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
            raise SubmissionError(f"{where}: {nothing_left(self.notes, _NO_FORECASTS)}")

    def _piece_rows(self, columns: Any) -> int:
        return self._chunk_rows or (NESTED_CHUNK_ROWS if is_nested(columns) else CHUNK_ROWS)

    def _surveyed(self, source: Source, stack: ExitStack) -> tuple[Source, Survey]:
        """Look through the file, and sort it first where need be."""
        flat = not is_nested(source.columns)
        if source.columns:
            require(source.where, source.columns, REQUIRED if flat else ("track", "issue_time_s"))
        elif isinstance(self.path, Path) and self.path.stat().st_size <= _KEPT_CSV_BYTES:
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
