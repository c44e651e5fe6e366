"""A file of rows as tables, piece by piece, each row beside its number in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from forecast.core.errors import SubmissionError
from forecast.eval.formats.given_table import GivenTable
from forecast.eval.formats.table_columns import ROW

Columns = Sequence[str] | None


@dataclass(frozen=True)
class Source:
    """A file of rows, as tables.

    Attributes:
        where: the file.
        columns: their names; those of CSV are known once it is read.
        single: whether it is read in one piece.
        rows: how many rows there are, about.
        pieces: gives the tables one after the other, of some columns or of all, with the number of each row.
    """

    where: str
    columns: list[str]
    single: bool
    rows: int
    pieces: Callable[[Columns], Iterator[pa.Table]]


def suffix(path: Path | GivenTable) -> str:
    """``.parquet`` or ``.csv``.

    Raises:
        SubmissionError: another one.
    """
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise SubmissionError(f"{path}: a file of rows ends in .parquet or .csv; found {path.suffix or 'no suffix'!r}")
    return path.suffix.lower()


def with_row_numbers(table: pa.Table, start: int) -> pa.Table:
    """A table with the number of each row in its file, the first of which is ``start``."""
    if ROW in table.column_names:
        table = table.drop_columns([ROW])
    return table.append_column(ROW, pa.array(np.arange(start, start + table.num_rows)))


def kept(source: Source) -> Source:
    """The same rows, read once and held in memory."""
    tables = list(source.pieces(None))
    return replace(source, pieces=lambda _: iter(tables))
