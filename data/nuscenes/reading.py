"""How a folder in nuScenes' form is to be read where it is not quite nuScenes: ``forecast.yaml`` beside its tables."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import yaml  # type: ignore[import-untyped]

from forecast.core.agents import AgentType
from forecast.core.errors import DataError, DataWarning, one_of

FILE_NAME = "forecast.yaml"

Kind = Literal["vehicle", "pedestrian", "cyclist", "other"]


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a user says about a folder.

    Attributes:
        ego_channel: the sensor whose key frames have the ego's poses; by default ``LIDAR_TOP``, or else the one that
            covers most key frames.
        categories: category name → agent type, where the name does not tell.
    """

    ego_channel: str | None = None
    categories: dict[str, Kind] = {}

    def agent_type(self, category: str) -> AgentType | None:
        """What the user says a category is; None where nothing is said."""
        kind = self.categories.get(category)
        return None if kind is None else AgentType[kind.upper()]


def read_reading(
    folder: Path, *, ego_channel: str | None = None, categories: Mapping[str, str] | None = None
) -> Reading:
    """Read ``forecast.yaml`` of a version's folder, if there is one; arguments win over it, category by category.

    Raises:
        DataError: the file, or an argument, is not as documented.
    """
    path = folder / FILE_NAME
    astray = folder.parent / FILE_NAME
    if not path.exists() and astray.exists():
        warnings.warn(f"{astray}: not read; it belongs beside the tables, in {folder}", DataWarning, stacklevel=5)
    told = _reading(_values(path), str(path)) if path.exists() else Reading()
    given = _reading({"ego_channel": ego_channel, "categories": dict(categories or {})}, "open_dataset")
    return Reading(given.ego_channel or told.ego_channel, {**told.categories, **given.categories})


def check_categories(reading: Reading, names: Iterable[str], folder: Path) -> None:
    """Refuse what is said about a category that does not exist.

    Raises:
        DataError: names the nearest one that does.
    """
    known = set(names)
    for name in reading.categories:
        if name not in known:
            raise DataError(f"{folder}: categories: no category {name!r} in category.json; {one_of(known, name)}")


def _values(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        raise DataError(f"{path}: cannot be read as YAML: {' '.join(str(fault).split())[:200]}") from None


def _reading(values: Any, where: str) -> Reading:
    categories = values.get("categories") if isinstance(values, Mapping) else None
    for name, kind in categories.items() if isinstance(categories, Mapping) else ():
        if isinstance(kind, str) and kind not in get_args(Kind):
            raise DataError(f"{where}: categories: {name}: no kind {kind!r}; {one_of(get_args(Kind), kind)}")
    try:
        return msgspec.convert(values, Reading)
    except msgspec.ValidationError as fault:
        kinds = ", ".join(kind.name.lower() for kind in AgentType if kind is not AgentType.PADDING)
        raise DataError(
            f"{where}: {fault}; expected ego_channel: CHANNEL, and categories: NAME: one of {kinds}"
        ) from None
