"""Columns of a table as arrays: numbers, clocks and names of any type that can be read in one way alone."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.core.errors import SubmissionError
from forecast.core.units import clock_complaint, coarse_complaint
from forecast.eval.formats.read_notes import Notes
from forecast.eval.results import Bools, Floats, Integers

#: The number of each row in its file, from 0, beside the file's own columns.
ROW = "row of the file"
MAX_NAME = 1000
#: Bits of a floating-point type, and of its fraction: whole numbers below two to that are told apart.
_FRACTION_BITS = {16: 11, 32: 24, 64: 53}
#: Issue times of one track closer than this are one forecast's, s.
SAME_ISSUE_S = 1e-6
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

T = TypeVar("T")


class BadRowsError(SubmissionError):
    """Some rows of a table are wrong by themselves; those left would do.

    Attributes:
        wrong: (rows,) which ones.
        reason: what all of them have in common.
    """

    def __init__(self, where: str, wrong: Bools, reason: str, detail: str = "") -> None:
        self.where, self.wrong, self.reason, self.detail = where, wrong, reason, detail or reason
        self.row, self.count = int(wrong.argmax()), int(wrong.sum())
        super().__init__()

    def __str__(self) -> str:
        """One line: the first such row, and how many there are."""
        many = f"{self.count} rows are so" if self.count > 1 else "1 row is so"
        # Where no row is right, none can be left out.
        hint = "" if self.wrong.all() else "; --skip-bad-rows leaves out such rows"
        return f"{self.where}: row {self.row}: {self.detail} ({many}{hint})"

    def in_file(self, table: pa.Table) -> BadRowsError:
        """The same, with the row's number in the file."""
        if ROW in table.column_names:
            self.row = int(table.column(ROW).to_numpy()[self.wrong].min())
        return self

    def counted(self, more: int) -> BadRowsError:
        """The same, with so many more rows of other pieces."""
        self.count += more
        return self


def refuse(where: str, wrong: Bools, reason: str, detail: str = "") -> None:
    """Refuse a table if any row is wrong, naming the first.

    Args:
        where: the file.
        wrong: (rows,) which rows.
        reason: what is wrong with all of them, in the same words each time.
        detail: what is wrong with the first.

    Raises:
        BadRowsError: in one line.
    """
    if wrong.any():
        raise BadRowsError(where, wrong, reason, detail)


def sifted(table: pa.Table, read: Callable[[pa.Table], T], *, skip: bool, notes: Notes) -> T | None:
    """Read a table; where asked to, without its bad rows, which are counted by reason.

    Args:
        table: with the numbers of its rows in the file, if it is a part of one.
        read: raises :class:`BadRowsError` where some rows are wrong.
        skip: leave them out instead.
        notes: where to count them.

    Returns:
        What was read; None where no row is left.

    Raises:
        BadRowsError: naming the row by its number in the file.
    """
    while table.num_rows:
        try:
            return read(table)
        except BadRowsError as bad:
            if not skip:
                raise bad.in_file(table) from None
            notes.left_out[bad.reason] += int(bad.wrong.sum())
            table = table.filter(pa.array(~bad.wrong))
    return None


def require(where: str, found: list[str], wanted: tuple[str, ...]) -> None:
    """Refuse a table that lacks a column.

    Raises:
        SubmissionError: naming the columns that are missing and those that are there.
    """
    twice = [name for name in wanted if found.count(name) > 1]
    if twice:
        raise SubmissionError(f"{where}: column {twice[0]} twice; expected it once")
    missing = [name for name in wanted if name not in found]
    if missing:
        there = [name for name in found if name != ROW]
        raise SubmissionError(f"{where}: no column {', '.join(missing)}; found {', '.join(there[:12]) or 'none'}")


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds plain numbers."""
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def numbers(table: pa.Table, name: str, where: str) -> Floats:
    """A column as float64, NaN where null.

    Raises:
        SubmissionError: the column does not hold numbers.
    """
    column = table.column(name)
    kind = column.type
    if is_number(kind):
        return np.asarray(column.to_numpy(), dtype=np.float64)
    if pa.types.is_null(kind) or pa.types.is_decimal(kind):
        return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    raise SubmissionError(f"{where}: column {name} holds {kind}; expected numbers")


def times(table: pa.Table, name: str, where: str, *, clock: bool = True) -> Floats:
    """A column of seconds: numbers as they are, timestamps (since 1970), durations and times of day by their unit.

    Args:
        table, name, where: the column and the file that it is of.
        clock: whether it may be a timestamp; leads may not.

    Raises:
        SubmissionError: the column holds neither, or a type too narrow for a clock.
    """
    column = table.column(name)
    kind = column.type
    by_unit = pa.types.is_duration(kind) or pa.types.is_time(kind) or (clock and pa.types.is_timestamp(kind))
    if not by_unit:
        if pa.types.is_temporal(kind):
            raise SubmissionError(
                f"{where}: column {name} holds {kind}; expected seconds{', timestamps' * clock} or durations"
            )
        time_s = numbers(table, name, where)
        width = f"float{kind.bit_width}" if clock and pa.types.is_floating(kind) else ""
        if complaint := coarse_complaint(name, width, time_s):
            raise SubmissionError(f"{where}: {complaint}")
        return time_s
    whole = column.cast(pa.int32()).cast(pa.int64()) if pa.types.is_time32(kind) else column.cast(pa.int64())
    return np.asarray(whole.to_numpy(), dtype=np.float64) / _PER_SECOND[kind.unit]


def refuse_times(where: str, name: str, time_s: Floats) -> None:
    """Refuse clock readings that are not finite, or cannot be seconds.

    Raises:
        BadRowsError: in one line, which unit they look like.
    """
    refuse(where, ~np.isfinite(time_s), f"{name} is not a finite number")
    if complaint := clock_complaint(name, time_s):
        refuse(where, np.abs(time_s) > 1e11, f"{name} beyond 1e11", complaint)


def names(table: pa.Table, where: str) -> tuple[Integers, np.ndarray[Any, np.dtype[np.str_]]]:
    """The track column as one integer a row, and the names they stand for, in alphabetical order.

    Text as it is; whole numbers, of floating point too, without a decimal place; 16 bytes as a UUID, other bytes of
    fixed length as hexadecimal digits.

    Raises:
        BadRowsError: a row has no name.
        SubmissionError: the column holds something else.
    """
    index, values, bits = _encoded(table.column("track"), where)
    texts = _texts(values, where, bits)
    lacking = np.array([text is None or not text.strip() for text in texts] + [True])  # the last is for null
    refuse(where, lacking[index], "no name in column track")
    damaged = np.array(["\ufffd" in (text or "") for text in texts] + [False])
    refuse(where, damaged[index], "a track name that is not UTF-8 text")
    wrong = np.array(["\0" in (text or "") or len(text or "") > MAX_NAME for text in texts] + [False])
    refuse(where, wrong[index], f"a track name with a zero byte, or longer than {MAX_NAME} characters")
    used = np.flatnonzero(np.bincount(index, minlength=1))
    found, code = np.unique(np.array([texts[number] for number in used.tolist()], dtype=np.str_), return_inverse=True)
    place = np.zeros(len(texts) + 1, dtype=np.int64)
    place[used] = code.reshape(-1)
    return place[index], found


def _encoded(column: pa.ChunkedArray, where: str) -> tuple[Integers, pa.Array, int]:
    """Index of each row's value, −1 where null; the values; and of how many bits they were, if floating-point."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
    value_type = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    bits = value_type.bit_width if pa.types.is_floating(value_type) else 0
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    if not pa.types.is_dictionary(column.type):
        if not _can_be_names(column.type):
            raise SubmissionError(f"{where}: column track holds {kind}; expected names")
        column = column.dictionary_encode()
    elif not _can_be_names(column.type.value_type):
        raise SubmissionError(f"{where}: column track holds {kind}; expected names")
    for chunk in column.chunks:  # a damaged file may refer to names that it does not hold
        bounds = pc.min_max(chunk.indices).as_py()
        if bounds["max"] is not None and not 0 <= bounds["min"] <= bounds["max"] < len(chunk.dictionary):
            raise SubmissionError(f"{where}: cannot be read: column track refers to names that are not in the file")
    encoded = column.unify_dictionaries().combine_chunks()
    chunks = encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]
    if not chunks:
        return np.zeros(0, dtype=np.int64), pa.array([], pa.string()), bits
    index = np.concatenate([chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in chunks])
    return index.astype(np.int64), chunks[0].dictionary, bits


def _can_be_names(kind: pa.DataType) -> bool:
    is_view = any(
        check(kind) for name in ("is_string_view", "is_binary_view") if (check := getattr(pa.types, name, None))
    )
    return is_view or any(
        check(kind)
        for check in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_integer,
            pa.types.is_floating,
            pa.types.is_null,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
        )
    )


def _texts(values: pa.Array, where: str, bits: int) -> list[str | None]:
    """Each value as text; None where it is none."""
    kind = values.type
    try:
        found = values.to_pylist()
    except UnicodeDecodeError:
        raise SubmissionError(f"{where}: column track holds text that is not UTF-8; expected names in UTF-8") from None
    if pa.types.is_floating(kind):
        return [None if value is None or value != value else _whole(value, where, bits) for value in found]
    if pa.types.is_fixed_size_binary(kind):
        uuids = kind.byte_width == 16
        return [None if value is None else str(uuid.UUID(bytes=value)) if uuids else value.hex() for value in found]
    try:
        return [
            value.decode() if isinstance(value, bytes) else None if value is None else str(value) for value in found
        ]
    except UnicodeDecodeError:
        raise SubmissionError(f"{where}: column track holds bytes that are no text; expected names in UTF-8") from None


def _whole(value: float, where: str, bits: int) -> str:
    limit = _FRACTION_BITS[bits]
    if value != np.floor(value) or not abs(value) < 2.0**limit:
        raise SubmissionError(
            f"{where}: column track holds {value:.17g} as float{bits}; expected names, or whole numbers below "
            f"2^{limit}, beyond which float{bits} does not tell one from the next: write integers or text"
        )
    return str(int(value))


def numbered(code: Integers, issue_s: Floats) -> tuple[Integers, Integers]:
    """Number each (track, issue time), sorted; and the first row of the table for each of them."""
    new = np.ones(len(code), dtype=bool)
    new[1:] = (np.diff(code) != 0) | (np.diff(issue_s) != 0)
    start = np.flatnonzero(new)
    if 2 * len(start) > len(code):
        return _numbered(code, issue_s)
    # The rows of a forecast mostly follow each other: number the runs of them.
    number, first = _numbered(code[start], issue_s[start])
    return number[np.cumsum(new) - 1], start[first]


def _numbered(code: Integers, issue_s: Floats) -> tuple[Integers, Integers]:
    order = np.lexsort((issue_s, code))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(code[order]) != 0) | (np.diff(issue_s[order]) > SAME_ISSUE_S)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    return number, order[new]


def told_twice(slot: Integers, what: Floats) -> Bools:
    """(rows,) which rows to leave out so that each place is taken once: all but the first where they agree, else all.

    Args:
        slot: (rows,) the place of each, 0 or more.
        what: (rows, …) what each says of it.
    """
    wrong = np.zeros(len(slot), dtype=bool)
    order = np.argsort(slot, kind="stable")
    new = np.diff(slot[order], prepend=-1) != 0
    group = np.cumsum(new) - 1
    same = (what[order] == what[order][np.flatnonzero(new)[group]]).all(-1)
    agree = np.bincount(group, weights=~same) == 0
    wrong[order] = ~(new & agree[group])
    return wrong
