"""Opens a nuScenes map expansion; its reader is loaded when it is needed."""

from __future__ import annotations

from pathlib import Path

from forecast.core.errors import DataError
from forecast.core.files import file_hash
from forecast.data.maps.vector_map import VectorMap


def load_map(path: Path | str, *, only: tuple[str, ...] | None = None) -> VectorMap:
    """Open a nuScenes map expansion (version 1.3), e.g. ``maps/expansion/boston-seaport.json``.

    The file is hashed now and decoded when the first geometry is asked for. Invalid polygons are repaired, with one
    warning that counts them.

    Args:
        path: the file.
        only: layers to read, as if the map held no others; default: all. One layer takes a fraction of the time.

    Raises:
        DataError: no such file; on first use also: truncated, too old, or with records that do not fit together.
    """
    from forecast.data.maps.expansion import ExpansionReader  # needs msgspec, which a driving stack may lack

    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"no map expansion at {path}: download 'Map expansion pack (v1.3)' from nuscenes.org and unpack it into "
            "the data set's maps/ folder"
        )
    return VectorMap(path.stem, ExpansionReader(path, only), file_hash(path))
