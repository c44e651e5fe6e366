"""Reads nuScenes map expansions (version 1.3) into shapely geometries."""

from __future__ import annotations

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
from forecast.data.maps.layers import LAYERS, Geometries
from forecast.data.maps.repair import Repairs

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
        layers = {
            name: repairs.valid(name, shapes.of_layer(name))
            for name, layer in LAYERS.items()
            if layer.kind != "direction"
            and (self.only is None or name in self.only)
            and (name if layer.kind != "centre_line" else "arcline_path_3") in tables
        }
        repairs.warn()
        return layers

    def _tables(self) -> dict[str, msgspec.Raw]:
        try:
            tables = msgspec.json.decode(self.path.read_bytes(), type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, OSError) as problem:
            raise DataError(f"{self.path} cannot be read ({problem}): the file is truncated or no map") from problem
        version = _decode(self.path, tables, "version", str) if "version" in tables else "1.0"
        if version < "1.3":
            raise DataError(f"{self.path} is of map version {version}, expected 1.3: download the map expansion again")
        for table in ("node", "polygon", "line"):
            if table not in tables:
                raise DataError(f"{self.path} has no table {table!r}: expected a nuScenes map expansion")
        return tables


def _decode(path: Path, tables: dict[str, msgspec.Raw], table: str, kind: type[msgspec.T]) -> msgspec.T:  # type: ignore[name-defined]
    try:
        return msgspec.json.decode(tables[table], type=kind)
    except msgspec.DecodeError as problem:
        raise DataError(f"{path}, table {table!r}: {problem}") from problem


class _Shapes:
    """The three geometric tables of a file, joined on demand."""

    def __init__(self, path: Path, tables: dict[str, msgspec.Raw]) -> None:
        self._path, self._tables = path, tables
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
            return [centre_line(pieces) for pieces in paths.values() if pieces]
        records = _decode(self._path, self._tables, name, list[_Record])
        if LAYERS[name].kind == "line":
            return [self._line(name, record) for record in records]
        return [
            self._polygon(name, record, token)
            for record in records
            for token in (record.polygon_tokens or [record.polygon_token])
        ]

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
