"""Rows by track: whether those of each follow each other, pieces of whole tracks, and a sort on disk."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from forecast.core.progress import progress
from forecast.eval.formats.row_source import Columns, Source
from forecast.eval.formats.table_columns import ROW, BadRowsError, names, require
from forecast.eval.results import Integers

#: Nameless files that a sort may hold open at a time.
_MAX_BUCKETS = 200


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
