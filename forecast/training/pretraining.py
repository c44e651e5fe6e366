"""Pre-training of what reads the map, on crops of any map, without agents and without labels."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from forecast.core.errors import ConfigError, DataError
from forecast.core.progress import progress
from forecast.data.map_crops import cropper_for
from forecast.data.maps.crop import Cropper
from forecast.data.maps.layers import directed_channels
from forecast.data.maps.road_poses import road_poses
from forecast.data.prepared import Dataset
from forecast.model.network_registry import make_network
from forecast.prediction.checkpoint import on_device, save_checkpoint
from forecast.training.config import as_dict
from forecast.training.masked_maps import MaskedMaps
from forecast.training.schedules import rising_cosine
from forecast.training.schema import TrainingConfig

#: Crops that are told after each epoch, never learnt from, and the seeds of both.
_HELD_OUT, _HELD_OUT_SEED, _DRAWN_SEED = 512, 1, 1_000_000
#: Share of the run over which the learning rate rises.
_WARMUP = 0.1


@dataclass(frozen=True)
class Pretraining:
    """How long, and what is hidden.

    Attributes:
        epochs: how often ``crops`` crops are drawn anew.
        crops: of an epoch, as many of each map.
        share: of the cells of a crop that are hidden, between 0 and 1.
    """

    epochs: int = 10
    crops: int = 20_000
    share: float = 0.6

    def __post_init__(self) -> None:
        for name in ("epochs", "crops"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 < self.share < 1:
            raise ConfigError(f"--share: expected more than 0 and less than 1, got {self.share}")


def pretrain(
    config: TrainingConfig, dataset: Dataset, out: Path, how: Pretraining, device: torch.device | str = "cpu"
) -> Path:
    """Pre-train the map reader of a new network; the rest of it keeps its random parameters.

    Args:
        config: names the network; its ``run.seed``, ``run.batch_size`` and ``optimiser.map_learning_rate`` count.
        dataset: whose maps, at its locations; its agents are not looked at.
        out: folder to write to.
        how: how long, and what is hidden.
        device: where to compute.

    Returns:
        ``out/best.safetensors``, which ``run.start_from`` takes: the epoch that told held-out crops best.

    Raises:
        ConfigError: the network reads no map cell by cell, or the directions of traffic, which are no shares.
        DataError: a map holds no roads.
    """
    torch.manual_seed(config.run.seed)
    network = make_network(config.model)
    crop = config.model.map_crop
    if crop is None or directed_channels(crop.channels) is not None:
        raise ConfigError("model: pre-training needs a network that reads the map, without directions of traffic")
    try:
        learner = MaskedMaps(network, how.share)
    except ValueError as fault:
        raise ConfigError(str(fault)) from None
    on_device(network, device)
    learner.to(device)
    names = dataset.locations or dataset.map_names
    if not names:
        raise DataError(f"{dataset.where}: no map to learn from")
    maps, best = _Maps(dataset, names, cropper_for(dataset, crop)), float("inf")
    held_out = maps.crops(_HELD_OUT, _HELD_OUT_SEED).to(device)
    for epoch in _learn(learner, maps, config, how, device):
        told = _held_out_nats(learner, held_out)
        print(f"epoch {epoch}/{how.epochs}  hidden pixels {told:.4f} nats", file=sys.stderr, flush=True)
        if not np.isfinite(told):
            raise ConfigError("the loss is no longer finite: lower optimiser.map_learning_rate")
        if told < best:
            best = told
            notes = {"epoch": epoch, "hidden_nats": told, "config": as_dict(config), "pretrained_on": list(names)}
            out.mkdir(parents=True, exist_ok=True)
            save_checkpoint(out / "best.safetensors", network, notes)
    return out / "best.safetensors"


def _learn(
    learner: MaskedMaps, maps: _Maps, config: TrainingConfig, how: Pretraining, device: torch.device | str
) -> Iterator[int]:
    """Learn an epoch, then say its number, from 1 on."""
    rate, size, seed = config.optimiser.map_learning_rate, config.run.batch_size, config.run.seed
    optimiser = torch.optim.AdamW(learner.parameters(), rate)
    steps = how.epochs * -(-how.crops // size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rising_cosine(step, steps, _WARMUP))
    draw = torch.Generator().manual_seed(seed)
    for epoch in range(how.epochs):
        learner.train()
        for crops in maps.batches(how.crops, size, _DRAWN_SEED + 1_000 * seed + epoch):
            optimiser.zero_grad()
            learner(crops.to(device), learner.hidden(len(crops), draw).to(device)).backward()
            optimiser.step()
            schedule.step()
        yield epoch + 1


def _held_out_nats(learner: MaskedMaps, crops: torch.Tensor) -> float:
    learner.eval()
    hidden = learner.hidden(len(crops), torch.Generator().manual_seed(0)).to(crops.device)
    with torch.no_grad():
        return float(learner(crops, hidden))


class _Maps:
    """Draws crops, as many of each map."""

    def __init__(self, dataset: Dataset, names: tuple[str, ...], cropper: Cropper) -> None:
        self.dataset, self.names, self._cropper = dataset, names, cropper

    def poses(self, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Poses in the world and the maps that they are on, shuffled."""
        each = -(-count // len(self.names))
        drawn = [road_poses(self.dataset.load_map(name), each, seed + 31 * k) for k, name in enumerate(self.names)]
        index = np.repeat([self.dataset.map_names.index(name) for name in self.names], each)
        order = np.random.default_rng(seed).permutation(len(index))[:count]
        return torch.from_numpy(np.concatenate(drawn)[order]), torch.from_numpy(index[order].astype(np.int64))

    def crops(self, count: int, seed: int) -> torch.Tensor:
        """(count, channels, height, width) in 0…1."""
        return self._cropper(*self.poses(count, seed))

    def batches(self, count: int, batch_size: int, seed: int) -> Iterator[torch.Tensor]:
        """The same in batches, with a progress bar."""
        poses, maps = self.poses(count, seed)
        starts = range(0, count, batch_size)
        for first in progress(starts, "telling hidden cells", total=len(starts)):
            part = slice(first, first + batch_size)
            yield self._cropper(poses[part], maps[part])
