"""Keeps baked maps in the cache: made on demand, memory-mapped ever after."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import shapely
from filelock import FileLock

from forecast.core.crops import CropSpec
from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.data.cache_folder import default_cache
from forecast.data.maps.bake import BakedMap, bake, bake_for, resolution
from forecast.data.maps.layers import drawn_from
from forecast.data.maps.pieces import check_held, line_widths_m
from forecast.data.store import Damaged, read_store, write_store

#: Raise it whenever what is baked, or how, changes: older files are then made anew.
FORMAT = 2


class _Notes(msgspec.Struct, frozen=True):
    cells_per_m: float
    origin_cells: tuple[int, int]


def fingerprint(source: MapSource, layers: tuple[str, ...]) -> str:
    """Hash of a map's content: its own, where it has one, else of the geometry of the layers."""
    own = getattr(source, "fingerprint", None)
    if own is not None:
        return str(own)
    digest = hashlib.blake2b(digest_size=16)
    behind = {drawn_from(layer) for layer in layers}
    for layer in sorted(behind.intersection(source.layers)):
        digest.update(layer.encode())
        for geometry in source.geometries(layer):
            digest.update(shapely.to_wkb(geometry))
    return digest.hexdigest()


def open_baked(
    source: MapSource, spec: CropSpec, cache: Path | str | None = None, *, devkit_compatible: bool = False
) -> BakedMap:
    """Open a baked map, baking it first where the cache holds no sound one.

    A file counts only if it was made from exactly this content by this format, and is whole. Several processes may
    call this at once: one bakes, the others wait.

    Args:
        source: the map.
        spec: gives channels and resolution; its extent does not matter.
        cache: folder of caches; by default :func:`~forecast.data.cache.default_cache`.
        devkit_compatible: areas with their borders and lines two pixels wide, as the devkit draws them.

    Raises:
        DataError: the map is damaged, or the cache cannot be written.
    """
    place = (Path(cache).expanduser() if cache is not None else default_cache()) / "maps"
    settings = (
        FORMAT,
        fingerprint(source, spec.layers),
        spec.channels,
        line_widths_m(spec.layers),
        resolution(spec),
        devkit_compatible,
    )
    key = hashlib.blake2b(repr(settings).encode(), digest_size=16).hexdigest()
    entry = place / f"{source.name}-{key[:16]}"
    try:
        return _read(entry, key)
    except Damaged:
        pass
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / f".{entry.name}.lock"):
            try:  # another process may have made it while this one waited
                return _read(entry, key)
            except Damaged:
                check_held(source, spec.layers, may_be_blank=True)
                _write(entry, key, _baked(source, spec, devkit_compatible))
        return _read(entry, key)
    except OSError as fault:
        raise DataError(f"{place}: cannot hold the cache ({fault}); choose another with FORECAST_CACHE") from fault


def _baked(source: MapSource, spec: CropSpec, devkit_compatible: bool) -> BakedMap:
    if not devkit_compatible:
        return bake_for(source, spec)
    cells_per_m, cells = resolution(spec)
    border_m = 0.5 / spec.px_per_m
    return bake(source, spec.channels, cells_per_m, cells, border_m=border_m, line_m=2 / spec.px_per_m - 2 * border_m)


def _write(entry: Path, key: str, baked: BakedMap) -> None:
    notes = _Notes(baked.cells_per_m, baked.origin_cells)
    write_store(entry, key, {"pages": baked.pages, "tiles": baked.tiles}, notes)


def _read(entry: Path, key: str) -> BakedMap:
    arrays, notes = read_store(entry, key)
    said = msgspec.json.decode(notes, type=_Notes)
    return BakedMap(said.cells_per_m, said.origin_cells, arrays["pages"], arrays["tiles"])
