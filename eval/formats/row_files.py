"""Parquet and CSV as tables, piece by piece, each row beside its number in the file; sorted by track where need be."""

from __future__ import annotations

import codecs
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq

from forecast.core.errors import SubmissionError
from forecast.core.files import for_arrow
from forecast.core.progress import progress
from forecast.eval.formats.table_columns import ROW, BadRowsError, names, require
from forecast.eval.results import Integers

MAX_CSV_LINE_BYTES = 1 << 20
_BLOCK_BYTES = 16 * MAX_CSV_LINE_BYTES
#: Rows that Parquet is read by at most, whatever the size of a piece.
_MAX_BATCH = 1 << 20
#: Nameless files that a sort may hold open at a time.
_MAX_BUCKETS = 200
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


def open_source(
    path: Path,
    *,
    piece_rows: Callable[[Sequence[str]], int],
    numeric: Sequence[str],
    by_cell: bool = False,
    bad: Counter[str] | None = None,
) -> Source:
    """Open a file of rows.

    Args:
        path: ``.parquet`` or ``.csv``.
        piece_rows: rows of a piece, given the columns.
        numeric: columns of a CSV that hold numbers.
        by_cell: cells of a CSV that are no numbers become infinite, and what is no UTF-8 a replacement character, so
            that they can be told by the row; otherwise they are errors.
        bad: leave out lines that have another number of cells than the header, and count them here; None: an error.

    Raises:
        SubmissionError: another suffix, or no file of that kind.
    """
    if suffix(path) == ".csv":
        return _csv_source(path, piece_rows, numeric, by_cell, bad)
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
                yield _numbered(table, start)
                start += batch.num_rows

    return Source(str(path), list(schema.names), rows <= size, rows, pieces)


def suffix(path: Path) -> str:
    """``.parquet`` or ``.csv``.

    Raises:
        SubmissionError: another one.
    """
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise SubmissionError(f"{path}: a file of rows ends in .parquet or .csv; found {path.suffix or 'no suffix'!r}")
    return path.suffix.lower()


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _numbered(table: pa.Table, start: int) -> pa.Table:
    if ROW in table.column_names:
        table = table.drop_columns([ROW])
    return table.append_column(ROW, pa.array(np.arange(start, start + table.num_rows)))


def _csv_source(
    path: Path,
    piece_rows: Callable[[Sequence[str]], int],
    numeric: Sequence[str],
    by_cell: bool,
    bad: Counter[str] | None,
) -> Source:
    _refuse_no_csv(path)
    size = path.stat().st_size
    limit = piece_rows(())

    def pieces(columns: Columns) -> Iterator[pa.Table]:
        start = 0
        # Only the read of all columns counts what is bad, so that nothing counts twice.
        counted = bad if bad is None or columns is None else Counter()
        with for_arrow(path) as file:
            for batch in _csv_reader(file, columns, numeric, by_cell, counted):
                table = _numbered(pa.Table.from_batches([batch]), start)
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


def kept(source: Source) -> Source:
    """The same rows, read once and held in memory."""
    tables = list(source.pieces(None))
    return replace(source, pieces=lambda _: iter(tables))


class Grouping:
    """Whether the rows of each track follow each other, told piece by piece."""

    def __init__(self) -> None:
        self._done: set[str] = set()
        self._last: str | None = None

    def holds(self, code: Integers, track_names: Sequence[str]) -> bool:
        """Whether it does up to and including a piece, whose rows have these names.

        Args:
            code: (rows,) index of each row's name.
            track_names: of these codes.
        """
        if not len(code):
            return True
        starts = code[np.concatenate([[True], np.diff(code) != 0])].tolist()
        here = [str(track_names[number]) for number in starts]
        new = here[1:] if here[0] == self._last else here
        self._last = here[-1]
        before = len(self._done)
        self._done.update(new)
        return len(self._done) - before == len(new)


def whole_tracks(pieces: Iterable[pa.Table], where: str) -> Iterator[pa.Table]:
    """Hold the last track of each piece back until it is complete; the rows of a track follow each other.

    Args:
        pieces: tables of the file, in its order, with a column of tracks.
        where: the file.
    """
    held: list[pa.Table] = []
    before = ""
    for piece in pieces:
        if not piece.num_rows:
            continue
        code, track_names = named_rows(piece, where)
        name = ["", *track_names]
        starts = np.flatnonzero(np.diff(code)) + 1
        if held and name[code[0] + 1] != before:
            starts = np.concatenate([[0], starts])
        before = name[code[-1] + 1]
        if not len(starts):
            held.append(piece)
            continue
        cut = int(starts[-1])
        whole = concatenated([*held, piece.slice(0, cut)])
        if whole.num_rows:
            yield whole
        held = [piece.slice(cut)]
    if held:
        yield concatenated(held)


def concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    """Several pieces as one table; the names of all are told by one dictionary."""
    if not tables:
        return pa.table({})
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables).unify_dictionaries()


def sorted_on_disk(source: Source, stack: ExitStack, piece_rows: int) -> Source:
    """The same rows with those of each track together, by way of nameless temporary files.

    Each track belongs to one of some buckets, by a hash of its name; a bucket is about as large as a piece, and is read
    whole. The files have no names, so that they are gone in any ending.

    Args:
        source: in any order.
        stack: closes the files.
        piece_rows: rows of a bucket, about.
    """
    count = min(max(math.ceil(source.rows / piece_rows), 1), _MAX_BUCKETS)
    files = [tempfile.TemporaryFile(prefix="forecast-sort-") for _ in range(count)]  # noqa: SIM115 the stack closes them
    for file in files:
        stack.enter_context(file)
    writers: list[Any] = [None] * count
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    columns: list[str] = []
    for piece in progress(source.pieces(None), f"sorting {Path(source.where).name} by track on disk"):
        require(source.where, piece.column_names, ("track",))
        columns = columns or [name for name in piece.column_names if name != ROW]
        plain_piece = _without_dictionaries(piece)
        for bucket, rows in _shares(piece, source.where, count):
            part = plain_piece.take(rows).combine_chunks()
            if writers[bucket] is None:
                writers[bucket] = pa.ipc.new_stream(files[bucket], part.schema, options=options)
            writers[bucket].write_table(part)
    for writer in writers:
        if writer is not None:
            writer.close()
    used = [file for file, writer in zip(files, writers, strict=True) if writer is not None]

    def pieces(wanted: Columns) -> Iterator[pa.Table]:
        for file in used:
            file.seek(0)
            with pa.ipc.open_stream(file) as reader:
                table = reader.read_all()
            if wanted is not None:
                table = table.select([name for name in table.column_names if name in wanted or name == ROW])
            yield _by_track(table, source.where)

    return Source(source.where, columns, False, source.rows, pieces)


def _without_dictionaries(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(field.type.value_type))
    return table


def _shares(piece: pa.Table, where: str, count: int) -> Iterator[tuple[int, Integers]]:
    """The buckets that some rows of a piece belong to, and which rows."""
    code, track_names = named_rows(piece, where)
    of_name = np.array([crc32(name.encode()) % count for name in track_names], dtype=np.int64)
    bucket = np.append(of_name, 0)[code]  # nameless rows go to the first: they are refused, or left out, later
    order = np.argsort(bucket, kind="stable")
    ends = np.cumsum(np.bincount(bucket, minlength=count))
    for number, end in enumerate(ends.tolist()):
        start = int(ends[number - 1]) if number else 0
        if end > start:
            yield number, order[start:end]


def named_rows(piece: pa.Table, where: str) -> tuple[Integers, list[str]]:
    """As :func:`~forecast.eval.formats.table_columns.names`, with code −1 for rows that have no name."""
    code = np.full(piece.num_rows, -1, dtype=np.int64)
    rows = np.arange(piece.num_rows)
    while True:
        try:
            found, track_names = names(piece, where)
        except BadRowsError as bad:
            rows = rows[~bad.wrong]
            piece = piece.filter(pa.array(~bad.wrong))
            continue
        code[rows] = found
        return code, track_names.tolist()


def _by_track(table: pa.Table, where: str) -> pa.Table:
    code, _ = named_rows(table, where)
    keys = [table.column(ROW).to_numpy()]
    if "issue_time_s" in table.column_names:
        keys.append(pc.rank(table.column("issue_time_s").combine_chunks(), tiebreaker="dense").to_numpy())
    return table.take(np.lexsort((*keys, code)))
