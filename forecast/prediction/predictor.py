"""A trained model, ready to forecast batches and whole splits. Needs neither Lightning nor the devkit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from forecast.core.agents import AgentType
from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.core.progress import progress
from forecast.core.rows import ForecastRows
from forecast.model.network_config import NetworkConfig
from forecast.model.network_protocol import Network
from forecast.prediction.checkpoint import Checkpoint, check_forecasts, load_checkpoint, on_device

if TYPE_CHECKING:
    from forecast.data.dataset import AgentDataset
    from forecast.data.track_source import TrackSource

#: The devkit accepts no more modes than this.
MAX_MODES = 25


class BatchPredictor(Protocol):
    """Anything that forecasts batches: a trained model, an exported file, a function of the user's own.

    Attributes:
        config: what it reads (horizon, crop of the map or none) and how many modes it answers.
        device: where it expects batches and crops.
    """

    @property
    def config(self) -> NetworkConfig:
        """What it reads and answers."""

    device: torch.device

    def predict(self, batch: AgentBatch, *, null_context: bool = False) -> Forecast:
        """Forecast a batch (with crops where it reads the map): modes in the agent frame."""


class Predictor:
    """Forecasts batches of agents with a trained model.

    Args:
        checkpoint: the model.
        device: where to compute.
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device | str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.model = on_device(checkpoint.model, device)
        self.device = torch.device(device)
        self._without_context: Network | None = None

    @property
    def config(self) -> NetworkConfig:
        """What the network reads and answers."""
        return self.model.config

    @classmethod
    def load(
        cls,
        run_or_file: Path | str,
        device: torch.device | str = "cpu",
        *,
        merge_radius_m: float | None = None,
        medoids: int | None = None,
        city: str | None = None,
    ) -> Predictor:
        """Load from a run's folder or a file; the arguments are those of :func:`load_checkpoint`.

        Raises:
            CheckpointError: it cannot be used.
            ConfigError: there is no such device, radius, number of medoids, or city.
        """
        checkpoint = load_checkpoint(run_or_file, merge_radius_m=merge_radius_m, medoids=medoids, city=city)
        check_forecasts(checkpoint)
        return cls(checkpoint, device)

    @torch.inference_mode()
    def predict(self, batch: AgentBatch, *, null_context: bool = False) -> Forecast:
        """Forecast a batch (with crops where the model reads the map): what the model answers, agent frame.

        Args:
            batch: what is known at time 0; futures are not read.
            null_context: forecast with neither map nor neighbours, by the model itself or its twin.

        Raises:
            CheckpointError: ``null_context``, and the twin is not there (:meth:`Checkpoint.model_without_context`).
        """
        if not null_context:
            return self.model.predict(batch.to(self.device))
        if self._without_context is None:
            self._without_context = on_device(self.checkpoint.model_without_context(), self.device)
        return self._without_context.predict(batch.to(self.device), null_context=True)


def predict(
    checkpoint: Path | str,
    dataroot: Path | str,
    version: str | None,
    split: str,
    *,
    dense: bool = False,
    null_context: bool = False,
    merge_radius_m: float | None = None,
    medoids: int | None = None,
    cache: Path | str | None = None,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> ForecastRows:
    """Forecast a split of a data set.

    Args:
        checkpoint: a run's folder or a file.
        dataroot, version, split, cache: which data.
        dense: every vehicle at every key frame with a past, not the challenge's agent-samples alone.
        null_context: forecast with neither map nor neighbours, where that was learnt.
        merge_radius_m, medoids: in place of the checkpoint's (:mod:`forecast.model.merging`,
            :mod:`forecast.model.medoids`).
        batch_size: agents at a time.
        device: where to compute.

    Returns:
        World frame, float64, at most 25 modes, in the split's order, with covariances.

    Raises:
        ForecastError: checkpoint or data cannot be used.
    """
    from forecast.data.cache import open_dataset

    predictor = Predictor.load(checkpoint, device, merge_radius_m=merge_radius_m, medoids=medoids)
    dataset = open_dataset(dataroot, version, cache)
    return predict_dataset(predictor, dataset, split, dense=dense, null_context=null_context, batch_size=batch_size)


def predict_dataset(
    predictor: BatchPredictor,
    dataset: TrackSource,
    split: str,
    *,
    dense: bool = False,
    types: tuple[AgentType, ...] | None = None,
    null_context: bool = False,
    batch_size: int = 256,
) -> ForecastRows:
    """Forecast a split of an open data set; the arguments are those of :func:`predict`.

    Args:
        predictor: the model.
        dataset: whose agents.
        split, dense, null_context, batch_size: see :func:`predict`.
        types: which agents, where ``dense``; by default those that the data set is about.

    Raises:
        DataError: the data set has no such split, or its key frames are not a step of the model apart.
    """
    from forecast.data.dataset import AgentDataset

    samples = dataset.samples(split, dense=dense, types=types)
    source = AgentDataset.read_by(predictor.config, dataset, samples)
    return predict_all(predictor, source, null_context=null_context, batch_size=batch_size, what=split)


def predict_all(
    predictor: BatchPredictor,
    source: AgentDataset,
    *,
    null_context: bool = False,
    batch_size: int = 256,
    what: str = "agents",
) -> ForecastRows:
    """Forecast all agent-samples of an open data set, with the covariances of each mode's positions.

    Args:
        predictor: the model.
        source: made with the model's horizon.
        null_context: forecast with neither map nor neighbours, where that was learnt.
        batch_size: agents at a time.
        what: name for the progress bar.

    Returns:
        As :func:`predict`.
    """
    from forecast.data.map_crops import crop_adder

    config = predictor.config
    add_crops = None if config.map_crop is None else crop_adder(source.dataset, config.map_crop)
    parts: list[Forecast] = []
    starts = range(0, len(source), batch_size)
    for start in progress(starts, f"forecasting {what}", total=len(starts)):
        batch = source.batch(list(range(start, min(start + batch_size, len(source)))))
        parts.append(world_forecast(predictor, batch, add_crops, null_context=null_context))
    return replace(_rows(parts, source), remark=config.remark)


def world_forecast(
    predictor: BatchPredictor,
    batch: AgentBatch,
    add_crops: Callable[[AgentBatch], AgentBatch] | None,
    *,
    null_context: bool = False,
) -> Forecast:
    """Forecast a batch in the world frame, float64, on the CPU, with its most probable 25 modes at most.

    Args:
        predictor: the model.
        batch: what is known at time 0.
        add_crops: makes the crops on the model's device; None where the batch brings its own or none are read.
        null_context: forecast with neither map nor neighbours.
    """
    moved = batch.to(predictor.device)
    forecast = predictor.predict(moved if add_crops is None else add_crops(moved), null_context=null_context)
    world = most_probable(forecast, MAX_MODES).to_world(moved.pose_world)
    return Forecast(
        world.positions_m.cpu(),
        world.probabilities.double().cpu(),
        None if world.headings_rad is None else world.headings_rad.cpu(),
        None if world.covariances_m2 is None else world.covariances_m2.cpu(),
        "world",
    )


def most_probable(forecast: Forecast, modes: int) -> Forecast:
    """Keep the most probable modes, in their own order, with probabilities that again sum to 1."""
    if forecast.probabilities.shape[1] <= modes:
        return forecast
    order = forecast.probabilities.argsort(dim=1, descending=True, stable=True)[:, :modes].sort(dim=1).values
    rows = torch.arange(len(forecast), device=order.device)[:, None]
    kept = forecast.probabilities[rows, order]
    return replace(
        forecast,
        positions_m=forecast.positions_m[rows, order],
        probabilities=kept / kept.sum(1, keepdim=True),
        headings_rad=None if forecast.headings_rad is None else forecast.headings_rad[rows, order],
        covariances_m2=None if forecast.covariances_m2 is None else forecast.covariances_m2[rows, order],
    )


def _rows(parts: list[Forecast], source: AgentDataset) -> ForecastRows:
    from forecast.core.errors import DataError

    if not parts:
        raise DataError("the split holds no agent-samples to forecast")
    covariances = None
    if known := [part.covariances_m2 for part in parts if part.covariances_m2 is not None]:
        whole = torch.cat(known)
        # Turning a matrix into the world leaves its two sides equal but for the last bit; files want them equal.
        covariances = ((whole + whole.transpose(-1, -2)) / 2).numpy()
    tracks, rows = source.dataset.tracks, source.samples.rows
    samples = tracks.row_sample[rows]
    return ForecastRows.at_key_frames(
        tracks.track_tokens[tracks.track_of(rows)],
        tracks.sample_tokens[samples],
        torch.cat([part.positions_m for part in parts]).numpy(),
        torch.cat([part.probabilities for part in parts]).numpy(),
        issue_time_s=tracks.sample_time_us[samples] * 1e-6,
        step_s=source.horizon.step_s,
        covariances_m2=covariances,
    )
