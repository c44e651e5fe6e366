"""A baked map as one portable file: safetensors, with a JSON header."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from forecast.core.crops import CropSpec
from forecast.core.errors import DataError
from forecast.core.files import written_whole
from forecast.core.maps import MapSource
from forecast.data.maps.bake import TILE_CELLS, BakedMap, bake_for, planes, resolution
from forecast.data.maps.pieces import check_held, check_layers

RASTER_FORMAT = 1
_KIND = "cab-forecast map raster"


def save_raster(path: Path | str, source: MapSource, spec: CropSpec) -> None:
    """Bake a map for a model's crops and write it.

    Args:
        path: of the file, e.g. ``town.raster``.
        source: the map.
        spec: of the model: ``Forecaster.config.crop``. Its extent does not matter.

    Raises:
        DataError: the map is damaged, or holds none of the layers that the crops show.
    """
    check_layers(source, spec.layers)
    check_held(source, spec.layers)
    baked = bake_for(source, spec)
    arrays: dict[str, NDArray[Any]] = {"pages": baked.pages, "tiles": np.ascontiguousarray(baked.tiles)}
    header = {
        "name": source.name,
        "channels": spec.channels,
        "cells_per_m": baked.cells_per_m,
        "origin_cells": baked.origin_cells,
    }
    told = json.dumps(header, sort_keys=True)
    metadata = {"kind": _KIND, "format_version": str(RASTER_FORMAT), "header": told, "sha256": _digest(arrays, told)}
    with written_whole(path) as temporary:
        # Not save_file: it makes a file that its owner alone may read.
        temporary.write_bytes(save(arrays, metadata))


def load_raster(path: Path | str, spec: CropSpec) -> BakedMap:
    """Read a baked map.

    Args:
        path: as :func:`save_raster` wrote it.
        spec: of the crops that it shall serve.

    Raises:
        DataError: missing, damaged, or baked for other channels or another resolution.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; save_raster writes one")
    try:
        with safe_open(path, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: not a whole raster file ({' '.join(str(error).split())[:120]})") from error
    header = _header(path, metadata, arrays)
    channels = tuple(tuple(channel) for channel in header["channels"])
    wanted = resolution(spec)[0]
    if channels != spec.channels or abs(header["cells_per_m"] - wanted) > 1e-9 * wanted:
        raise DataError(
            f"{path}: baked for channels {channels} at {header['cells_per_m']:g} cells/m; this model reads "
            f"{spec.channels} at {wanted:g}: bake the map again, for its config.crop"
        )
    column, row = header["origin_cells"]
    return BakedMap(header["cells_per_m"], (column, row), arrays["pages"], arrays["tiles"])


def _header(path: Path, metadata: dict[str, str], arrays: dict[str, Any]) -> dict[str, Any]:
    if metadata.get("kind") != _KIND:
        raise DataError(f"{path}: a safetensors file, but not a map that save_raster wrote")
    if metadata.get("format_version") != str(RASTER_FORMAT):
        raise DataError(
            f"{path}: raster format {metadata.get('format_version')}, this package reads {RASTER_FORMAT}: bake it again"
        )
    told = metadata.get("header", "")
    if metadata.get("sha256") != _digest(arrays, told):
        raise DataError(f"{path}: its checksum does not match, the file was altered or damaged; copy it again")
    header: dict[str, Any] = json.loads(told)
    expected = (len(planes(header["channels"])), TILE_CELLS, TILE_CELLS)
    tiles = arrays["tiles"].shape
    if (tiles[0], *tiles[2:]) != expected or arrays["pages"].max(initial=0) >= tiles[1]:
        raise DataError(f"{path}: its tiles do not fit its channels; bake it again")
    return header


def _digest(arrays: dict[str, Any], header: str) -> str:
    hashed = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        hashed.update(f"{name} {array.dtype} {array.shape}".encode())
        hashed.update(array.tobytes())
    return hashed.hexdigest()
