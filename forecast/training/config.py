"""What a training run is told: typed, from YAML and the command line, every mistake one line."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import yaml  # type: ignore[import-untyped]

from forecast.core.errors import ConfigError, one_of
from forecast.model.config import ModelConfig
from forecast.model.objectives import ObjectiveConfig
from forecast.training.old_names import current_keys, current_name
from forecast.training.schedules import SchedulesConfig

_SPLITS = {"v1.0-mini": ("mini_train", "mini_val"), "v1.0-trainval": ("train", "train_val")}


@dataclass(frozen=True)
class DataConfig:
    """Which agent-samples to learn from.

    Attributes:
        dataroot: folder of a nuScenes data set.
        version: e.g. ``v1.0-trainval``.
        train_split, val_split: official names; by default those of the prediction challenge for the version.
        cache: where the compact cache lies; by default where the data set says.
        dense: train on every vehicle at every key frame, not on the challenge's agent-samples alone.
        standing: where ``dense``, the share to keep of vehicles that stand at time 0.
        mirror: share of each training batch whose left and right are swapped, map and side of traffic included.
    """

    dataroot: str = ""
    version: str = "v1.0-mini"
    train_split: str | None = None
    val_split: str | None = None
    cache: str | None = None
    dense: bool = False
    standing: float = 1.0
    mirror: float = 0.0

    def __post_init__(self) -> None:
        for name in ("standing", "mirror"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"data.{name}: expected a share of 0…1, got {getattr(self, name)}")

    @property
    def splits(self) -> tuple[str, str]:
        """Training and validation split.

        Raises:
            ConfigError: the version is unknown and a split is not given.
        """
        known = _SPLITS.get(self.version, (None, None))
        train, val = self.train_split or known[0], self.val_split or known[1]
        if train is None or val is None:
            raise ConfigError(
                f"data.version is '{self.version}', whose splits are not known ({one_of(_SPLITS, self.version)}); "
                "give data.train_split and data.val_split"
            )
        return train, val


@dataclass(frozen=True)
class OptimiserConfig:
    """Adam and what surrounds it.

    Attributes:
        learning_rate: of everything but the map encoder.
        map_learning_rate: of the map encoder.
        decay: ``cosine`` to a twentieth over the run, or (as published) ``exponential``.
        decay_per_step: factor of the exponential decay.
        warmup: share of the run over which the rates first rise from 0.
        clip_value: gradients are clipped entry by entry to ± this.
    """

    learning_rate: float = 3e-3
    map_learning_rate: float = 3e-3
    decay: Literal["cosine", "exponential"] = "cosine"
    decay_per_step: float = 0.9999
    warmup: float = 0.0
    clip_value: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < 1:
            raise ValueError(f"optimiser.warmup: expected a share in [0, 1), got {self.warmup}")
        for name in ("learning_rate", "map_learning_rate", "decay_per_step", "clip_value"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"optimiser.{name}: expected more than 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class RunConfig:
    """How to run.

    Attributes:
        epochs: passes over the training split.
        batch_size: agent-samples a step and process.
        seed: of weights, order, dropout and sampling.
        accelerator, devices, nodes, strategy, precision: handed to Lightning's Trainer.
        loggers: Lightning loggers beside the CSV that is always written: ``tensorboard``, ``csv`` or the dotted
            path of a class that takes ``save_dir``.
        monitor: what of a validation ``best.safetensors`` has least of: the negative log-likelihood, or an error in
            metres, of the most likely mode (``_ml``) or of the best of all (``min_``).
        start_from: weights to begin with (a run's folder, a .safetensors file, or ``town``, which come with the
            package) instead of random ones; the model must be theirs.
    """

    epochs: int = 40
    batch_size: int = 256
    seed: int = 0
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    loggers: tuple[str, ...] = ()
    monitor: Literal["nll", "ade_ml", "fde_ml", "min_ade", "min_fde"] = "nll"
    start_from: str | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "devices", "nodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"run.{name}: expected at least 1, got {getattr(self, name)}")
        if self.precision in ("16", "64", "16-true", "bf16-true", "64-true"):
            raise ValueError(f"run.precision: expected 32-true, bf16-mixed or 16-mixed, got '{self.precision}'")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"run.seed: expected 0 to 4294967295, got {self.seed}")


@dataclass(frozen=True)
class TrainingConfig:
    """All of it. The defaults are those of ``configs/cab.yaml``."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    schedules: SchedulesConfig = field(default_factory=SchedulesConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        crop = self.model.crop
        if self.data.mirror and self.model.uses_map and crop.left_m != crop.right_m:
            raise ValueError(
                f"data.mirror: needs a crop that reaches as far left as right; model.crop has left_m {crop.left_m}, "
                f"right_m {crop.right_m}"
            )
        if self.model.own_blind and self.objective.name not in ("gain", "reweight"):
            why = "has no use for one" if self.objective.name == "plain" else "compares the modes of one network"
            raise ValueError(
                f"model.own_blind: a blind network of its own does not go with objective.name '{self.objective.name}', "
                f"which {why}; add --model.own_blind false"
            )


def config_names() -> list[str]:
    """Names of the configurations that ship with the package."""
    return sorted(
        Path(entry.name).stem for entry in files("forecast.configs").iterdir() if entry.name.endswith(".yaml")
    )


def load_config(
    name_or_path: str | Path, overrides: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Read a configuration.

    A YAML file may start from another one with ``extends: NAME``.

    Args:
        name_or_path: bare name of a configuration of the package, or a path to a YAML file.
        overrides: command line arguments, ``--a.b value`` or ``--a.b=value``; values are YAML.
        settings: the same as a mapping from dotted key to value; wins over ``overrides``.

    Raises:
        ConfigError: unknown name, key or wrong value; one line.
    """
    values = _read(current_name(str(name_or_path)))
    given = {**_overrides(overrides), **(settings or {})}
    for key, value in current_keys(given, "the command line").items():
        _check_key(key, "the command line")
        _merge(values, _nested(key, value))
    config: TrainingConfig = parsed(values)
    return config


def as_dict(config: TrainingConfig | ModelConfig) -> dict[str, Any]:
    """A configuration as plain mappings, lists and scalars: what YAML and JSON hold."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(config))
    return plain


def parsed(values: Mapping[str, Any], kind: type[Any] = TrainingConfig) -> Any:
    """Turn plain mappings into a typed configuration (:class:`TrainingConfig` unless told otherwise).

    Raises:
        ConfigError: a value of the wrong type or out of range.
    """
    import jsonargparse

    _check_sections(values, kind)
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "config")
    try:
        return parser.instantiate(parser.parse_object({"config": dict(values)})).config
    except (jsonargparse.ArgumentError, ValueError, TypeError) as error:
        raise ConfigError(f"configuration: {_one_line(error)}") from error


def _check_sections(values: Mapping[str, Any], kind: type[Any], within: str = "") -> None:
    hints = get_type_hints(kind)
    for name, value in values.items():
        section = hints.get(name)
        if not (isinstance(section, type) and dataclasses.is_dataclass(section)):
            continue
        if not isinstance(value, Mapping):
            raise ConfigError(f"configuration: {within}{name}: expected a mapping of its keys, got {value!r:.80}")
        _check_sections(value, section, f"{within}{name}.")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    found = re.search(r'key "config\.([^"]+)"', text)
    text = text.replace("config.", "")
    if found:
        reason = re.split(r"(?i)problem with given class_path|validation failed:?", text)[-1]
        text = f"{found[1]}: {reason}" if found[1] not in reason else reason
    return text[:300]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def _read(name: str, derived: tuple[str, ...] = ()) -> dict[str, Any]:
    path, shipped = Path(name), name in config_names()
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise ConfigError(f"{path}: no such configuration file; by name there are {', '.join(config_names())}")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not a text file ({error.reason} at byte {error.start})") from error
    elif shipped:
        text = (files("forecast.configs") / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        raise ConfigError(f"no configuration is called '{name}': {one_of(config_names(), name)}; or give a YAML file")
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not valid YAML: {_one_line(error)}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{name}: expected a mapping of keys, got {type(values).__name__}")
    base = values.pop("extends", None)
    values = _renamed(values, name)
    for key in _flat(values):
        _check_key(key, name)
    if base is None:
        return values
    if not shipped:
        base = current_name(str(base))
    if str(base) in (*derived, name):
        raise ConfigError(f"{name}: extends {base}, which is made from it")
    whole = _read(str(base), (*derived, name))
    _merge(whole, values)
    return whole


def _overrides(arguments: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
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
            found[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--{key}: '{text}' is not a YAML value") from error
    return found


def _nested(key: str, value: Any) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    return {first: _nested(rest, value) if rest else value}


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _renamed(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Keys of earlier versions under their names of today."""
    renamed: dict[str, Any] = {}
    for section, entries in values.items():
        if not isinstance(entries, Mapping):
            renamed[section] = entries
            continue
        dotted = {f"{section}.{key}": value for key, value in entries.items()}
        _merge(renamed, {section: {}})
        for key, value in current_keys(dotted, where).items():
            _merge(renamed, _nested(key, value))
    return renamed


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys = []
    for key, value in values.items():
        keys += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [f"{prefix}{key}"]
    return keys


def _known_keys(kind: type[Any] = TrainingConfig, prefix: str = "") -> list[str]:
    """Dotted keys, sections included."""
    known = []
    for name, hint in get_type_hints(kind).items():
        known.append(prefix + name)
        for part in (hint, *get_args(hint)):  # a section that may be null is `Section | None`
            if isinstance(part, type) and dataclasses.is_dataclass(part):
                known += _known_keys(part, f"{prefix}{name}.")
    return known


def _check_key(key: str, where: str) -> None:
    known = _known_keys()
    if key not in known:
        raise ConfigError(f"{where}: unknown configuration key '{key}': {one_of(known, key, at_most=6)}")
