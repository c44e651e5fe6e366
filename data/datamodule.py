"""Motion forecasting as a Lightning data module; crops of the map are made on the device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.horizon import NUSCENES_HORIZON, Horizon
from forecast.data.augment import some_mirrored, turned
from forecast.data.cache import open_dataset
from forecast.data.dataset import AgentDataset
from forecast.data.loading import EpochBatches, loader
from forecast.data.map_crops import cropper_for
from forecast.data.maps.crop import Cropper
from forecast.data.windows import NeighbourRule


@dataclass(frozen=True)
class Augmentation:
    """What is varied in training.

    Attributes:
        mirror: share of agents whose left and right are swapped, map and side of traffic included.
        heading_noise_rad: standard deviation of a turn of each target's frame.
    """

    mirror: float = 0.0
    heading_noise_rad: float = 0.0


class ForecastDataModule(pl.LightningDataModule):
    """Training and validation batches with crops of the map.

    The order of training depends on the seed and the epoch alone, so a resumed run sees what an uninterrupted one
    would have seen. Under several processes each takes its share of every epoch.

    Args:
        dataroot, version: a data set; see :func:`forecast.data.cache.open_dataset`.
        train_split, val_split: names of splits.
        batch_size: agents per batch and process.
        crop: what to see of the map; None for no map.
        dense: train on every agent at every key frame; validation is on the challenge's list.
        horizon, neighbour_rule, cache: as of :class:`~forecast.data.dataset.AgentDataset`.
        augmentation: of training batches; none by default.
        seed: of the order and of augmentation.
        num_workers: loader processes; they map the cache rather than copy it.
    """

    def __init__(
        self,
        dataroot: str | Path,
        version: str | None,
        train_split: str,
        val_split: str,
        batch_size: int = 256,
        crop: CropSpec | None = CropSpec(),  # noqa: B008 - frozen
        *,
        dense: bool = False,
        horizon: Horizon = NUSCENES_HORIZON,
        neighbour_rule: NeighbourRule = NeighbourRule(),  # noqa: B008 - frozen
        augmentation: Augmentation = Augmentation(),
        seed: int = 0,
        num_workers: int = 0,
        cache: str | Path | None = None,
    ) -> None:
        super().__init__()
        if augmentation.mirror and crop is not None and crop.left_m != crop.right_m:
            raise ValueError("mirroring needs a crop that reaches as far left as right")
        self.dataroot, self.version, self.cache = dataroot, version, cache
        self.train_split, self.val_split, self.dense = train_split, val_split, dense
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.crop, self.horizon, self.neighbour_rule, self.augmentation = crop, horizon, neighbour_rule, augmentation
        self._generator, self._epoch = torch.Generator(), -1
        self._cropper: Cropper | None = None

    def prepare_data(self) -> None:
        """Read the tables into the cache, once per machine."""
        open_dataset(self.dataroot, self.version, self.cache)

    def setup(self, stage: str | None = None) -> None:
        """Open both splits."""
        dataset = open_dataset(self.dataroot, self.version, self.cache)
        shared = {"horizon": self.horizon, "neighbour_rule": self.neighbour_rule}
        learn = dataset.samples(self.train_split, dense=self.dense)
        self.train = AgentDataset.of(dataset, learn, **shared)  # type: ignore[arg-type]
        self.val = AgentDataset.of(dataset, dataset.samples(self.val_split), **shared)  # type: ignore[arg-type]
        self._cropper = cropper_for(dataset, self.crop) if self.crop is not None else None

    def train_dataloader(self) -> DataLoader[AgentBatch]:
        """Batches in an order of their own in each epoch."""
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> DataLoader[AgentBatch]:
        """Batches in the order of the challenge's list."""
        return self._loader(self.val, shuffle=False)

    def _loader(self, forecasts: AgentDataset, *, shuffle: bool) -> DataLoader[AgentBatch]:
        world, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        # Lightning tells the epoch to these, and leaves them alone under several processes.
        batches = EpochBatches(len(forecasts), self.batch_size, self.seed if shuffle else None, rank, world)
        return loader(forecasts, batches, self.num_workers)

    def on_after_batch_transfer(self, batch: AgentBatch, dataloader_idx: int) -> AgentBatch:
        """Turn, crop and mirror on the device; turning comes before the crop, mirroring after it."""
        learning = bool(self.trainer and self.trainer.training)
        if learning and self.augmentation.heading_noise_rad:
            noise = torch.randn(len(batch), generator=self._dice(), dtype=torch.float64)
            batch = turned(batch, (noise * self.augmentation.heading_noise_rad).to(batch.pose_world.device))
        if self._cropper is not None:
            batch = replace(batch, crop=self._cropper(batch.pose_world, batch.map_index))
        if learning and self.augmentation.mirror:
            channels = self.crop.channels if self.crop is not None else ()
            batch = some_mirrored(batch, self.augmentation.mirror, channels, self._dice())
        return batch

    def _dice(self) -> torch.Generator:
        """Random numbers that depend on seed, epoch and process alone."""
        trainer = self.trainer
        if trainer is not None and trainer.current_epoch != self._epoch:
            self._epoch = trainer.current_epoch
            self._generator.manual_seed((self.seed * 1_000_003 + self._epoch) * 1_009 + trainer.global_rank)
        return self._generator
