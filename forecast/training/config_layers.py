"""Where the keys of a configuration stand: in YAML files that extend each other, and on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from forecast.core.errors import ConfigError, one_of
from forecast.training.old_names import current_name

#: Values by dotted key, e.g. ``model.crop.ahead_m``.
Values = dict[str, Any]


def config_names() -> list[str]:
    """Names of the configurations that ship with the package."""
    return sorted(
        Path(entry.name).stem for entry in files("forecast.configs").iterdir() if entry.name.endswith(".yaml")
    )


def layers_of(name: str, derived: tuple[str, ...] = ()) -> list[tuple[str, Values]]:
    """Where values stand, and the values: of a configuration and, before it, of those that it extends.

    Args:
        name: bare name of a configuration of the package, or a path to a YAML file.
        derived: configurations that extend this one.

    Raises:
        ConfigError: there is no such configuration, or it is no YAML mapping; one line.
    """
    values = _read(name)
    base = values.pop("extends", None)
    layers = [(name, dict(flat(values)))]
    if base is None:
        return layers
    base = str(base) if name in config_names() else current_name(str(base))
    if base in (*derived, name):
        raise ConfigError(f"{name}: extends {base}, which is made from it")
    return [*layers_of(base, (*derived, name)), *layers]


def _read(name: str) -> dict[str, Any]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise ConfigError(f"{path}: no such configuration file; by name there are {', '.join(config_names())}")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not a text file ({error.reason} at byte {error.start})") from error
    elif name in config_names():
        text = (files("forecast.configs") / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        raise ConfigError(f"no configuration is called '{name}': {one_of(config_names(), name)}; or give a YAML file")
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not valid YAML: {' '.join(str(error).split())[:300]}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{name}: expected a mapping of keys, got {type(values).__name__}")
    return values


def overrides_of(arguments: Sequence[str]) -> Values:
    """Keys and values of ``--a.b value`` and ``--a.b=value``.

    Raises:
        ConfigError: something else, or a value that is missing or no YAML; one line.
    """
    found: Values = {}
    waiting = list(arguments)
    while waiting:
        flag = waiting.pop(0)
        if not flag.startswith("--"):
            raise ConfigError(f"'{flag}' is neither an option nor a configuration key; keys are given as --a.b value")
        key, equals, text = flag[2:].partition("=")
        if not equals:
            if not waiting:
                raise ConfigError(f"--{key} needs a value")
            text = waiting.pop(0)
        try:
            found |= flat({key: yaml.safe_load(text)})
        except yaml.YAMLError as error:
            raise ConfigError(f"--{key}: '{text}' is not a YAML value") from error
    return found


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as dotted keys and what they hold."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
