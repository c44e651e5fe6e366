"""Maps from elsewhere: polygons of your own, GeoJSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from forecast.core.errors import DataError
from forecast.core.files import file_hash
from forecast.data.maps.layers import Geometries, VectorMap
from forecast.data.maps.repair import Repairs


def _repaired(name: str, layers: Mapping[str, Sequence[BaseGeometry]]) -> Geometries:
    repairs = Repairs(name)
    valid = {layer: repairs.valid(layer, geometries) for layer, geometries in layers.items()}
    repairs.warn()
    return valid


class PolygonMap:
    """A map made of shapely geometries: polygons, line strings, or collections of them, in metres."""

    def __init__(self, name: str, layers: Mapping[str, Sequence[BaseGeometry]]) -> None:
        """Take geometries by layer; invalid ones are repaired, with one warning.

        Args:
            name: unique name of the map.
            layers: layer name → geometries, world frame, metres.
        """
        self._name = name
        self._layers = _repaired(name, layers)

    @property
    def name(self) -> str:
        """Unique name of the map."""
        return self._name

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers this map holds."""
        return tuple(self._layers)

    def geometries(self, layer: str) -> Sequence[BaseGeometry]:
        """All geometries of one layer; KeyError where there is no such layer."""
        return self._layers[layer]


def _read_geojson(path: Path, layer_property: str) -> Geometries:
    try:
        features: list[dict[str, Any]] = json.loads(path.read_bytes())["features"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise DataError(f"{path}: no GeoJSON FeatureCollection ({problem})") from problem
    if not isinstance(features, list):
        raise DataError(f"{path}: no GeoJSON FeatureCollection: expected a list of features, got {features!r:.80}")
    layers: dict[str, list[BaseGeometry]] = {}
    for number, feature in enumerate(features):
        try:
            layer = feature["properties"][layer_property]
            geometry = shapely.force_2d(shape(feature["geometry"]))
        except (LookupError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError) as problem:
            raise DataError(
                f"{path}, feature {number}: expected a geometry and a property {layer_property!r} that names its "
                f"layer ({problem})"
            ) from problem
        if not isinstance(layer, str):
            raise DataError(
                f"{path}, feature {number}: expected a layer's name in {layer_property!r}, got {layer!r:.80}"
            )
        layers.setdefault(layer, []).append(geometry)
    return _repaired(path.stem, layers)


def from_geojson(path: Path | str, *, layer_property: str = "layer") -> VectorMap:
    """Open a GeoJSON file as a map; its coordinates must be metres in a plane, not degrees.

    Args:
        path: a FeatureCollection.
        layer_property: the property of each feature that names its layer.

    Raises:
        DataError: no such file; on first use also: not a FeatureCollection, or a feature without a layer.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no GeoJSON file at {path}")
    return VectorMap(path.stem, partial(_read_geojson, path, layer_property), f"{file_hash(path)}-{layer_property}")
