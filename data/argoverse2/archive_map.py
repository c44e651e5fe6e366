"""Opens the map of an Argoverse 2 scenario; its reader is loaded when it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forecast.core.errors import DataError
from forecast.core.files import file_hash
from forecast.data.maps.vector_map import Geometries, VectorMap

_HEAD_BYTES = 1 << 20
_BEGINNING = "log_map_archive_"
#: Raise it whenever the layers are made in another way: what is derived from them is then made anew.
_FORMAT = 1


@dataclass(frozen=True)
class _Reader:
    """An object rather than a closure, so that it can be pickled."""

    path: Path
    only: tuple[str, ...] | None

    def __call__(self) -> Geometries:
        from forecast.data.argoverse2.archive_layers import read_archive  # needs msgspec

        return read_archive(self.path, self.only)


def load_archive(path: Path | str, *, only: Sequence[str] | None = None) -> VectorMap:
    """Open ``log_map_archive_*.json``; see :mod:`forecast.data.argoverse2.archive_layers` for its layers.

    Args:
        path: the file.
        only: layers to read, as if the map held no others; all by default.

    Raises:
        DataError: no such file; on first use also: what is wrong with it, in one line.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no map at {path}: each scenario's folder holds a {_BEGINNING}*.json; download it again")
    name = path.stem.removeprefix(_BEGINNING)
    layers = None if only is None else tuple(only)
    return VectorMap(name, _Reader(path, layers), f"{file_hash(path)}-argoverse2-{_FORMAT}")


def is_archive(path: Path | str) -> bool:
    """Whether a file is such a map: by its name, or by what it holds, whatever its name."""
    path = Path(path)
    if not path.is_file():
        return False
    if path.name.startswith(_BEGINNING):
        return True
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return b'"lane_segments"' in head or b'"drivable_areas"' in head
