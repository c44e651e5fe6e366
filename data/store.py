"""A folder of memory-mapped arrays, used only if it is complete and verified."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

_MANIFEST = "manifest.json"
_NOTES = "notes.json"


class Manifest(msgspec.Struct, frozen=True):
    """What a stored folder must hold.

    Attributes:
        key: what the folder was made from.
        files: file name → SHA-256: ``<array>.npy``, and ``notes.json`` for further small facts.
    """

    key: str
    files: dict[str, str]


class Damaged(Exception):
    """A stored folder is missing, foreign, truncated or altered."""


def write_store(folder: Path, key: str, arrays: Mapping[str, NDArray[Any]], notes: object) -> None:
    """Write arrays beside their final place, then move the folder there in one step.

    Whatever stood there is replaced; whoever still has it mapped keeps reading the old arrays.

    Args:
        folder: the final place.
        key: what the arrays were made from; :func:`read_store` asks for it.
        arrays: by name, of any shape and unit: bytes are kept as they are, with no unit.
        notes: further small facts, whatever msgspec writes as JSON.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}-{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        (temporary / _NOTES).write_bytes(msgspec.json.encode(notes))
        digests = {path.name: _digest(path) for path in temporary.iterdir()}
        (temporary / _MANIFEST).write_bytes(msgspec.json.encode(Manifest(key, digests)))
        _move_into_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move_into_place(temporary: Path, folder: Path) -> None:
    if folder.exists():
        outdated = folder.with_name(f".{folder.name}.old-{secrets.token_hex(4)}")
        folder.rename(outdated)
        shutil.rmtree(outdated, ignore_errors=True)
    temporary.rename(folder)


def read_store(folder: Path, key: str, *, verify: bool = True) -> tuple[dict[str, NDArray[Any]], bytes]:
    """Memory-map the arrays of a folder.

    Args:
        folder: where :func:`write_store` put it.
        key: what it must have been made from.
        verify: compare every file with its digest; leave out only where that was just done.

    Returns:
        arrays by name, of any shape, read-only, with no unit of their own; and the notes as JSON.

    Raises:
        Damaged: not there, made from something else, or not as it was written.
    """
    try:
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
        if manifest.key != key:
            raise Damaged(f"{folder}: was made from something else")
        if verify:
            for name, digest in manifest.files.items():
                if _digest(folder / name) != digest:
                    raise Damaged(f"{folder}: {name} is not as it was written")
        arrays = [Path(name) for name in manifest.files if name != _NOTES]
        return {name.stem: _mapped(folder / name) for name in arrays}, (folder / _NOTES).read_bytes()
    except (OSError, ValueError) as fault:  # msgspec's errors are ValueErrors, and so are NumPy's
        raise Damaged(f"{folder}: {fault}") from None


def _mapped(path: Path) -> NDArray[Any]:
    """A plain array over mapped memory: ``np.memmap`` itself is slow to index, and mapping nothing is refused."""
    try:
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:
        mapped = np.load(path, allow_pickle=False)
    return mapped.view(np.ndarray)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
