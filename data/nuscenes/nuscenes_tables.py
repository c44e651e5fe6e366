"""The nuScenes tables, as far as this package needs them: one typed row class a table.

Fields that are not listed are skipped unread; ``prev`` and ``next`` links are among them, because tracks are put in
order by the time stamps of their key frames, so that broken links cannot lose data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from forecast.core.errors import DataError, one_of
from forecast.data.nuscenes.json_rows import read_rows

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


class Named(msgspec.Struct, gc=False):
    """A row of ``category`` or ``attribute``."""

    token: str
    name: str


class Log(msgspec.Struct, gc=False):
    """A row of ``log``."""

    token: str
    location: str


class MapMask(msgspec.Struct, gc=False):
    """A row of ``map``: the semantic prior, a mask of the drivable area as a picture."""

    token: str
    category: str
    filename: str
    log_tokens: list[str]


class SceneRow(msgspec.Struct, gc=False):
    """A row of ``scene``."""

    token: str
    name: str
    log_token: str


class Sample(msgspec.Struct, gc=False):
    """A row of ``sample``: a key frame; the time stamp is in microseconds."""

    token: str
    timestamp: int
    scene_token: str


class Instance(msgspec.Struct, gc=False):
    """A row of ``instance``: an annotated object, followed through one scene."""

    token: str
    category_token: str


class Annotation(msgspec.Struct, gc=False):
    """A row of ``sample_annotation``; size is width, length, height in metres; rotation is w, x, y, z."""

    token: str
    sample_token: str
    instance_token: str
    attribute_tokens: list[str]
    translation: Vector
    size: Vector
    rotation: Quaternion


class Sensor(msgspec.Struct, gc=False):
    """A row of ``sensor``."""

    token: str
    channel: str


class CalibratedSensor(msgspec.Struct, gc=False):
    """A row of ``calibrated_sensor``."""

    token: str
    sensor_token: str


class SampleData(msgspec.Struct, gc=False):
    """A row of ``sample_data``: one reading of one sensor."""

    sample_token: str
    ego_pose_token: str
    calibrated_sensor_token: str
    is_key_frame: bool


class EgoPose(msgspec.Struct, gc=False):
    """A row of ``ego_pose``: where the ego's rear axle is; rotation is w, x, y, z."""

    token: str
    translation: Vector
    rotation: Quaternion


#: The tables that are read; all of them must exist.
TABLES: Mapping[str, type[msgspec.Struct]] = {
    "attribute": Named,
    "calibrated_sensor": CalibratedSensor,
    "category": Named,
    "ego_pose": EgoPose,
    "instance": Instance,
    "log": Log,
    "map": MapMask,
    "sample": Sample,
    "sample_annotation": Annotation,
    "sample_data": SampleData,
    "scene": SceneRow,
    "sensor": Sensor,
}


class _HasToken(Protocol):
    token: str


Row = TypeVar("Row", bound=msgspec.Struct)


def table_path(folder: Path, table: str) -> Path:
    """Path of a table, e.g. ``…/v1.0-mini/sample.json``."""
    return folder / f"{table}.json"


def read_table(folder: Path, table: str, row_type: type[Row]) -> list[Row]:
    """Read a small table whole.

    Raises:
        DataError: missing, damaged, or not as expected.
    """
    return read_rows(table_path(folder, table), row_type)


def index_by_token(rows: Sequence[_HasToken], path: Path) -> dict[str, int]:
    """Map each row's token to its index.

    Raises:
        DataError: two rows share a token.
    """
    index = {row.token: number for number, row in enumerate(rows)}
    if len(index) != len(rows):
        seen: dict[str, int] = {}
        for number, row in enumerate(rows):
            if seen.setdefault(row.token, number) != number:
                raise DataError(f"{path}: entries {seen[row.token]} and {number} have the same token {row.token}")
    return index


def resolve(index: Mapping[str, int], token: str, *, where: str, field: str, target: str) -> int:
    """Follow a token into another table.

    Raises:
        DataError: there is no such row; names the referring entry.
    """
    found = index.get(token)
    if found is None:
        raise DataError(f"{where}: {field} {token!r} is not in {target}.json")
    return found


def version_folder(dataroot: Path, version: str) -> Path:
    """The folder of a version's tables.

    Raises:
        DataError: the data root or the version does not exist; lists the versions that do. Or a path in place of a
            version's name.
    """
    if not dataroot.is_dir():
        raise DataError(f"{dataroot}: no such folder; --dataroot is the folder that holds v1.0-… and maps")
    if Path(version).name != version:
        raise DataError(f"version '{version}': expected the name of a folder in {dataroot}, e.g. v1.0-mini")
    folder = dataroot / version
    if folder.is_dir():
        return folder
    versions = [path.parent.name for path in dataroot.glob("*/sample_annotation.json")]
    if not versions:
        raise DataError(f"{dataroot}: holds no nuScenes tables (no */sample_annotation.json)")
    raise DataError(f"{dataroot}: no version {version!r}; {one_of(versions, version)}")
