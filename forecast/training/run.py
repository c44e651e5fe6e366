"""One training run, from a configuration to a folder with weights."""

from __future__ import annotations

import json
import logging
import platform
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import yaml  # type: ignore[import-untyped]
from lightning_fabric.utilities.exceptions import MisconfigurationException

import forecast
from forecast.core.errors import CheckpointError, ConfigError, DataError
from forecast.core.extras import optional_module
from forecast.core.files import file_hash, written_whole
from forecast.data.loading import BatchSource, EpochBatches, loader
from forecast.model.config import ModelConfig
from forecast.prediction.checkpoint import CHECKPOINT_NAMES, load_checkpoint
from forecast.training.callbacks import RESUME_NAME, EpochLines, RunFolder, StepSeeds, WholeCheckpointIO
from forecast.training.config import TrainingConfig, as_dict
from forecast.training.module import AddCrops, ForecastModule

_CONFIG_NAME, _ENVIRONMENT_NAME = "config.yaml", "environment.json"
_PACKAGES = ("torch", "pytorch-lightning", "numpy", "nuscenes-devkit", "shapely", "safetensors", "jsonargparse")


def train(config: TrainingConfig, out: Path | str, *, resume: bool = False, progress: bool = True) -> Path:
    """Train on a nuScenes folder.

    Args:
        config: of the run; ``config.data`` says which data.
        out: folder of the run; made if missing.
        resume: continue the run in ``out`` after its last complete epoch; where there is none yet, begin. A larger
            ``run.epochs`` lengthens it.
        progress: show a progress bar (on a terminal) and a line an epoch.

    Returns:
        The run's folder: ``best.safetensors``, ``last.safetensors``, ``last.ckpt``, ``metrics.csv``, ``config.yaml``,
        ``environment.json``.

    Raises:
        ForecastError: a mistake in data, configuration or the folder, or a run that diverged.
    """
    from forecast.data.cache import open_dataset
    from forecast.data.dataset import AgentDataset
    from forecast.data.file_digests import combined_digest
    from forecast.data.map_crops import crop_adder

    data, horizon = config.data, config.model.horizon
    if not data.dataroot:
        raise ConfigError("data.dataroot is not set: give --dataroot DIR")
    train_split, val_split = data.splits
    dataset = open_dataset(data.dataroot, data.version, data.cache)
    samples = dataset.samples(train_split, dense=data.dense, standing=data.standing)
    learn = AgentDataset.of(dataset, samples, horizon=horizon)
    check = AgentDataset.of(dataset, dataset.samples(val_split), horizon=horizon)
    add_crops = crop_adder(dataset, config.model.crop) if config.model.uses_map else None
    fingerprint = str(dataset.fingerprint)
    if add_crops is not None:
        maps = [dataset.map_file(name) for name in dataset.map_names]
        fingerprint = combined_digest([fingerprint, *(file_hash(path) for path in maps if path.is_file())])
    return train_on(
        config, out, learn, check, add_crops, resume=resume, progress=progress, data_fingerprint=fingerprint
    )


def train_on(
    config: TrainingConfig,
    out: Path | str,
    learn: BatchSource,
    check: BatchSource,
    add_crops: AddCrops | None,
    *,
    resume: bool = False,
    progress: bool = True,
    data_fingerprint: str = "",
) -> Path:
    """The same on any source of batches.

    Args:
        config: of the run.
        out: folder of the run.
        learn, check: training and validation batches.
        add_crops: makes a batch's crops on its device; None where the batches bring theirs.
        resume, progress: see :func:`train`.
        data_fingerprint: recorded, and compared on resuming.
    """
    for name, source in (("training", learn), ("validation", check)):
        if len(source) == 0:
            raise DataError(f"the {name} split holds no agent-samples; choose another data.{name[:5]}_split")
    out = Path(out)
    start = None if config.run.start_from is None else _start(config.run.start_from, config.model)
    trainer = _trainer(config, out, progress)
    if trainer.is_global_zero:
        ckpt = _prepare_folder(out, config, data_fingerprint, resume, progress)
    else:  # the first process has looked at the folder, and trains only when all are there
        ckpt = out / RESUME_NAME if resume and (out / RESUME_NAME).exists() else None
    with _no_empty_run(out, trainer.is_global_zero and ckpt is None):
        _fit(config, trainer, learn, check, add_crops, start, ckpt)
    return out


def _fit(
    config: TrainingConfig,
    trainer: pl.Trainer,
    learn: BatchSource,
    check: BatchSource,
    add_crops: AddCrops | None,
    start: dict[str, torch.Tensor] | None,
    ckpt: Path | None,
) -> None:
    pl.seed_everything(config.run.seed, verbose=False)
    module = ForecastModule(config, add_crops)
    if start is not None:
        module.model.load_state_dict(start)
    rank, world = trainer.global_rank, trainer.world_size
    run = config.run
    loaders = (
        loader(learn, EpochBatches(len(learn), run.batch_size, run.seed, rank, world)),
        loader(check, EpochBatches(len(check), run.batch_size, None, rank, world)),
    )
    with warnings.catch_warnings():
        # Batches are made in this process on purpose, and a short epoch is no mistake.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*The number of training batches.*")
        warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
        trainer.fit(module, *loaders, ckpt_path=None if ckpt is None else str(ckpt), weights_only=True)


@contextmanager
def _no_empty_run(out: Path, new: bool) -> Iterator[None]:
    """Take the record of a new run back where it fails before its first epoch is over: there is nothing to resume."""
    try:
        yield
    except BaseException:
        if new and not (out / RESUME_NAME).exists():
            for name in (_CONFIG_NAME, _ENVIRONMENT_NAME):
                (out / name).unlink(missing_ok=True)
            with suppress(OSError):  # holds something else
                out.rmdir()
        raise


def _start(weights: str, model: ModelConfig) -> dict[str, torch.Tensor]:
    """Trained parameters to begin with, which know of no optimiser and no epoch."""
    checkpoint = load_checkpoint(weights)
    ours, theirs = as_dict(model), as_dict(checkpoint.model.config)
    # Also what the parameters' shapes do not tell, such as the crop: it changes what they mean. Merging does not.
    for key, value in theirs.items():
        if ours[key] != value and key != "merge_radius_m":
            raise ConfigError(
                f"run.start_from {weights}: these weights have model.{key} {value}, the configuration says {ours[key]}"
            )
    return checkpoint.model.state_dict()


def _trainer(config: TrainingConfig, out: Path, progress: bool) -> pl.Trainer:
    run = config.run
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    callbacks: list[pl.Callback] = [StepSeeds(run.seed), RunFolder(out)]
    bar = progress and sys.stderr.isatty()
    if progress:
        callbacks.append(EpochLines())
    if bar:
        callbacks.append(pl.callbacks.TQDMProgressBar(leave=False))
    try:
        return pl.Trainer(
            max_epochs=run.epochs,
            accelerator=run.accelerator,
            devices=run.devices,
            num_nodes=run.nodes,
            strategy=run.strategy,
            precision=run.precision,  # type: ignore[arg-type]  # Lightning lists the words it takes
            logger=[_logger(name, out) for name in run.loggers] or False,
            callbacks=callbacks,
            plugins=[WholeCheckpointIO()],
            gradient_clip_val=config.optimiser.clip_value,
            gradient_clip_algorithm="value",
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=bar,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
        )
    except (ValueError, TypeError, ImportError, MisconfigurationException) as error:
        told = ", ".join(
            f"{name} '{getattr(run, name)}'" for name in ("accelerator", "devices", "strategy", "precision")
        )
        raise ConfigError(f"run: Lightning refuses {told}: {' '.join(str(error).split())[:300]}") from error


def _logger(name: str, out: Path) -> Any:
    if name == "tensorboard":
        # Lightning would take tensorboardX for it, and says something else if neither is there.
        optional_module("tensorboard", "tensorboard")
    path = {"tensorboard": "pytorch_lightning.loggers.TensorBoardLogger", "csv": "pytorch_lightning.loggers.CSVLogger"}
    module, _, kind = path.get(name, name).rpartition(".")
    try:
        return getattr(import_module(module), kind)(save_dir=str(out / "logs"))
    except (ImportError, ModuleNotFoundError, AttributeError, ValueError) as error:
        raise ConfigError(f"run.loggers: '{name}' cannot be used: {' '.join(str(error).split())[:200]}") from error


def _prepare_folder(out: Path, config: TrainingConfig, fingerprint: str, resume: bool, progress: bool) -> Path | None:
    """Record what is run; the checkpoint to continue from, or None."""
    record: dict[str, Any] = {"config": as_dict(config), "data_fingerprint": fingerprint}
    ckpt = out / RESUME_NAME
    if not resume and any((out / name).exists() for name in (_CONFIG_NAME, RESUME_NAME, *CHECKPOINT_NAMES)):
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
    with written_whole(out / _ENVIRONMENT_NAME) as temporary:
        temporary.write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")
    with written_whole(out / _CONFIG_NAME) as temporary:
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
            if found != value and (section, key) not in {("data", "dataroot"), ("data", "cache"), ("run", "loggers")}:
                raise ConfigError(
                    f"{out}: began with {section}.{key} = {found}, now it is {value}; "
                    "resume with the same configuration"
                )
    known = str(environment.get("data_fingerprint"))
    if known != record["data_fingerprint"]:
        raise ConfigError(f"{out}: began on other data (fingerprint {known[:12]}…); resume with the same data set")


def _records(out: Path) -> list[dict[str, Any]]:
    """What a run wrote about itself: its configuration and its environment."""
    found = []
    for name, read in ((_CONFIG_NAME, yaml.safe_load), (_ENVIRONMENT_NAME, json.loads)):
        try:
            values = read((out / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            why = " ".join(str(error).split())[:160]
            raise CheckpointError(f"{out / name}: cannot be read ({why}); a run is resumed by it") from error
        sections = values.values() if isinstance(values, dict) and name == _CONFIG_NAME else ()
        if not isinstance(values, dict) or not all(isinstance(section, dict) for section in sections):
            raise CheckpointError(f"{out / name}: not the record of a run; a run is resumed by it")
        found.append(values)
    return found


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
