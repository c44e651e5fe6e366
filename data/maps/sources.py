"""Maps from other sources: your own polygons, GeoJSON files."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from forecast.core.errors import DataError
from forecast.core.files import file_hash
from forecast.data.argoverse2.archive_map import is_archive, load_archive
from forecast.data.maps.expansion_map import load_map
from forecast.data.maps.layers import near_layer
from forecast.data.maps.repair import Repairs, check_metres
from forecast.data.maps.vector_map import Geometries, VectorMap

#: What an object of GeoJSON may be; any of them stands early in a file that is one.
_GEOJSON = re.compile(
    rb'"type"\s*:\s*"(Feature|FeatureCollection|GeometryCollection|(Multi)?(Point|LineString|Polygon))"'
)
_HEAD_BYTES = 1 << 16
#: Geographic coordinate systems: their coordinates are degrees.
_DEGREES = re.compile(r"CRS:?:?(84|83|27)|EPSG[:/\d.]*[:/](4\d{3})\b|WGS ?84$", re.IGNORECASE)
_WEB_MERCATOR = re.compile(r"EPSG[:/\d.]*[:/](3857|900913|3785)\b", re.IGNORECASE)

#: Geometries of one layer as people hold them: a list, a GeoSeries or array with gaps (None), or one alone.
LayerLike: TypeAlias = BaseGeometry | Iterable[BaseGeometry | None]


class PolygonMap:
    """A map made of shapely geometries: polygons, line strings, or collections of them, in metres."""

    def __init__(self, name: str, layers: Mapping[str, LayerLike]) -> None:
        """Take geometries by layer; invalid ones are repaired, with one warning.

        Args:
            name: unique name of the map.
            layers: layer name → geometries, world frame, metres. One alone counts as a list of one; None, as geopandas
                has it for a missing geometry, and points are left out, with one warning that counts them.

        Raises:
            DataError: what is given is no geometry, a layer of areas holds lines or points, or all is in degrees.
        """
        self._name = name
        if not isinstance(layers, Mapping):
            raise DataError(f"map {name}: expected {{layer: [geometries]}}, found {type(layers).__name__}")
        repairs = Repairs(name)
        self._layers: Geometries = {
            layer: repairs.valid(layer, _taken(f"map {name}", layer, given, repairs)) for layer, given in layers.items()
        }
        check_metres(f"map {name}", self._layers)
        repairs.warn()

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


def _taken(where: str, layer: str, given: Any, repairs: Repairs) -> list[BaseGeometry]:
    """The geometries of a layer, taken apart."""
    if not isinstance(layer, str):
        raise DataError(f"{where}: expected the names of layers as keys, found {layer!r:.80}")
    where = f"{where}, layer {layer}"
    if not isinstance(given, BaseGeometry):
        given = getattr(given, "geometry", given)  # of a GeoDataFrame, whose items are names of columns
    if isinstance(given, BaseGeometry):
        given = [given]
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise DataError(f"{where}: expected shapely geometries, found {type(given).__name__} {given!r:.80}")
    found: list[BaseGeometry] = []
    for number, geometry in enumerate(given):
        if geometry is None or (isinstance(geometry, float) and geometry != geometry):
            repairs.leave_out(layer, "without geometry")
        elif isinstance(geometry, BaseGeometry):
            found += repairs.taken(f"{where}, geometry {number}", layer, geometry)
        else:
            raise DataError(
                f"{where}, geometry {number}: expected a shapely geometry, found {type(geometry).__name__} "
                f"{geometry!r:.80}"
            )
    return found


def _read_geojson(path: Path, layer_property: str) -> Geometries:
    document, features = _features(path)
    _check_crs(path, document.get("crs"))
    repairs = Repairs(path.stem)
    layers: dict[str, list[BaseGeometry]] = {}
    for number, feature in enumerate(features):
        where = f"{path}, feature {number}"
        if isinstance(feature, dict) and feature.get("geometry", feature) is None:  # allowed: a place not known
            layer = (feature.get("properties") or {}).get(layer_property)
            repairs.leave_out(str(layer), "without geometry")
            if isinstance(layer, str):
                layers.setdefault(layer, [])
            continue
        layer = _layer_of(where, feature, layer_property)
        try:
            geometry = shape(feature["geometry"])
        except (LookupError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError) as problem:
            raise DataError(f"{where}: not a geometry that GeoJSON has ({problem})") from problem
        layers.setdefault(layer, []).extend(repairs.taken(where, layer, geometry))
    valid = {layer: repairs.valid(layer, geometries) for layer, geometries in layers.items()}
    check_metres(str(path), valid)
    repairs.warn()
    return valid


def _features(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """What a file holds, and its features; a single feature counts as a collection of one."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as problem:
        raise DataError(f"{path}: no GeoJSON FeatureCollection ({problem})") from problem
    found = document.get("features") if isinstance(document, dict) else document
    if isinstance(document, dict) and document.get("type") == "Feature":
        found = [document]
    if not isinstance(document, dict) or not isinstance(found, list):
        what = document.get("type") if isinstance(document, dict) and found is None else found
        raise DataError(
            f"{path}: no GeoJSON FeatureCollection: expected a list of features, got {what!r:.80}; what names the "
            "layer of a geometry is a property of its feature"
        )
    return document, found


def _layer_of(where: str, feature: Any, layer_property: str) -> str:
    """The layer that a feature names."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(feature, dict) or "geometry" not in feature or not isinstance(properties, Mapping):
        raise DataError(
            f"{where}: expected a geometry and a property {layer_property!r} that names its layer, got {feature!r:.80}"
        )
    if layer_property not in properties:
        near = near_layer(layer_property, properties)
        known = f"did you mean layer_property={near!r}? " if near else ""
        raise DataError(
            f"{where}: no property {layer_property!r} that names its layer; {known}"
            f"it has {', '.join(list(properties)[:8]) or 'none'}"
        )
    layer = properties[layer_property]
    if not isinstance(layer, str):
        raise DataError(f"{where}: expected a layer's name in {layer_property!r}, got {layer!r:.80}")
    return layer


def _check_crs(path: Path, crs: Any) -> None:
    """Refuse coordinates that a file itself says are degrees."""
    properties = crs.get("properties") if isinstance(crs, Mapping) else None
    said = properties if isinstance(properties, Mapping) else {}
    name = f"EPSG:{said['code']}" if "code" in said else str(said.get("name", crs or ""))
    if _DEGREES.search(name):
        raise DataError(
            f"{path}: its coordinates are degrees (crs {name:.80}); expected metres in the agents' own plane, project "
            "it first (e.g. to UTM)"
        )
    if _WEB_MERCATOR.search(name):
        warnings.warn(
            f"map {path.stem}: the metres of its crs ({name:.80}) grow with latitude, to twice a metre at 60°; "
            "project it to a local plane (e.g. UTM)",
            stacklevel=2,
        )


def from_geojson(path: Path | str, *, layer_property: str = "layer") -> VectorMap:
    """Open a GeoJSON file as a map; its coordinates must be metres in a plane, not degrees.

    Features without a geometry (null) and points are left out, with one warning that counts them; a third coordinate
    is not read.

    Args:
        path: a FeatureCollection, or a single Feature.
        layer_property: the property of each feature that names its layer.

    Raises:
        DataError: no such file; on first use also: not a FeatureCollection, a feature without a layer, lines or points
            in a layer of areas, or coordinates in degrees (by its ``crs``, or its size).
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no GeoJSON file at {path}")
    return VectorMap(path.stem, partial(_read_geojson, path, layer_property), f"{file_hash(path)}-{layer_property}")


def is_geojson(path: Path | str) -> bool:
    """Whether a file is GeoJSON: by its suffix ``.geojson``, or by its beginning, whatever its name."""
    path = Path(path)
    if path.suffix.lower() == ".geojson":
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _GEOJSON.search(file.read(_HEAD_BYTES)) is not None


def open_map(path: Path | str) -> VectorMap:
    """Open a map file; its kind is detected from its content: GeoJSON in metres, an Argoverse 2 map, or a nuScenes one.

    Raises:
        DataError: see :func:`from_geojson` and :func:`~forecast.data.maps.expansion_map.load_map`.
    """
    if is_geojson(path):
        return from_geojson(path)
    return load_archive(path) if is_archive(path) else load_map(path)
