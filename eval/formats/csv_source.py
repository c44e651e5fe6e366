"""Reads CSV as tables of given types; errors name the row of a cell that is not a number."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from forecast.core.errors import SubmissionError
from forecast.core.files import for_arrow
from forecast.eval.formats.row_source import Columns, Source, with_row_numbers
from forecast.eval.formats.table_columns import BadRowsError

MAX_CSV_LINE_BYTES = 1 << 20
_BLOCK_BYTES = 16 * MAX_CSV_LINE_BYTES
_NUMBER = (
    r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$|^\s*[+-]?([nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)\s*$"
)

#: How files that are no CSV begin, and what they are.
_NO_CSV = {
    b"\x1f\x8b": "compressed (gzip)",
    b"PK\x03\x04": "compressed (zip, or a spreadsheet)",
    b"\x28\xb5\x2f\xfd": "compressed (zstd)",
    b"PAR1": "Parquet: call it .parquet",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def csv_source(
    path: Path,
    piece_rows: Callable[[Sequence[str]], int],
    numeric: Sequence[str],
    by_cell: bool,
    bad: Counter[str] | None,
) -> Source:
    """Name a CSV file; it is read as its pieces are asked for.

    Args:
        path, piece_rows, numeric, by_cell, bad: see :func:`forecast.eval.formats.row_files.open_source`.

    Raises:
        SubmissionError: it is no CSV.
    """
    _refuse_no_csv(path)
    size = path.stat().st_size
    limit = piece_rows(())

    def pieces(columns: Columns) -> Iterator[pa.Table]:
        start = 0
        # Only the read of all columns counts what is bad, so that nothing counts twice.
        counted = bad if bad is None or columns is None else Counter()
        with for_arrow(path) as file:
            for batch in _csv_reader(file, columns, numeric, by_cell, counted):
                table = with_row_numbers(pa.Table.from_batches([batch]), start)
                if by_cell:
                    if bad is None:
                        _refuse_texts(table, numeric, str(path))
                    table = _as_numbers(table, numeric)
                start += table.num_rows
                for first in range(0, max(table.num_rows, 1), limit):
                    yield table.slice(first, limit)

    # A line holds two bytes at least.
    return Source(str(path), [], size <= min(_BLOCK_BYTES, 12 * limit) or limit >= size, size // 64, pieces)


def _csv_reader(
    file: Path | IO[bytes], columns: Columns, numeric: Sequence[str], by_cell: bool, bad: Counter[str] | None
) -> Any:
    # Types are stated: inferred ones would be those of the first block alone, and whole numbers may come first.
    kind = pa.string() if by_cell else pa.float64()
    convert = pyarrow.csv.ConvertOptions(
        column_types={"track": pa.string(), **dict.fromkeys(numeric, kind)},
        include_columns=list(columns or ()),
        include_missing_columns=True,
    )

    def left_out(row: Any) -> str:
        assert bad is not None
        bad["another number of cells than the header"] += 1
        return "skip"

    parse = pyarrow.csv.ParseOptions(invalid_row_handler=None if bad is None else left_out)
    # A line longer than a block ends the read with an error instead of filling the memory.
    read = pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES)
    whole = _utf8(file) if by_cell else file
    return pyarrow.csv.open_csv(whole, read_options=read, parse_options=parse, convert_options=convert)


def _utf8(file: Path | IO[bytes]) -> Any:
    """The file's bytes, with a replacement character for what is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    raw = pa.OSFile(str(file)) if isinstance(file, Path) else pa.PythonFile(file)
    return pa.TransformInputStream(raw, lambda part: decoder.decode(bytes(part), not part).encode())


def _refuse_no_csv(path: Path) -> None:
    """Refuse by its beginning what only its name says is CSV.

    Raises:
        SubmissionError: which kind of file it looks like.
    """
    with path.open("rb") as file:
        line = file.readline(MAX_CSV_LINE_BYTES)
    for start, what in _NO_CSV.items():
        if line.startswith(start):
            raise SubmissionError(f"{path}: ends in .csv but is {what}; expected text in UTF-8, separated by commas")
    for mark, what in ((b";", "semicolons"), (b"\t", "tabs")):
        if mark in line and b"," not in line:
            raise SubmissionError(f"{path}: separated by {what}; expected commas between cells, and a point in numbers")


def _refuse_texts(table: pa.Table, numeric: Sequence[str], where: str) -> None:
    """Refuse cells of text among numbers.

    Raises:
        BadRowsError: in one line, the first of them.
    """
    for name in table.column_names:
        if name not in numeric or not pa.types.is_string(table.column(name).type):
            continue
        cells = pc.utf8_trim_whitespace(table.column(name))
        sound = pc.or_(pc.match_substring_regex(cells, _NUMBER), pc.equal(cells, ""))
        wrong = ~np.asarray(sound.fill_null(True).to_numpy(), dtype=bool)
        if wrong.any():
            text = str(cells[int(wrong.argmax())].as_py())[:40]
            reason = f"{name} is not a finite number"
            raise BadRowsError(where, wrong, reason, f"{reason}: {text!r} in column {name}").in_file(table)


def _as_numbers(table: pa.Table, numeric: Sequence[str]) -> pa.Table:
    """Text as numbers, infinite where it is none; an empty cell is null."""
    for place, name in enumerate(table.column_names):
        if name not in numeric or not pa.types.is_string(table.column(name).type):
            continue
        cells = pc.utf8_trim_whitespace(table.column(name))
        empty = pc.equal(cells, "")
        sound = pc.if_else(pc.match_substring_regex(cells, _NUMBER), cells, "inf")  # null stays null
        table = table.set_column(place, name, pc.if_else(empty, pa.scalar(None, pa.string()), sound).cast(pa.float64()))
    return table
