"""Files that are either whole or not there, and what they hold in short."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Literal

from forecast.core.errors import ConfigError

#: Folders of a nuScenes data set beside those of its versions; a data set is only read.
_DATA_FOLDERS = ("maps", "samples", "sweeps", "can_bus", "lidarseg", "panoptic")


def check_outputs(
    outputs: Mapping[str, Path | str | None],
    inputs: Iterable[Path | str] = (),
    *,
    dataroot: Path | str | None = None,
) -> None:
    """Say before any work is done that an output could not be written, or would cost an input.

    Names are compared by the files behind them: links, ``dir/../name``, and other letter case where the file system
    takes both for one.

    Args:
        outputs: option → file that it names, None where it was not given.
        inputs: files that are read.
        dataroot: folder of a nuScenes data set that is read; nothing may be written among its tables and maps.

    Raises:
        ConfigError: see :func:`check_place`; or an output is an input, lies within the data set, or is named twice.
    """
    given = {option: Path(path) for option, path in outputs.items() if path is not None}
    read = [Path(path) for path in inputs]
    for option, path in given.items():
        check_place(path, option)
        if dataroot is not None:
            check_outside(path, dataroot, option)
    files = {option: path for option, path in given.items() if not _is_stream(path)}
    for number, (option, path) in enumerate(files.items()):
        for one in read:
            if _same(path, one):
                raise ConfigError(f"{option} {path}: would overwrite the input {one}; choose another name")
        for before in list(files)[:number]:
            if _same(path, files[before]):
                raise ConfigError(f"{option} {path}: {before} writes there too; choose another name")
            for inner, outer in ((path, files[before]), (files[before], path)):
                if any(_same(folder, outer) for folder in inner.absolute().parents):
                    raise ConfigError(f"{option} {path}: {outer} cannot be a file and a folder; choose another name")


def check_outside(path: Path | str, dataroot: Path | str, option: str = "--out") -> None:
    """Refuse a file or folder that lies among the tables, maps or recordings of a data set.

    Raises:
        ConfigError: it does.
    """
    root = Path(dataroot)
    if not root.is_dir():
        return
    sacred = [place for place in root.iterdir() if _is_data(place)]
    ways = Path(os.path.realpath(path)), Path(os.path.realpath(Path(path).absolute().parent), Path(path).name)
    for place in {place for way in ways for place in (way, *way.parents)}:
        if _is_scenario(place) or any(_same(place, part) for part in sacred):
            raise ConfigError(f"{option} {path}: lies within the data set {root}, which is only read; choose another")


def _is_data(place: Path) -> bool:
    if place.is_dir():
        return place.name in _DATA_FOLDERS or (place / "sample.json").is_file()
    return place.name == "town.json"


def _is_scenario(place: Path) -> bool:
    """Whether a folder is a scenario of Argoverse 2; there may be too many of them to list."""
    return (place / f"scenario_{place.name}.parquet").is_file()


def _same(one: Path, other: Path) -> bool:
    """Whether two names are one file or folder, which need not exist yet."""
    try:
        return one.samefile(other)
    except OSError:
        return _place_of(one) == _place_of(other)


def _place_of(path: Path) -> tuple[str, str]:
    folder = os.path.realpath(path.absolute().parent)
    name = path.absolute().name
    return folder, name.casefold() if _folds_case(folder) else name


def _folds_case(folder: str) -> bool:
    """Whether a file system takes names in capitals and in small letters for the same."""
    other = folder.swapcase()
    try:
        return other != folder and Path(folder).samefile(other)
    except OSError:
        return False


def _is_stream(path: Path) -> bool:
    """A device or a pipe (``/dev/null``, ``/dev/stdout``): written into, never put in another's place."""
    return path.absolute().parent == Path("/dev") or (path.exists() and not path.is_file() and not path.is_dir())


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
    if not folder and _is_stream(path) and path.exists():
        if not os.access(path, os.W_OK):
            raise ConfigError(f"{option} {path}: may not be written to; choose another place")
        return
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

    Whatever happens, ``path`` holds either its old content or the whole new one. Missing parent folders are made. A
    symbolic link of this name is replaced; what it points to stays as it is. Into a device or a pipe the whole
    content is written at the end.
    """
    path = Path(path)
    if _is_stream(path) and path.exists():
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / f"whole{path.suffix}"
            yield whole
            with whole.open("rb") as content, path.open("wb") as stream:
                shutil.copyfileobj(content, stream)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: writers such as matplotlib choose the format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as fault:
        if fault.filename in (str(temporary), temporary):
            fault.filename = str(path)  # the name that the user gave
        raise
    finally:
        with suppress(OSError):  # where nothing can be written, nothing lies
            temporary.unlink(missing_ok=True)


@contextmanager
def folder_beside(path: Path | str) -> Iterator[Path]:
    """Give a hidden, empty folder beside ``path`` to write to; what was not renamed out of it is gone at the end."""
    path = Path(path)
    hidden = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    hidden.mkdir(parents=True)
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


@contextmanager
def for_arrow(path: Path | str, mode: Literal["rb", "wb"] = "rb") -> Iterator[Path | IO[bytes]]:
    """What pyarrow can open: the path, or, where its name is not UTF-8 (pyarrow takes no other), the opened file."""
    path = Path(path)
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with path.open(mode) as file:
            yield file
    else:
        yield path


def as_text(path: os.PathLike[str] | str) -> str:
    """A file's name for reports and pictures: as UTF-8 has it, whatever the locale; what is no text is escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def file_hash(path: Path) -> str:
    """Hash a file's content (blake2b, 32 hexadecimal digits)."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
