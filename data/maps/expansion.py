"""Reads nuScenes map expansions (version 1.3 and later) into shapely geometries."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from forecast.core.errors import DataError
from forecast.data.maps.arclines import ArcLine, centre_line
from forecast.data.maps.layers import LAYERS, did_you_mean
from forecast.data.maps.repair import Repairs, check_metres
from forecast.data.maps.vector_map import Geometries

Points = NDArray[np.float64]


class _Node(msgspec.Struct):
    token: str
    x: float
    y: float


class _Hole(msgspec.Struct):
    node_tokens: list[str]


class _Polygon(msgspec.Struct):
    token: str
    exterior_node_tokens: list[str]
    holes: list[_Hole] = []


class _Line(msgspec.Struct):
    token: str
    node_tokens: list[str]


class _Record(msgspec.Struct):
    """A record of any layer: it names one polygon, several, or a line."""

    token: str
    polygon_token: str | None = None
    polygon_tokens: list[str] = []
    line_token: str | None = None


@dataclass(frozen=True)
class ExpansionReader:
    """Reads one expansion file; an object rather than a closure, so that it can be pickled."""

    path: Path
    only: tuple[str, ...] | None = None

    def __call__(self) -> Geometries:
        """Read all layers that the file holds, or those of ``only``.

        Raises:
            DataError: the file is damaged or too old.
        """
        tables = self._tables()
        repairs = Repairs(self.path.stem)
        shapes = _Shapes(self.path, tables)
        wanted = [
            name
            for name, layer in LAYERS.items()
            if layer.kind != "direction" and (self.only is None or name in self.only)
        ]
        layers = {name: repairs.valid(name, shapes.of_layer(name)) for name in wanted if _table(name) in tables}
        for _ in range(shapes.without_length):
            repairs.leave_out("lane_centre", "without a length")
        self._warn_of_names(tables, [_table(name) for name in wanted if name not in layers])
        check_metres(str(self.path), layers)
        repairs.warn()
        return layers

    def _tables(self) -> dict[str, msgspec.Raw]:
        try:
            tables = msgspec.json.decode(self.path.read_bytes(), type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, OSError) as problem:
            raise DataError(f"{self.path} cannot be read ({problem}): the file is truncated or no map") from problem
        if "type" in tables and "node" not in tables:
            raise DataError(f"{self.path} is GeoJSON, expected a nuScenes map expansion: open it with from_geojson")
        for table in ("node", "polygon", "line"):
            if table not in tables:
                raise DataError(f"{self.path} has no table {table!r}: expected a nuScenes map expansion")
        # Some write it as a number.
        said: object = _decode(self.path, tables, "version", object) if "version" in tables else "1.0"
        version = re.fullmatch(r"v?(\d+)\.(\d+)(\.\d+)*", str(said).strip())
        if version is None:
            raise DataError(f'{self.path}: map version {said!r:.40}, expected 1.3 or newer, as in "1.3"')
        if (int(version[1]), int(version[2])) < (1, 3):
            raise DataError(f"{self.path} is of map version {said}, expected 1.3: download the map expansion again")
        return tables

    def _warn_of_names(self, tables: Iterable[str], lacking: Sequence[str]) -> None:
        """Tables of other names are not read: say so of one that is nearly the name of a layer which is not there."""
        tail = did_you_mean(tables, lacking)
        if tail:
            warnings.warn(f"map {self.path.stem}: a table that is not read{tail}", stacklevel=4)


def _decode(path: Path, tables: dict[str, msgspec.Raw], table: str, kind: type[msgspec.T]) -> msgspec.T:  # type: ignore[name-defined]
    try:
        return msgspec.json.decode(tables[table], type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise DataError(f"{path}, table {table!r}: {problem}") from problem


def _table(layer: str) -> str:
    return layer if LAYERS[layer].kind != "centre_line" else "arcline_path_3"


class _Shapes:
    """The three geometric tables of a file, joined on demand."""

    def __init__(self, path: Path, tables: dict[str, msgspec.Raw]) -> None:
        self._path, self._tables = path, tables
        self.without_length = 0
        nodes = _decode(path, tables, "node", list[_Node])
        self._node_row = {node.token: row for row, node in enumerate(nodes)}
        self._node_xy = np.array([(node.x, node.y) for node in nodes], np.float64).reshape(-1, 2)
        self._polygons = {p.token: p for p in _decode(path, tables, "polygon", list[_Polygon])}

    @cached_property
    def _lines(self) -> dict[str, _Line]:
        return {line.token: line for line in _decode(self._path, self._tables, "line", list[_Line])}

    def of_layer(self, name: str) -> list[BaseGeometry]:
        if LAYERS[name].kind == "centre_line":
            paths = _decode(self._path, self._tables, "arcline_path_3", dict[str, list[ArcLine]])
            lines = [self._centre_line(token, pieces) for token, pieces in paths.items()]
            self.without_length += sum(line.is_empty for line in lines)
            return lines
        records = _decode(self._path, self._tables, name, list[_Record])
        if LAYERS[name].kind == "line":
            return [self._line(name, record) for record in records]
        return [
            self._polygon(name, record, token)
            for record in records
            for token in (record.polygon_tokens or [record.polygon_token])
        ]

    def _centre_line(self, token: str, pieces: list[ArcLine]) -> BaseGeometry:
        try:
            return centre_line(pieces)
        except ValueError as problem:
            raise DataError(f"{self._path}, arcline_path_3 {token}: {problem}") from problem

    def _xy(self, name: str, record: _Record, tokens: list[str]) -> Points:
        try:
            xy: Points = self._node_xy[[self._node_row[token] for token in tokens]]
        except KeyError as missing:
            raise DataError(f"{self._path}, {name} {record.token}: no node {missing} in table 'node'") from missing
        if not np.isfinite(xy).all():
            raise DataError(f"{self._path}, {name} {record.token}: a node's position is not a number")
        return xy

    def _polygon(self, name: str, record: _Record, token: str | None) -> BaseGeometry:
        polygon = self._polygons.get(token or "")
        if polygon is None:
            raise DataError(f"{self._path}, {name} {record.token}: no polygon {token!r} in table 'polygon'")
        if len(polygon.exterior_node_tokens) < 3:
            return shapely.Polygon()
        holes = [self._xy(name, record, hole.node_tokens) for hole in polygon.holes if len(hole.node_tokens) > 2]
        return shapely.Polygon(self._xy(name, record, polygon.exterior_node_tokens), holes)

    def _line(self, name: str, record: _Record) -> BaseGeometry:
        line = self._lines.get(record.line_token or "")
        if line is None:
            raise DataError(f"{self._path}, {name} {record.token}: no line {record.line_token!r} in table 'line'")
        # Lines without nodes exist in the published maps.
        if len(line.node_tokens) < 2:
            return shapely.LineString()
        return shapely.LineString(self._xy(name, record, line.node_tokens))
