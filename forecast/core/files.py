"""Files that are either whole or not there, and what they hold in short."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
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
    if not folder and path.exists() and not path.is_file():
        raise ConfigError(f"{option} {path}: is no regular file; name one to write")
    place = path if folder else path.absolute().parent
    while not place.exists():
        place = place.absolute().parent
    if not place.is_dir():
        raise ConfigError(f"{option} {path}: {place} is a file, not a folder; choose another place")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError(f"{option} {path}: {place} may not be written to; choose another place")


def check_outputs(
    outputs: Mapping[str, Path | str | None], inputs: Iterable[Path | str | None] = (), *, folders: bool = False
) -> None:
    """Say before any work is done that an output would destroy an input, or another output, or cannot be written.

    Two names of one file are told by what they lead to: links, hard links and detours are seen through.

    Args:
        outputs: what named it, e.g. ``--out`` → where to; None where it is not asked for.
        inputs: files, and folders of which every file is an input; None and what does not exist are passed over.
        folders: whether the outputs are folders to write into.

    Raises:
        ConfigError: in one line, which output, and what it would destroy.
    """
    named = {option: Path(path) for option, path in outputs.items() if path is not None}
    read = [Path(path) for path in inputs if path is not None]
    for option, path in named.items():
        check_place(path, option, folder=folders)
        for source in read:
            if _same_file(path, source):
                raise ConfigError(f"{option} {path}: is the input {source}, which would be lost; choose another place")
            if source.is_dir() and source.resolve() in path.resolve().parents:
                raise ConfigError(f"{option} {path}: lies in the input {source}; choose another place")
    pairs = list(named.items())
    for number, (option, path) in enumerate(pairs):
        for other, taken in pairs[:number]:
            if _same_file(path, taken):
                raise ConfigError(f"{option} {path}: {other} names the same file; choose another place for one of them")


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there yet
        return one.resolve() == other.resolve()


def dataset_inputs(dataroot: Path | str | None, version: str | None) -> list[Path]:
    """Folders of a nuScenes folder that nothing may be written into: the version's tables, and the maps."""
    if dataroot is None or version is None:
        return []
    return [Path(dataroot) / version, Path(dataroot) / "maps"]


def run_inputs(run: Path | str) -> list[Path]:
    """Files of a run (or the one file of weights) that a command reads which was given it as a checkpoint."""
    run = Path(run)
    if not run.is_dir():
        return [run]
    return [path for path in run.iterdir() if path.suffix in (".safetensors", ".ckpt", ".yaml", ".json", ".csv")]


def shown(path: Path | str) -> str:
    """A path as text that can be written anywhere, also where its bytes are not of the system's encoding."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8; what is no character (a file's name may hold such) is written as an escape."""
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


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
