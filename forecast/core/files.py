"""Files that are either whole or not there, and what they hold in short."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forecast.core.errors import ConfigError


def check_place(path: Path | str, option: str = "--out", *, folder: bool = False) -> None:
    """Say before any work is done that its result could not be written.

    Args:
        path: of a file to write, or of a folder to write into; nothing is made.
        option: who named it.
        folder: whether it is a folder.

    Raises:
        ConfigError: a folder is in the place of the file, a file in that of a folder, or nothing may be written there.
    """
    path = Path(path)
    if not folder and path.is_dir():
        raise ConfigError(f"{option} {path}: is a folder; name a file in it")
    place = path if folder else path.absolute().parent
    while not place.exists():
        place = place.absolute().parent
    if not place.is_dir():
        raise ConfigError(f"{option} {path}: {place} is a file, not a folder; choose another place")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError(f"{option} {path}: {place} may not be written to; choose another place")


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to; rename it into place only if all went well.

    Whatever happens, ``path`` holds either its old content or the whole new one. Missing parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: writers such as matplotlib choose the format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """Hash a file's content (blake2b, 32 hexadecimal digits)."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
