"""The schema of a training configuration, section by section.

``model`` and ``objective`` are typed by the network and the objective that are chosen; their dataclasses lie with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from forecast.model.cvae_config import CVAEConfig
from forecast.model.network_config import NetworkConfig
from forecast.model.network_registry import network_class
from forecast.model.objective_config import ObjectiveConfig
from forecast.model.objectives.gain import Gain
from forecast.training.schedules import SchedulesConfig


@dataclass(frozen=True)
class DataConfig:
    """Which agent-samples to learn from.

    Attributes:
        dataroot: folder of a data set.
        version: of nuScenes, e.g. ``v1.0-trainval``; by default the only one that the folder holds.
        source: kind of data set, e.g. ``nuscenes``, ``argoverse2``; by default detected from the folder.
        train_split, val_split: names of splits; by default those that the data set names.
        locations: names of maps, e.g. ``singapore-onenorth``; only what drives there is learnt from and validated on.
        scenes: so many scenes of the training split, drawn once, at these locations; by default all.
        rehearsal: names of maps of which a few agent-samples are learnt beside, so that they are not forgotten.
        rehearsal_each: so many of each manoeuvre and map.
        rehearsal_repeat: how often each of them comes in an epoch.
        cache: folder for prepared data; by default where the data set says.
        dense: train on every vehicle at every key frame, not on the challenge's agent-samples alone.
        types: where ``dense``, which agents; by default those that the data set is about: vehicles in nuScenes.
        standing: where ``dense``, the share to keep of vehicles that stand at time 0.
        mirror: share of each training batch whose left and right are swapped, map and side of traffic included.
        heading_noise_rad: standard deviation of a turn of each training target's frame, crop included.
        drop_neighbours: share of all neighbours in training that are left out, anew each time.
        crop_memory_mib: crops of the map are kept for the next epochs up to this, MiB; 0 to make them anew. Turned
            ones are never kept.
    """

    dataroot: str = ""
    version: str | None = None
    source: str | None = None
    train_split: str | None = None
    val_split: str | None = None
    locations: tuple[str, ...] | None = None
    scenes: int | None = None
    rehearsal: tuple[str, ...] = ()
    rehearsal_each: int = 20
    rehearsal_repeat: int = 5
    cache: str | None = None
    dense: bool = False
    types: tuple[Literal["vehicle", "pedestrian", "cyclist", "other"], ...] | None = None
    standing: float = 1.0
    mirror: float = 0.0
    heading_noise_rad: float = 0.0
    drop_neighbours: float = 0.0
    crop_memory_mib: int = 1024

    def __post_init__(self) -> None:
        for name in ("standing", "mirror", "drop_neighbours"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"data.{name}: expected a share of 0…1, got {getattr(self, name)}")
        if self.types is not None and (not self.types or not self.dense):
            raise ValueError("data.types: names at least one type, and goes with data.dense")
        if self.rehearsal and not self.locations:
            raise ValueError("data.rehearsal: goes with data.locations, the maps that are learnt")
        for name in ("scenes", "rehearsal_each", "rehearsal_repeat"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"data.{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("heading_noise_rad", "crop_memory_mib"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"data.{name}: expected 0 or more, got {getattr(self, name)}")


@dataclass(frozen=True)
class AdaptConfig:
    """Adaptation of trained weights (``run.start_from``) to a city (``data.locations``): what ``forecast adapt`` sets.

    Attributes:
        method: what is trained: ``adapters``, low-rank updates of all matrices, and all vectors; ``attention``, what
            attends, positions and heads; ``full``, everything; ``none``: the run adapts nothing.
        shared: change the weights themselves, for all cities; otherwise the city's changes are kept beside a frozen
            base, and other cities are answered as before, bit for bit.
        city: name of the city in the checkpoint; by default that of its locations.
        rank: of the updates of matrices, where ``method`` is ``adapters``.
    """

    method: Literal["none", "adapters", "attention", "full"] = "none"
    shared: bool = False
    city: str = ""
    rank: int = 16

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"adapt.rank: expected at least 1, got {self.rank}")
        if self.shared and self.method == "adapters":
            raise ValueError("adapt.shared: adapters are a city's own; take the method attention or full")


@dataclass(frozen=True)
class ConsistencyConfig:
    """Training for consistency: forecasts are asked to foresee those of the next key frame.

    Attributes:
        weight: of :func:`~forecast.model.consistency_loss.consistency_loss` beside the objective; 0 for none. Where it
            is not 0, successive agent-samples of a track share a batch.
        probability_weight: in that loss, of how probable the matched modes are, beside how near they are, metres a nat.
    """

    weight: float = 0.0
    probability_weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("weight", "probability_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"consistency.{name}: expected 0 or more, got {getattr(self, name)}")


@dataclass(frozen=True)
class OptimiserConfig:
    """Adam, with decoupled weight decay where that is given, and what surrounds it.

    Attributes:
        learning_rate: of everything but the map encoder.
        map_learning_rate: of the map encoder.
        decay: ``cosine`` to a twentieth over the run, or (as published) ``exponential``.
        decay_per_step: factor of the exponential decay.
        warmup: share of the run over which the rates first rise from 0.
        clip_value: gradients are clipped entry by entry to ± this; null for no such clipping.
        clip_norm: instead, the gradient of all parameters together is clipped to this length.
        weight_decay: of matrices and convolutions; biases, norms and embeddings of less than two axes do not decay.
        average_decay: weights that are validated and saved are a moving average of the trained ones with this factor a
            step; null for the trained ones themselves.
    """

    learning_rate: float = 3e-3
    map_learning_rate: float = 3e-3
    decay: Literal["cosine", "exponential"] = "cosine"
    decay_per_step: float = 0.9999
    warmup: float = 0.0
    clip_value: float | None = 1.0
    clip_norm: float | None = None
    weight_decay: float = 0.0
    average_decay: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < 1:
            raise ValueError(f"optimiser.warmup: expected a share in [0, 1), got {self.warmup}")
        for name in ("learning_rate", "map_learning_rate", "decay_per_step", "clip_value", "clip_norm"):
            given = getattr(self, name)
            if given is not None and not 0 < given < math.inf:
                raise ValueError(f"optimiser.{name}: expected more than 0, got {given}")
        if self.clip_value is not None and self.clip_norm is not None:
            raise ValueError("optimiser: clip_value and clip_norm are both given; set the other one to null")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"optimiser.weight_decay: expected 0 or more, got {self.weight_decay}")
        if self.average_decay is not None and not 0 < self.average_decay < 1:
            raise ValueError(f"optimiser.average_decay: expected a factor in (0, 1), got {self.average_decay}")


@dataclass(frozen=True)
class RunConfig:
    """How to run.

    Attributes:
        epochs: passes over the training split.
        batch_size: agent-samples a step and process.
        seed: of weights, order, dropout and sampling.
        accelerator, devices, nodes, strategy, precision: handed to Lightning's Trainer.
        loggers: Lightning loggers beside the CSV that is always written: ``tensorboard``, ``csv`` or the dotted
            path of a class that takes ``save_dir``. The first two keep one log a run, also where it is resumed.
        pictures_every: with the logger ``tensorboard``, forecasts of a few validation agents are drawn each time so
            many epochs are over, and after the last; 0 for none.
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
    pictures_every: int = 5
    monitor: Literal["nll", "ade_ml", "fde_ml", "min_ade", "min_fde"] = "nll"
    start_from: str | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "devices", "nodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"run.{name}: expected at least 1, got {getattr(self, name)}")
        if self.pictures_every < 0:
            raise ValueError(f"run.pictures_every: expected 0 or more, got {self.pictures_every}")
        if self.precision in ("16", "64", "16-true", "bf16-true", "64-true"):
            raise ValueError(f"run.precision: expected 32-true, bf16-mixed or 16-mixed, got '{self.precision}'")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"run.seed: expected 0 to 4294967295, got {self.seed}")


@dataclass(frozen=True)
class TrainingConfig:
    """All of it; the defaults are those of ``configs/gain.yaml``.

    Raises:
        ValueError: sections that do not go together.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: NetworkConfig = field(default_factory=CVAEConfig)
    objective: ObjectiveConfig = field(default_factory=Gain)
    consistency: ConsistencyConfig = field(default_factory=ConsistencyConfig)
    adapt: AdaptConfig = field(default_factory=AdaptConfig)
    schedules: SchedulesConfig = field(default_factory=SchedulesConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        crop = self.model.map_crop
        if self.data.mirror and crop is not None and crop.left_m != crop.right_m:
            raise ValueError(
                f"data.mirror: needs a crop that reaches as far left as right; model.crop has left_m {crop.left_m}, "
                f"right_m {crop.right_m}"
            )
        if self.adapt.method != "none":
            missing = {"run.start_from": self.run.start_from, "data.locations": self.data.locations}
            if not all(missing.values()):
                raise ValueError(f"adapt.method: needs {' and '.join(key for key in missing if not missing[key])}")
            if self.data.rehearsal and not self.adapt.shared:
                raise ValueError(
                    "data.rehearsal: goes with adapt.shared; what a city changes for itself forgets no other city"
                )
            if self.objective.without_context == "twin":
                raise ValueError(
                    f"adapt.method: the objective '{self.objective.name}' trains a twin without context, which has no "
                    "cities; take --objective.name plain"
                )
        if self.objective.needs_posterior and not network_class(self.model.network).has_posterior:
            raise ValueError(
                f"objective.name: '{self.objective.name}' needs a network with a posterior, which model.network "
                f"'{self.model.network}' does not have"
            )
