"""What a run writes about itself: its configuration and its environment, and whether it may be continued."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]

import forecast
from forecast.core.errors import CheckpointError, ConfigError
from forecast.core.files import written_whole
from forecast.prediction.checkpoint import CHECKPOINT_NAMES
from forecast.training.callbacks import RESUME_NAME, RunFolder
from forecast.training.config import as_dict, parsed
from forecast.training.schema import TrainingConfig

CONFIG_NAME, ENVIRONMENT_NAME = "config.yaml", "environment.json"
#: Places, loggers, and how the kind of the data set is told: the data's fingerprint says whether they are the same.
_MAY_CHANGE = {
    ("data", "dataroot"),
    ("data", "cache"),
    ("data", "source"),
    ("run", "loggers"),
    ("run", "pictures_every"),
}
_PACKAGES = ("torch", "pytorch-lightning", "numpy", "nuscenes-devkit", "shapely", "safetensors", "jsonargparse")


def prepare_folder(out: Path, config: TrainingConfig, fingerprint: str, resume: bool, progress: bool) -> Path | None:
    """Record what is run in its folder.

    Args:
        out: the folder of the run.
        config: of the run.
        fingerprint: of its data.
        resume: whether to continue the run that the folder holds.
        progress: whether to say on stderr what is continued.

    Returns:
        The checkpoint to continue from, or None.

    Raises:
        ConfigError: the folder holds a run and ``resume`` is not set, or one of another configuration or other data.
        CheckpointError: a record of the run cannot be read.
    """
    record: dict[str, Any] = {"config": as_dict(config), "data_fingerprint": fingerprint}
    ckpt = out / RESUME_NAME
    if not resume and any((out / name).exists() for name in (CONFIG_NAME, RESUME_NAME, *CHECKPOINT_NAMES)):
        raise ConfigError(f"{out}: holds a run already; add --resume to continue it, or choose another --out")
    if ckpt.exists():
        before, environment = _records(out)
        _check_same(out, record, before, environment)
        done = _epochs_done(ckpt)
        planned = before["run"]["epochs"]
        if config.run.epochs > planned:
            lengthened = {"after_epoch": done, "from_epochs": planned, "to_epochs": config.run.epochs}
            environment["lengthened"] = [*environment.get("lengthened", []), lengthened]
            before["run"]["epochs"] = config.run.epochs
            _write_records(out, before, environment)
            told = f"lengthened from {planned} to {config.run.epochs} epochs after epoch {done}: {_moved(config)}"
        else:
            told = f"all {planned} epochs are done already; a larger run.epochs lengthens the run"
        if progress and (config.run.epochs > planned or done >= planned):
            print(f"{out}: {told}", file=sys.stderr)
        return ckpt
    _write_records(out, record["config"], {**_environment(), "data_fingerprint": fingerprint})
    return None


def _write_records(out: Path, config: dict[str, Any], environment: dict[str, Any]) -> None:
    with written_whole(out / ENVIRONMENT_NAME) as temporary:
        temporary.write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")
    with written_whole(out / CONFIG_NAME) as temporary:
        temporary.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _moved(config: TrainingConfig) -> str:
    """Which schedules do not go on where they were when a run is lengthened."""
    moved = ["the learning rate"] if config.optimiser.decay == "cosine" or config.optimiser.warmup else []
    moved += ["α and the bound of the logits"] if config.schedules.unit == "fraction" else []
    if not moved:
        return "no schedule depends on that, so it is as if it had begun with as many"
    return (
        f"{' and '.join(moved)} jump to where a run of {config.run.epochs} epochs would have them now, so the weights "
        "will not be those of such a run"
    )


def _check_same(out: Path, record: dict[str, Any], before: dict[str, Any], environment: dict[str, Any]) -> None:
    """Refuse another configuration or other data; what may change: places, loggers, and more epochs."""
    for section, values in record["config"].items():
        for key, value in values.items():
            found = before.get(section, {}).get(key)
            if (section, key) == ("run", "epochs") and isinstance(found, int) and value > found:
                continue
            if found != value and (section, key) not in _MAY_CHANGE:
                raise ConfigError(
                    f"{out}: began with {section}.{key} = {found}, now it is {value}; "
                    f"resume with the same configuration: --config {out / CONFIG_NAME}"
                )
    known = str(environment.get("data_fingerprint"))
    if known != record["data_fingerprint"]:
        raise ConfigError(f"{out}: began on other data (fingerprint {known[:12]}…); resume with the same data set")


def _records(out: Path) -> list[dict[str, Any]]:
    """What a run wrote about itself: its configuration and its environment."""
    found = []
    for name, read in ((CONFIG_NAME, yaml.safe_load), (ENVIRONMENT_NAME, json.loads)):
        try:
            values = read((out / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            why = " ".join(str(error).split())[:160]
            raise CheckpointError(f"{out / name}: cannot be read ({why}); a run is resumed by it") from error
        sections = values.values() if isinstance(values, dict) and name == CONFIG_NAME else ()
        if not isinstance(values, dict) or not all(isinstance(section, dict) for section in sections):
            raise CheckpointError(f"{out / name}: not the record of a run; a run is resumed by it")
        found.append(values)
    return [_current(found[0]), found[1]]


def _current(config: dict[str, Any]) -> dict[str, Any]:
    """The record of a configuration under the names of today; as it is where it is none that can be read."""
    try:
        return as_dict(parsed(config, where=""))
    except ConfigError:
        return config


def _epochs_done(ckpt: Path) -> int:
    try:
        found = torch.load(ckpt, map_location="cpu", weights_only=True)
        return len(found["callbacks"][RunFolder.__name__]["rows"])
    except Exception as error:  # whatever a damaged file makes torch raise, it is one mistake to the user
        raise CheckpointError(f"{ckpt}: cannot be read ({type(error).__name__}); delete it to begin anew") from error


def _environment() -> dict[str, Any]:
    versions = {"cab-forecast": forecast.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {"versions": versions, "platform": platform.platform(), "git_revision": _git_revision(), "argv": sys.argv}


def _git_revision() -> str | None:
    folder = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
