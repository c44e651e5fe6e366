"""Reads configurations: YAML files that extend each other, keys from the command line; every mistake one line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import jsonargparse
import yaml  # type: ignore[import-untyped]

from forecast.core.errors import ConfigError, one_of
from forecast.model.network_config import NetworkConfig
from forecast.model.network_registry import DEFAULT_NETWORK, network_class
from forecast.model.objective_config import ObjectiveConfig
from forecast.model.objective_registry import DEFAULT_OBJECTIVE, OBJECTIVES, objective_named
from forecast.training.config_layers import Values, config_names, flat, layers_of, overrides_of
from forecast.training.old_names import current_keys, current_name
from forecast.training.schedules import SchedulesConfig
from forecast.training.schema import (
    AdaptConfig,
    ConsistencyConfig,
    DataConfig,
    OptimiserConfig,
    RunConfig,
    TrainingConfig,
)

__all__ = ["as_dict", "as_yaml", "config_names", "load_config", "parsed", "section_classes", "settings_of"]

_COMMAND_LINE = "the command line"


def load_config(
    name_or_path: str | Path, overrides: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Read a configuration.

    A YAML file may start from another one with ``extends: NAME``. Where it names another network or objective than
    that one, the constants that belong to the earlier one alone do not carry over.

    Args:
        name_or_path: bare name of a configuration of the package, or a path to a YAML file.
        overrides: command line arguments, ``--a.b value`` or ``--a.b=value``; values are YAML.
        settings: the same as a mapping from dotted key to value; wins over ``overrides``.

    Raises:
        ConfigError: unknown name, key or wrong value; one line.
    """
    layers = layers_of(current_name(str(name_or_path)))
    given = {**overrides_of(overrides), **dict(flat(settings or {}))}
    return _resolved([*layers, (_COMMAND_LINE, given)])


def settings_of(name: str) -> dict[str, Any]:
    """What a configuration of the package says itself, by dotted key: its differences from the defaults.

    To be put on another configuration: ``load_config("query_cab", settings=settings_of("trajectron"))`` is the plain
    objective with the settings of ``query_cab``.
    """
    values: Values = {}
    for _, layer in layers_of(name):
        for key, value in layer.items():
            _set(values, key, value)
    return values


def parsed(values: Mapping[str, Any], where: str = "configuration", overrides: Sequence[str] = ()) -> TrainingConfig:
    """The configuration that plain mappings hold, e.g. what :func:`as_dict` gave.

    Args:
        values: by section and key.
        where: what holds them, for messages; empty for no advice about names of earlier versions.
        overrides: command line arguments, which win.

    Raises:
        ConfigError: an unknown key, a value of the wrong type or out of range.
    """
    return _resolved([(where, dict(flat(values))), (_COMMAND_LINE, overrides_of(overrides))])


def as_dict(config: TrainingConfig | NetworkConfig) -> dict[str, Any]:
    """A configuration as plain mappings, lists and scalars: what YAML and JSON hold."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(config))
    return plain


def as_yaml(config: TrainingConfig) -> str:
    """The whole of a configuration as YAML, which :func:`load_config` reads again."""
    text: str = yaml.safe_dump(as_dict(config), sort_keys=False, allow_unicode=True)
    return text


def section_classes(network: str = DEFAULT_NETWORK, objective: str = DEFAULT_OBJECTIVE) -> dict[str, type[Any]]:
    """The dataclass behind each section of a configuration.

    Raises:
        ConfigError: there is no such network or objective.
    """
    return {
        "data": DataConfig,
        "model": network_class(network).config_class,
        "objective": objective_named(objective).constants,
        "consistency": ConsistencyConfig,
        "adapt": AdaptConfig,
        "schedules": SchedulesConfig,
        "optimiser": OptimiserConfig,
        "run": RunConfig,
    }


@dataclass(frozen=True)
class _Chosen:
    """The network and the objective, whose dataclasses type the sections ``model`` and ``objective``."""

    network: str = DEFAULT_NETWORK
    objective: str = DEFAULT_OBJECTIVE

    def after(self, layer: Mapping[str, Any]) -> _Chosen:
        """What is chosen once a layer has been read."""
        network, objective = layer.get("model.network", self.network), layer.get("objective.name", self.objective)
        return _Chosen(str(network), str(objective))

    @cached_property
    def sections(self) -> dict[str, type[Any]]:
        """The dataclass of each section."""
        return section_classes(self.network, self.objective)

    @cached_property
    def keys(self) -> dict[str, bool]:
        """All dotted keys; whether a key is that of a section, which takes a mapping alone."""
        return {
            dotted: is_section
            for name, kind in self.sections.items()
            for dotted, is_section in [(name, True), *_keys(kind, f"{name}.")]
        }

    def parser(self) -> jsonargparse.ArgumentParser:
        """Knows all keys, their types and defaults."""
        parser = jsonargparse.ArgumentParser(exit_on_error=False)
        for name, kind in self.sections.items():
            parser.add_class_arguments(kind, name)
        return parser


def _resolved(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> TrainingConfig:
    """Put layers over each other, the last one on top, and type the whole."""
    values: Values = {}
    chosen = _Chosen()
    for where, given in layers:
        layer = current_keys(given, where, chosen.objective)
        before, chosen = chosen, chosen.after(layer)
        if chosen != before:
            values = _carried_over(values, before, chosen)
        for key, value in layer.items():
            _check(key, value, where, chosen)
            _set(values, key, value)
    values |= {"model.network": chosen.network, "objective.name": chosen.objective}
    nested = jsonargparse.Namespace()  # type: ignore[no-untyped-call]
    for key, value in values.items():
        nested[key] = value
    parser = chosen.parser()
    try:
        made = parser.instantiate(parser.parse_object(nested.as_dict()))
        return TrainingConfig(**{name: made[name] for name in chosen.sections})
    except (jsonargparse.ArgumentError, ValueError, TypeError) as error:
        raise ConfigError(f"configuration: {_one_line(error)}") from error


def _carried_over(values: Values, before: _Chosen, now: _Chosen) -> Values:
    """What stays where another network or objective is chosen: all but the constants of the earlier one alone."""
    kept = dict(values)
    for section, changed, shared in (
        ("model", before.network != now.network, NetworkConfig),
        ("objective", before.objective != now.objective, ObjectiveConfig),
    ):
        if changed:
            common = {field.name for field in dataclasses.fields(shared)} - {"without_context"}
            kept = {
                key: value
                for key, value in kept.items()
                if not key.startswith(f"{section}.") or key.split(".")[1] in common
            }
    return kept


def _set(values: Values, key: str, value: Any) -> None:
    """Give a key a value, in place of what it and the keys below it had."""
    for other in [known for known in values if known == key or known.startswith(f"{key}.")]:
        del values[other]
    values[key] = value


def _check(key: str, value: Any, where: str, chosen: _Chosen) -> None:
    known = chosen.keys
    if key not in known:
        raise ConfigError(f"{where}: {_unknown(key, known, chosen)}")
    if known[key]:
        raise ConfigError(f"configuration: {key}: expected a mapping of its keys, got {value!r:.80}")


def _keys(kind: type[Any], prefix: str) -> Iterable[tuple[str, bool]]:
    for name, hint in get_type_hints(kind).items():
        if get_origin(hint) is ClassVar:
            continue
        parts = [part for part in (hint, *get_args(hint)) if isinstance(part, type) and dataclasses.is_dataclass(part)]
        # A section that may be null is `Section | None`.
        yield prefix + name, hint in parts
        for part in parts:
            yield from _keys(part, f"{prefix}{name}.")


def _unknown(key: str, known: Iterable[str], chosen: _Chosen) -> str:
    section, _, name = key.partition(".")
    owners = [
        other
        for other, objective in OBJECTIVES.items()
        if section == "objective" and name in {field.name for field in dataclasses.fields(objective.constants)}
    ]
    if owners:
        return f"the objective '{chosen.objective}' does not read '{key}', a constant of {', '.join(owners)}"
    return f"unknown configuration key '{key}': {one_of(known, key, at_most=6)}"


def _one_line(error: Exception) -> str:
    """What a library says over many lines, in its own types, as one line about one key."""
    text = " ".join(str(error).split())
    found = re.search(r'key "([^"]+)"', text)
    reason = re.split(r"(?i)problem with given class_path|validation failed:?|parser key \"[^\"]+\":", text)[-1].strip()
    if "Not a valid subclass" in reason:  # of a section that may be null
        reason = "expected a mapping of its keys, or null"
    reason = re.sub(r"Expected a typing\.Literal\[(.*?)\]\. Got value:", r"expected one of \1, got", reason)
    reason = re.sub(r"Expected a <class '(\w+)'>\. Got value:", r"expected \1, got", reason)
    if found and found[1] not in reason:
        reason = f"{found[1]}: {reason}"
    return reason[:300]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
