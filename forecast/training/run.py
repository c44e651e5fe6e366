"""One training run, from a configuration to a folder with weights."""

from __future__ import annotations

import logging
import math
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException

from forecast.core.agents import types_named
from forecast.core.errors import ConfigError, DataError
from forecast.core.files import file_hash
from forecast.data.kept_crops import KeptCrops
from forecast.data.loading import BatchSource, EpochBatches, loader
from forecast.data.prepared import Dataset
from forecast.data.successive import PairedBatches, SuccessiveSource
from forecast.model.cities.city_network import CityNetwork
from forecast.model.network_protocol import Network
from forecast.prediction.checkpoint import load_checkpoint
from forecast.training.adapting import check_model, know_scenes, network_to_adapt
from forecast.training.callbacks import RESUME_NAME, EpochLines, RunFolder, StepSeeds, WholeCheckpointIO
from forecast.training.module import AddCrops, ForecastModule
from forecast.training.rehearsal import of_some_scenes, with_rehearsal
from forecast.training.run_logs import DrawForecasts, LearningRateLog, ValidationPictures, run_loggers
from forecast.training.run_records import CONFIG_NAME, ENVIRONMENT_NAME, prepare_folder
from forecast.training.schema import TrainingConfig


def train(
    config: TrainingConfig,
    out: Path | str,
    *,
    resume: bool = False,
    progress: bool = True,
    draw: DrawForecasts | None = None,
) -> Path:
    """Train on a data set.

    Args:
        config: of the run; ``config.data`` says which data.
        out: folder of the run; made if missing.
        resume: continue the run in ``out`` after its last complete epoch; where there is none yet, begin. A larger
            ``run.epochs`` lengthens it.
        progress: show a progress bar (on a terminal) and a line an epoch.
        draw: makes the pictures for TensorBoard, see ``run.pictures_every``; the command line takes
            :func:`forecast.pictures.validation_sheet.draw_validation`.

    Returns:
        The run's folder: ``best.safetensors``, ``last.safetensors`` (and beside them a twin's
        ``best_without_context.safetensors``, …), ``last.ckpt``, ``metrics.csv``, ``config.yaml``, ``environment.json``.

    Raises:
        ForecastError: a mistake in data, configuration or the folder, or a run that diverged.
        KeyboardInterrupt: Ctrl-C; the last whole epoch is kept.
    """
    from forecast.data.cache import open_dataset
    from forecast.data.dataset import AgentDataset
    from forecast.data.file_digests import combined_digest
    from forecast.data.map_crops import crop_adder

    data = config.data
    if not data.dataroot:
        raise ConfigError("data.dataroot is not set: give --dataroot DIR")
    whole = open_dataset(data.dataroot, data.version, data.cache, source=data.source)
    dataset = whole.at(data.locations)
    train_split, val_split = _splits(config, dataset)
    config = replace(config, data=replace(data, version=dataset.version))  # what the run's record says
    types = None if data.types is None else types_named(data.types)
    samples = dataset.samples(train_split, dense=data.dense, standing=data.standing, types=types)
    if data.scenes is not None:
        samples = of_some_scenes(dataset, samples, data.scenes)
    if data.rehearsal:
        samples = with_rehearsal(samples, whole.at(data.rehearsal), train_split, data)
    learn = AgentDataset.read_by(config.model, dataset, samples)
    check = AgentDataset.read_by(config.model, dataset, dataset.samples(val_split))
    crop = config.model.map_crop
    add_crops = None if crop is None else crop_adder(dataset, crop)
    fingerprint = str(dataset.fingerprint)
    if add_crops is not None:
        maps = [dataset.map_file(name) for name in dataset.map_names]
        fingerprint = combined_digest([fingerprint, *(file_hash(path) for path in maps if path.is_file())])
    network = None
    if config.adapt.method != "none":
        network = network_to_adapt(config)
        know_scenes(network, config, whole, train_split, add_crops)
    options: dict[str, Any] = {"resume": resume, "progress": progress, "data_fingerprint": fingerprint, "draw": draw}
    return train_on(config, out, learn, check, add_crops, network, **options)


def _splits(config: TrainingConfig, dataset: Dataset) -> tuple[str, str]:
    """Splits to train and to validate on: as configured, else those that the data set names."""
    default = dataset.default_splits or (None, None)
    train, val = config.data.train_split or default[0], config.data.val_split or default[1]
    missing = [f"data.{name}_split" for name, split in (("train", train), ("val", val)) if split is None]
    if train is None or val is None:
        raise ConfigError(
            f"{dataset.where}: the data set names no default splits; give {' and '.join(missing)} "
            f"(it holds {', '.join(dataset.splits) or 'none'})"
        )
    return train, val


def train_on(
    config: TrainingConfig,
    out: Path | str,
    learn: BatchSource,
    check: BatchSource,
    add_crops: AddCrops | None,
    network: Network | None = None,
    *,
    resume: bool = False,
    progress: bool = True,
    data_fingerprint: str = "",
    draw: DrawForecasts | None = None,
) -> Path:
    """The same on any source of batches.

    Args:
        config: of the run.
        out: folder of the run.
        learn, check: training and validation batches.
        add_crops: makes a batch's crops on its device; None where the batches bring theirs.
        network: to train in place of a new one (:func:`~forecast.training.adapting.network_to_adapt`).
        resume, progress: see :func:`train`.
        data_fingerprint: recorded, and compared on resuming.
        draw: see :func:`train`.
    """
    for name, source in (("training", learn), ("validation", check)):
        if len(source) == 0:
            raise DataError(f"the {name} split holds no agent-samples; choose another data.{name[:5]}_split")
    out = Path(out)
    start: dict[str, torch.Tensor] = {}
    if config.adapt.method != "none":
        network = network or network_to_adapt(config)
    elif config.run.start_from is not None:
        start = _start(config.run.start_from, config)
    ckpt = out / RESUME_NAME if resume and (out / RESUME_NAME).exists() else None
    every = config.run.pictures_every if "tensorboard" in config.run.loggers else 0
    pictures = ValidationPictures(check, every, draw) if draw is not None and every else None
    trainer = _trainer(config, out, ckpt, progress, pictures)
    if trainer.is_global_zero:  # the others train only when all are there
        ckpt = prepare_folder(out, config, data_fingerprint, resume, progress)
    with _no_empty_run(out, trainer.is_global_zero and ckpt is None):
        module = _module(config, add_crops, network, start)
        _fit(module, trainer, learn, check, ckpt, tell=progress and trainer.is_global_zero)
    return out


def _module(
    config: TrainingConfig, add_crops: AddCrops | None, network: Network | None, start: dict[str, torch.Tensor]
) -> ForecastModule:
    """What is trained: a given network, or a new one, with those parameters that it starts from."""
    pl.seed_everything(config.run.seed, verbose=False)
    module = ForecastModule(config, add_crops, network)
    if start:
        module.pair.load_state_dict(start, strict=False)  # without a twin where the weights have none
        module.answering.load_state_dict(module.pair.state_dict())
    return module


def _fit(
    module: ForecastModule,
    trainer: pl.Trainer,
    learn: BatchSource,
    check: BatchSource,
    ckpt: Path | None,
    tell: bool,
) -> None:
    config, rank, world = module.config, trainer.global_rank, trainer.world_size
    run, order = config.run, _training_order(config, learn, rank, world)
    if trainer.strategy.root_device.type == "cpu":  # elsewhere crops are made where they are used
        learn, check = _keeping_crops(config, learn, check, module.add_crops)
        if tell:
            _tell_of_crops({"training": learn, "validation": check})
    loaders = (
        loader(learn, order),
        loader(check, EpochBatches(len(check), run.batch_size, None, rank, world)),
    )
    with warnings.catch_warnings():
        # Batches are made in this process on purpose, and a short epoch is no mistake.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*The number of training batches.*")
        warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
        with _interrupts_of(trainer):
            trainer.fit(module, *loaders, ckpt_path=None if ckpt is None else str(ckpt), weights_only=True)


@contextmanager
def _interrupts_of(trainer: pl.Trainer) -> Iterator[None]:
    """Hand Ctrl-C on as what it is: Lightning makes an exit of it, and leaves the signal ignored.

    Raises:
        KeyboardInterrupt: the trainer was interrupted; all that it had to close is closed.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as leaving:
        if not trainer.interrupted:
            raise
        raise KeyboardInterrupt from leaving
    finally:
        if trainer.interrupted and before is not None:
            signal.signal(signal.SIGINT, before)


def _training_order(config: TrainingConfig, learn: BatchSource, rank: int, world: int) -> EpochBatches:
    """Which agent-samples each training step holds; successive ones together where they are compared."""
    run = config.run
    if not config.consistency.weight:
        return EpochBatches(len(learn), run.batch_size, run.seed, rank, world)
    following = learn.following() if isinstance(learn, SuccessiveSource) else None
    if following is None or not bool((following >= 0).any()):
        raise DataError(
            "consistency.weight: no two training agent-samples are of one agent at successive key frames, so there is "
            "nothing to be consistent with; set it to 0, or train with data.dense"
        )
    return PairedBatches(following, run.batch_size, run.seed, rank, world)


def _keeping_crops(
    config: TrainingConfig, learn: BatchSource, check: BatchSource, add_crops: AddCrops | None
) -> tuple[BatchSource, BatchSource]:
    """The sources, with crops that are kept for the next epochs as far as ``data.crop_memory_mib`` reaches."""
    crop, left_mib = config.model.map_crop, config.data.crop_memory_mib
    if add_crops is None or crop is None or not left_mib or config.run.epochs < 2:
        return learn, check
    held_check = KeptCrops(check, add_crops, crop, left_mib)
    if config.data.heading_noise_rad:
        return learn, held_check
    return KeptCrops(learn, add_crops, crop, max(left_mib - math.ceil(held_check.held_mib), 0)), held_check


def _tell_of_crops(sources: Mapping[str, BatchSource]) -> None:
    """Say in a line how much memory the kept crops will take."""
    kept = {name: source for name, source in sources.items() if isinstance(source, KeptCrops) and source.count}
    if kept:
        told = ", ".join(f"{source.count:,} of {len(source):,} for {name}" for name, source in kept.items())
        held_mib = math.ceil(sum(source.held_mib for source in kept.values()))
        print(f"crops of the map kept in memory: {told}; {held_mib:,} MiB (data.crop_memory_mib)", file=sys.stderr)


@contextmanager
def _no_empty_run(out: Path, new: bool) -> Iterator[None]:
    """Take the record of a new run back where it fails before its first epoch is over: there is nothing to resume."""
    try:
        yield
    except BaseException:
        if new and not (out / RESUME_NAME).exists():
            for name in (CONFIG_NAME, ENVIRONMENT_NAME):
                (out / name).unlink(missing_ok=True)
            with suppress(OSError):  # holds something else
                out.rmdir()
        raise


def _start(weights: str, config: TrainingConfig) -> dict[str, torch.Tensor]:
    """Trained parameters of a pair to begin with, which know of no optimiser and no epoch."""
    checkpoint = load_checkpoint(weights)
    check_model(config, checkpoint.model, weights)
    if isinstance(checkpoint.model, CityNetwork):
        raise ConfigError(
            f"run.start_from {weights}: these weights hold cities; go on with 'forecast adapt', or begin from the "
            "weights that they rest on"
        )
    start = {f"network.{name}": tensor for name, tensor in checkpoint.model.state_dict().items()}
    if config.objective.without_context == "twin":
        if checkpoint.without_context == "twin" and checkpoint.has_without_context:
            twin = checkpoint.model_without_context().state_dict()
            start |= {f"twin.{name}": tensor for name, tensor in twin.items()}
        else:
            warnings.warn(
                f"run.start_from {weights}: they have no twin without context, so it begins with random ones",
                stacklevel=1,
            )
    return start


def _trainer(
    config: TrainingConfig, out: Path, resumed: Path | None, progress: bool, pictures: ValidationPictures | None
) -> pl.Trainer:
    run = config.run
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    callbacks: list[pl.Callback] = [StepSeeds(run.seed), RunFolder(out)]
    bar = progress and sys.stderr.isatty()
    callbacks += [LearningRateLog()] if run.loggers else []
    callbacks += [] if pictures is None else [pictures]
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
            logger=run_loggers(run.loggers, out, resumed) or False,
            callbacks=callbacks,
            plugins=[WholeCheckpointIO()],
            gradient_clip_val=config.optimiser.clip_norm or config.optimiser.clip_value,
            gradient_clip_algorithm="norm" if config.optimiser.clip_norm else "value",
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
