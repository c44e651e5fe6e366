"""What all files of rows share: tables written piece by piece, and errors of readers in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from forecast.core.errors import SubmissionError
from forecast.core.files import for_arrow, written_whole
from forecast.eval.formats.csv_source import MAX_CSV_LINE_BYTES
from forecast.eval.formats.flat_rows import REQUIRED, SAMPLE
from forecast.eval.formats.given_table import GivenTable
from forecast.eval.formats.read_notes import COVARIANCE, Notes
from forecast.eval.formats.row_source import suffix

CHUNK_ROWS = 1 << 20
#: Columns of a CSV that hold numbers.
NUMERIC = (*REQUIRED[1:], *COVARIANCE, SAMPLE, "time_s")


def nothing_left(notes: Notes, otherwise: str) -> str:
    """Why nothing is left."""
    return f"all rows are bad: {notes.reasons}" if notes.left_out else otherwise


def write_tables(path: Path | str, tables: Iterable[pa.Table]) -> None:
    """Write tables of one schema as a Parquet or CSV file, by the suffix; it is whole or not there.

    Raises:
        SubmissionError: another suffix, tables that differ, or none.
    """
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
def clear_errors(path: Path | GivenTable) -> Iterator[None]:
    """Turn what a damaged file makes libraries raise into one line.

    Raises:
        SubmissionError: what they said, and what was expected.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, json.JSONDecodeError, OverflowError, MemoryError) as error:
        detail = _with_column_name(" ".join(str(error).split())[:200] or type(error).__name__, path)
        raise SubmissionError(f"{path}: cannot be read: {detail}; expected Parquet or CSV as documented") from error


def _with_column_name(detail: str, path: Path | GivenTable) -> str:
    """The reader of CSV counts columns from 0; people know them by name."""
    found = re.search(r"CSV column #(\d+)", detail)
    if not found or not isinstance(path, Path):
        return detail
    with path.open("rb") as file:
        names_found = file.readline(MAX_CSV_LINE_BYTES).decode(errors="replace").strip().split(",")
    name = dict(enumerate(names_found)).get(int(found[1]), found[1]).strip('"')
    return detail.replace(found[0], f"column {name}")
