"""Files of forecasts and of truth: the ending of a name says which form it has (docs/forecasts-format.md).

``.json`` is a nuScenes submission. ``.parquet`` and ``.csv`` are rows: *flat*, one line per forecast point, which any
tool can write; or *nested* Parquet, one row a forecast with its modes as a list, which is faster to read. All are read
into :class:`~forecast.core.rows.ForecastRows`; rows are also streamed track by track.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from forecast.core.errors import ConfigError
from forecast.core.rows import ForecastRows
from forecast.eval.formats.flat_rows import rows_of, table_of
from forecast.eval.formats.forecast_file import ForecastFile
from forecast.eval.formats.given_table import RowsGiven, as_given
from forecast.eval.formats.nested_rows import nested_rows_of, nested_table_of
from forecast.eval.formats.read_notes import Notes
from forecast.eval.formats.row_source import suffix
from forecast.eval.formats.submission_json import MAX_MODES, read_submission, write_submission
from forecast.eval.formats.table_files import write_tables
from forecast.eval.formats.truth_file import read_truth, write_truth
from forecast.eval.formats.write_checks import Issues, checked, refuse_remark, refuse_unreadable

__all__ = [
    "ForecastFile",
    "check_forecast_name",
    "iter_forecasts",
    "read_forecasts",
    "read_truth",
    "write_forecasts",
    "write_truth",
]

#: Endings of submissions, and of files of rows.
_SUBMISSION, _ROWS = ".json", (".parquet", ".csv")
_ALL = 1 << 40


def check_forecast_name(path: Path | str, option: str = "--out") -> None:
    """Refuse, before any work, a file of forecasts with an unknown suffix.

    Raises:
        ConfigError: it ends in neither .json, .parquet nor .csv.
    """
    if Path(path).suffix.lower() not in (_SUBMISSION, *_ROWS):
        raise ConfigError(
            f"{option} {path}: expected a name that ends in .json (a nuScenes submission), or in .parquet or .csv "
            "(rows, which hold covariances too)"
        )


def read_forecasts(
    path: RowsGiven, *, max_modes: int = MAX_MODES, skip_bad_rows: bool = False, notes: Notes | None = None
) -> ForecastRows:
    """Read a whole file of forecasts in the form that the name's ending says, its rows in any order.

    Args:
        path: ``.parquet``, ``.csv``, or ``.json``, a nuScenes submission; or a data frame or Arrow table with the
            columns of a file of rows.
        max_modes: most modes a forecast may have.
        skip_bad_rows: leave out rows that are wrong by themselves, and count them in the notes; not of a submission.
        notes: what is noticed.

    Raises:
        SubmissionError: in one line, which row, what was found and what was expected.
    """
    given = as_given(path, "forecasts")
    if isinstance(given, Path) and given.suffix.lower() == _SUBMISSION:
        return read_submission(given, max_modes=max_modes, notes=notes)
    file = ForecastFile(given, chunk_rows=_ALL, max_modes=max_modes, skip_bad_rows=skip_bad_rows)
    file.notes = file.notes if notes is None else notes
    (rows,) = file
    return rows


def iter_forecasts(
    path: RowsGiven, *, chunk_rows: int | None = None, max_modes: int = MAX_MODES, skip_bad_rows: bool = False
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
    """Write forecasts in the form that the name's ending says; an iterable of pieces of rows is written as it comes.

    ``.parquet`` is nested (or flat), ``.csv`` flat; ``.json`` is a nuScenes submission, of rows with ``sample_tokens``,
    without covariances and samples. Files of rows do not hold ``sample_tokens``: the issue time tells the key frame.

    All points, modes and samples come back as they were: what the file could not hold, or its reader would refuse, is
    refused, and there is no file then.

    Raises:
        SubmissionError: another suffix, nothing to write, or rows that could not be read again.
    """
    pieces = [rows] if isinstance(rows, ForecastRows) else rows
    if Path(path).suffix.lower() == _SUBMISSION:
        write_submission(path, pieces)
        return
    csv, where = suffix(Path(path)) == ".csv", str(path)
    make, read = (table_of, rows_of) if flat or csv else (nested_table_of, nested_rows_of)

    def tables() -> Iterator[pa.Table]:
        issues = Issues(where)
        for piece in pieces:
            if make is table_of:
                refuse_remark(piece, where)
            table, most = make(checked(piece, where)), piece.probabilities.shape[1]
            refuse_unreadable(table, partial(read, where=where, max_modes=most), where, csv=csv)
            issues.add(piece)
            yield table
        issues.check()

    write_tables(path, tables())
