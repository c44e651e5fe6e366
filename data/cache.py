"""Opens a data set: reads its files once into a cache of columns, and maps that ever after."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from filelock import FileLock

from forecast.core.errors import DataError, DataWarning
from forecast.data.cache_folder import default_cache
from forecast.data.data_format import DataFolder
from forecast.data.file_digests import combined_digest, digests_of
from forecast.data.prepared import Dataset
from forecast.data.source_registry import source_of
from forecast.data.store import Damaged, write_store

__all__ = ["Dataset", "default_cache", "open_dataset"]

#: Raise it whenever the arrays, or how they are computed, change: older caches are then made anew. Fingerprints, which
#: runs and reports record, change with it.
FORMAT = 4
#: Raise it where only what is stored beside the arrays changes.
_STORED = 7


def open_dataset(
    dataroot: str | Path,
    version: str | None = None,
    cache: str | Path | None = None,
    *,
    source: str | None = None,
    **options: Any,
) -> Dataset:
    """Open a data set; the first time its files are read into a cache, later they are memory-mapped.

    A cache is used only if it was made from exactly the present content of the folder by this format, and is whole;
    otherwise it is made anew. Several processes may call this at once: one works, the others wait. The data root is
    never written to. What the user should know of it (:attr:`Dataset.remarks`) is a :class:`DataWarning` each time the
    cache is made.

    Args:
        dataroot: the folder; of nuScenes, and of towns, the one that holds the version's folder and ``maps``.
        version: of nuScenes, e.g. ``v1.0-mini``; other data sets have none.
        cache: folder of caches; by default :func:`default_cache`.
        source: name of the kind of data set (:func:`~forecast.data.source_registry.source_names`), where what lies in
            the folder does not tell.
        options: what only that kind knows. nuScenes: ``categories`` and ``ego_channel``
            (:class:`~forecast.data.nuscenes.nuscenes_source.NuScenes`). Argoverse 2: ``step_s``
            (:class:`~forecast.data.argoverse2.argoverse2_source.Argoverse2`).

    Raises:
        DataError: one line: which file and entry is missing, damaged or unexpected, or that the cache cannot be
            written.
    """
    dataroot = Path(dataroot).expanduser().resolve()
    files = source_of(dataroot, version, source).open(dataroot, version, **options)
    place = Path(cache).expanduser() if cache is not None else default_cache()
    try:
        place.mkdir(parents=True, exist_ok=True)
        return _open(files, place.resolve())
    except OSError as fault:
        raise DataError(
            f"{place}: cannot hold the cache ({fault}); choose another with --cache or FORECAST_CACHE"
        ) from fault


def _open(files: DataFolder, place: Path) -> Dataset:
    memory = place / f"inputs-{combined_digest([str(files.dataroot), files.version])[:16]}.json"
    digests = digests_of(files.files(), memory)
    content = [f"{name} {digests[name]}" for name in sorted(digests)]
    fingerprint = combined_digest([f"format {FORMAT}", files.settings, *content])
    entry = place / f"{files.version}-{combined_digest([fingerprint, f'stored {_STORED}'])[:16]}"
    try:
        return Dataset(files, fingerprint, entry)
    except Damaged:
        pass
    with FileLock(place / f".{entry.name}.lock"):
        try:  # another process may have made it while this one waited
            return Dataset(files, fingerprint, entry)
        except Damaged:
            columns, notes = files.read()
            write_store(entry, fingerprint, columns.arrays(), notes)
    dataset = Dataset(files, fingerprint, entry)
    for remark in dataset.remarks:
        warnings.warn(f"{files.where}: {remark}", DataWarning, stacklevel=3)
    return dataset
