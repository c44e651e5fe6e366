"""Tables from memory in the place of files of rows: data frames of any library, Arrow tables, rows as arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pyarrow as pa

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.formats.flat_rows import REQUIRED
from forecast.eval.formats.nested_rows import nested_table_of
from forecast.eval.formats.read_notes import COVARIANCE
from forecast.eval.formats.table_columns import BadRowsError
from forecast.eval.formats.write_checks import checked

_NUMERIC = (*REQUIRED[1:], *COVARIANCE, "time_s")


@runtime_checkable
class ArrowStream(Protocol):
    """What hands its columns over as Arrow does: a data frame of polars, pandas, DuckDB, …, or an Arrow table."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The columns, as Arrow's PyCapsule interface has them."""


#: A file, a table with the columns of one (docs/forecasts-format.md), or rows as arrays.
RowsGiven: TypeAlias = "Path | str | os.PathLike[str] | ArrowStream | ForecastRows | TruthRows | GivenTable"


class GivenTable:
    """A table in the place of a file; it behaves as the path of a Parquet file where one is asked for.

    Attributes:
        table: columns as in a file of rows.
        suffix, stem: what a path would say.
    """

    suffix = ".parquet"

    def __init__(self, table: pa.Table, name: str) -> None:
        self.table, self.stem = table, name

    def __str__(self) -> str:
        return self.stem

    def __fspath__(self) -> str:
        return self.stem


def as_given(source: RowsGiven, name: str) -> Path | GivenTable:
    """A file's path, or the table that stands in its place.

    Args:
        source: what was given.
        name: what messages call a table.

    Raises:
        SubmissionError: a table whose columns cannot be read, or something else.
    """
    if isinstance(source, GivenTable):
        return source
    if isinstance(source, (str, os.PathLike)):
        return Path(source)
    if isinstance(source, ForecastRows):
        return GivenTable(nested_table_of(checked(source, name)), name)
    if isinstance(source, TruthRows):
        x, y = source.positions_m.T
        return GivenTable(pa.table({"track": source.track, "time_s": source.time_s, "x_m": x, "y_m": y}), name)
    if not _is_table(source):
        raise SubmissionError(
            f"{name}: found {type(source).__name__}; expected a path, a data frame or an Arrow table with the columns "
            "of docs/forecasts-format.md, ForecastRows or TruthRows"
        )
    try:
        return GivenTable(pa.table(source), name)
    except (pa.ArrowException, TypeError, ValueError) as error:
        _name_the_cell(source, name)
        raise SubmissionError(f"{name}: cannot be read: {' '.join(str(error).split())[:200]}") from error


def _is_table(source: object) -> bool:
    if isinstance(source, ArrowStream):
        return True
    # Data frames of pandas before 2.2 do not say so; pyarrow reads them all the same.
    return type(source).__module__.partition(".")[0] == "pandas" and hasattr(source, "columns")


def _name_the_cell(source: Any, name: str) -> None:
    """Say which cell of a mixed column is no number.

    Raises:
        BadRowsError: naming row and column.
    """
    for column in _NUMERIC:
        if column not in getattr(source, "columns", ()):
            continue
        cells = list(source[column])
        wrong = np.array([not _is_number(cell) for cell in cells], dtype=bool)
        if wrong.any() and not wrong.all():
            reason, text = f"{column} is not a finite number", str(cells[int(wrong.argmax())])[:40]
            raise BadRowsError(name, wrong, reason, f"{reason}: {text!r} in column {column}")


def _is_number(cell: object) -> bool:
    return cell is None or (isinstance(cell, (int, float, np.number)) and not isinstance(cell, bool))
