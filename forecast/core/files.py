"""Files that are either whole or not there, and what they hold in short."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
