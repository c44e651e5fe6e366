"""Detects files that changed since they were read: by size and time if these suffice, else by content."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from forecast.core.errors import DataError
from forecast.core.files import written_whole

#: A file written this shortly before its stat was taken may be written again within the clock's grain.
_TRUSTED_AFTER_S = 2.0
_BLOCK_BYTES = 1 << 20

Stat = tuple[int, int, int, int]


class SeenFile(msgspec.Struct, frozen=True):
    """A file's content digest, and the stat it had when it was taken."""

    stat: Stat
    digest: str


def stat_of(path: Path) -> Stat:
    """Size, time of the last change of content, time of the last change of any kind, and inode number.

    The third cannot be set by users: whoever writes a file, replaces it, or copies another one over it with all its
    times kept, still changes it.
    """
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def digests_of(files: Mapping[str, Path], memory: Path) -> dict[str, str]:
    """Content digests of files, recomputed only for those whose stat has changed since the last time.

    Args:
        files: name → path; all must exist.
        memory: file that remembers stats and digests between runs; a missing or damaged one is made anew.

    Raises:
        DataError: a file changes while it is read, or cannot be read.
    """
    known = _recall(memory)
    now = {name: _stat_or_refuse(path) for name, path in files.items()}
    changed = [name for name in files if name not in known or known[name].stat != now[name]]
    with ThreadPoolExecutor(2) as pool:
        fresh = dict(zip(changed, pool.map(lambda name: _digest(files[name], now[name]), changed), strict=True))
    digests = {name: fresh.get(name) or known[name].digest for name in files}
    _remember(memory, {name: SeenFile(now[name], digest) for name, digest in digests.items()}, known)
    return digests


def combined_digest(parts: Sequence[str]) -> str:
    """One digest of several strings, in order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _stat_or_refuse(path: Path) -> Stat:
    try:
        return stat_of(path)
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None


def _digest(path: Path, expected: Stat) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None
    if stat_of(path) != expected:
        raise DataError(f"{path}: changed while it was read; wait until it is written, then try again")
    return digest.hexdigest()


def _recall(memory: Path) -> dict[str, SeenFile]:
    try:
        return msgspec.json.decode(memory.read_bytes(), type=dict[str, SeenFile])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _remember(memory: Path, seen: dict[str, SeenFile], known: dict[str, Any]) -> None:
    """Keep what later stats can prove: not files so fresh that a second write could leave the same stat."""
    newest_ns = int((time.time() - _TRUSTED_AFTER_S) * 1e9)
    trusted = {name: file for name, file in seen.items() if max(file.stat[1], file.stat[2]) < newest_ns}
    if trusted == known:
        return
    with written_whole(memory) as temporary:
        temporary.write_bytes(msgspec.json.encode(trusted))
