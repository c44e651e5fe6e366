"""Opens files of rows: Parquet or CSV, by the ending of the name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from forecast.core.files import for_arrow
from forecast.eval.formats.csv_source import csv_source
from forecast.eval.formats.given_table import GivenTable
from forecast.eval.formats.row_source import Columns, Source, suffix, with_row_numbers

#: Rows that Parquet is read by at most, whatever the size of a piece.
_MAX_BATCH = 1 << 20


def open_source(
    path: Path | GivenTable,
    *,
    piece_rows: Callable[[Sequence[str]], int],
    numeric: Sequence[str],
    by_cell: bool = False,
    bad: Counter[str] | None = None,
) -> Source:
    """Open a file of rows.

    Args:
        path: ``.parquet`` or ``.csv``, or a table in the place of a file.
        piece_rows: rows of a piece, given the columns.
        numeric: columns of a CSV that hold numbers.
        by_cell: cells of a CSV that are no numbers become infinite, and what is no UTF-8 a replacement character, so
            that they can be told by the row; otherwise they are errors.
        bad: leave out lines that have another number of cells than the header, and count them here; None: an error.

    Raises:
        SubmissionError: another suffix, or no file of that kind.
    """
    if isinstance(path, GivenTable):
        return _of_table(path, piece_rows)
    if suffix(path) == ".csv":
        return csv_source(path, piece_rows, numeric, by_cell, bad)
    with for_arrow(path) as whole, pq.ParquetFile(whole) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    size = piece_rows(schema.names)
    # Text that repeats itself is read as it is stored: numbers, and each name once.
    texts = ["track"] if "track" in schema.names and _is_text(schema.field("track").type) else []

    def pieces(columns: Columns) -> Iterator[pa.Table]:
        with for_arrow(path) as whole, pq.ParquetFile(whole, pre_buffer=False, read_dictionary=texts) as opened:
            start = 0
            for batch in opened.iter_batches(min(size, _MAX_BATCH), columns=None if columns is None else list(columns)):
                table = pa.Table.from_batches([batch]).replace_schema_metadata(schema.metadata)
                yield with_row_numbers(table, start)
                start += batch.num_rows

    return Source(str(path), list(schema.names), rows <= size, rows, pieces)


def _of_table(given: GivenTable, piece_rows: Callable[[Sequence[str]], int]) -> Source:
    table, names = given.table, given.table.column_names
    size = piece_rows(names)

    def pieces(columns: Columns) -> Iterator[pa.Table]:
        chosen = table if columns is None else table.select([name for name in columns if name in names])
        for start in range(0, max(table.num_rows, 1), size):
            yield with_row_numbers(chosen.slice(start, size), start)

    return Source(str(given), list(names), table.num_rows <= size, table.num_rows, pieces)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
