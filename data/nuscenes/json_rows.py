"""Streams the rows of a large JSON table: typed, only the fields asked for, a few megabytes at a time."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec

from forecast.core.errors import DataError
from forecast.core.progress import progress

Row = TypeVar("Row")

CHUNK_BYTES = 1 << 24
_BETWEEN_ROWS = re.compile(rb"\}\s*,\s*\{")
_ENTRY_IN_MESSAGE = re.compile(r"\s*- at `\$\[(\d+)\]\.?([^`]*)`$")
_SPACE = b" \t\r\n"


def stream_rows(path: Path, row_type: type[Row], *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[int, list[Row]]]:
    """Decode a JSON array of objects piece by piece, so that a table of gigabytes needs megabytes of memory.

    Args:
        path: a nuScenes table: one JSON array of objects.
        row_type: a :class:`msgspec.Struct` naming the fields to keep; all others are skipped.
        chunk_bytes: about how much of the file is decoded at a time.

    Yields:
        (index of the first row, rows) of each piece, in file order.

    Raises:
        DataError: the file is missing, empty, truncated, no array, or a row lacks a field or has a wrong type.
    """
    if not path.is_file():
        raise DataError(f"{path}: missing table; is this the right data root and version?")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: empty file, expected a JSON array of rows; unpack or download the file again")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        pieces = _pieces(path, text, row_type, chunk_bytes)
        yield from progress(pieces, path.name, total=-(-len(text) // chunk_bytes))


def read_rows(path: Path, row_type: type[Row]) -> list[Row]:
    """Read a whole table that is small; see :func:`stream_rows`."""
    return [row for _, rows in stream_rows(path, row_type) for row in rows]


def _pieces(path: Path, text: mmap.mmap, row_type: type[Row], chunk_bytes: int) -> Iterator[tuple[int, list[Row]]]:
    decode = msgspec.json.Decoder(list[row_type]).decode  # type: ignore[valid-type]
    position, end = _array_bounds(path, text)
    first = 0
    while position < end:
        rows, position = _piece(path, text, position, end, chunk_bytes, decode, first)
        yield first, rows
        first += len(rows)


def _array_bounds(path: Path, text: mmap.mmap) -> tuple[int, int]:
    """Positions just inside the outer brackets; both equal where the array is empty."""
    head = re.compile(rb"\s*\[\s*").match(text)
    if head is None:
        raise DataError(f"{path}: expected a JSON array of rows, found {bytes(text[:20]).decode(errors='replace')!r}")
    end = len(text)
    while end > 0 and text[end - 1] in _SPACE:
        end -= 1
    if text[end - 1] != ord("]"):
        raise DataError(
            f"{path}: truncated: the array does not end in ']' (byte {end}); unpack or download the file again"
        )
    end -= 1
    while end > head.end() and text[end - 1] in _SPACE:
        end -= 1
    return min(head.end(), end), end


def _piece(
    path: Path,
    text: mmap.mmap,
    position: int,
    end: int,
    chunk_bytes: int,
    decode: Callable[[bytes], list[Row]],
    first: int,
) -> tuple[list[Row], int]:
    """Decode from ``position`` to a boundary between two rows; returns the rows and where the next piece starts."""
    search_from = position + chunk_bytes
    for _ in range(4):
        between = _BETWEEN_ROWS.search(text, search_from, end) if search_from < end else None
        stop, following = (between.start() + 1, between.end() - 1) if between else (end, end)
        piece = b"[" + text[position:stop] + b"]"
        try:
            return decode(piece), following
        except msgspec.ValidationError as fault:
            _refuse(path, piece, first, fault)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            # What looked like a boundary may lie inside a string or a nested list: try the next one.
            if between is None:
                _refuse(path, piece, first, fault)
            search_from = between.end()
    _refuse(path, piece, first, msgspec.DecodeError("not valid JSON"))


def _refuse(path: Path, piece: bytes, first: int, fault: Exception) -> NoReturn:
    """Raise an error that names the row at fault, its token where it has one, and what is wrong with it."""
    found = _ENTRY_IN_MESSAGE.search(str(fault))
    if found:
        index, field = int(found[1]), found[2]
        reason = _ENTRY_IN_MESSAGE.sub("", str(fault)) + (f" in {field}" if field else "")
    elif isinstance(fault, UnicodeDecodeError):
        index, reason = _first_undecodable(piece), "holds bytes that are no UTF-8 text"
    else:
        index, reason = _first_malformed(piece.decode("utf-8", errors="replace"), str(fault))
    token = re.search(rb'"token"\s*:\s*"([^"]*)"', _entry(piece, index))
    named = f" (token {token[1].decode(errors='replace')})" if token else ""
    raise DataError(f"{path}: entry {first + index}{named}: {reason}") from None


def _first_undecodable(piece: bytes) -> int:
    """Which entry holds the first byte that is no UTF-8."""
    try:
        piece.decode("utf-8")
    except UnicodeDecodeError as fault:
        return len(_BETWEEN_ROWS.findall(piece, 0, fault.start))
    return 0


def _entry(piece: bytes, index: int) -> bytes:
    entries = _BETWEEN_ROWS.split(piece, index + 1)
    return entries[index] if index < len(entries) else b""


def _first_malformed(text: str, otherwise: str) -> tuple[int, str]:
    """Find the first entry that is no JSON, with the standard library's slower, more talkative reader."""

    def refuse_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not a number")

    decoder = json.JSONDecoder(parse_constant=refuse_constant)
    position, index = 1, 0
    while True:
        position += len(text[position : position + 64]) - len(text[position : position + 64].lstrip())
        if position >= len(text) - 1:
            return max(index - 1, 0), otherwise
        try:
            _, position = decoder.raw_decode(text, position)
        except ValueError as fault:
            return index, str(getattr(fault, "msg", fault))
        rest = text[position:].lstrip() if len(text) - position < 128 else text[position : position + 64].lstrip()
        if rest[:1] not in (",", "]"):
            return index, f"expected ',' after it, found {rest[:1]!r}"
        position = text.index(rest[0], position) + 1
        index += 1
