"""What every network's configuration says: the part that the rest of the package may ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TypeVar

from forecast.core.agents import Features
from forecast.core.crops import CropSpec
from forecast.core.horizon import Horizon

_Config = TypeVar("_Config", bound="NetworkConfig")


@dataclass(frozen=True)
class NetworkConfig:
    """Base of the configurations of all networks; a network adds its own sizes and switches, with defaults.

    Attributes:
        network: name in the registry (:mod:`forecast.model.network_registry`).
        uses_map, uses_neighbours: the context that the network reads; without both, the agent's own past is all.
        features: how velocities, accelerations and yaw rates come about: ``causal``, from the present and the past;
            ``as_published``, by central differences as in the paper's code, which hold up to 1 s of the future
            (:mod:`forecast.data.central_motion`). Then nothing live can be forecast, and every report says so.
        modes: futures that are learnt.
        medoids: in prediction, so many of them are answered, chosen to stand for all (:mod:`forecast.model.medoids`);
            0 to answer all, near-equal ones merged.
        medoid_power: while choosing, modes weigh by their probability to this power.
        merge_radius_m: in prediction without medoids, modes closer than this at every step are merged
            (:mod:`forecast.model.merging`): 2 m, the distance from which nuScenes calls a mode a miss; 0 for the
            network's own probabilities, as published. Training does not depend on it.
        crop: the part of the map around the agent that is read where ``uses_map``.
        horizon: length of a step, and how many of them of the past are read and of the future forecast.
    """

    network: str = ""
    uses_map: bool = True
    uses_neighbours: bool = True
    features: Features = "causal"
    modes: int = 25
    medoids: int = 0
    medoid_power: float = 0.5
    merge_radius_m: float = 2.0
    crop: CropSpec = field(default_factory=CropSpec)
    horizon: Horizon = field(default_factory=Horizon)

    def __post_init__(self) -> None:
        self._at_least_1("modes")
        self._finite("merge_radius_m", "medoid_power")
        if not 0 <= self.medoids <= self.modes:
            raise ValueError(f"model.medoids: expected 0 to model.modes, {self.modes}, got {self.medoids}")

    @property
    def remark(self) -> str:
        """What every report of such a model's forecasts has to say; empty where there is nothing."""
        if self.features == "causal":
            return ""
        return (
            "not causal: velocities and accelerations in the input hold up to 1 s of the future "
            "(model.features as_published); do not compare with causal models"
        )

    @property
    def answered_modes(self) -> int:
        """Futures in an answer."""
        return self.medoids or self.modes

    @property
    def map_crop(self) -> CropSpec | None:
        """The crop that the network reads; None where it reads no map."""
        return self.crop if self.uses_map else None

    @property
    def uses_context(self) -> bool:
        """Whether the network reads anything but the agent's own past."""
        return self.uses_map or self.uses_neighbours

    def without_context(self: _Config) -> _Config:
        """The same network, reading the agent's own past alone."""
        return replace(self, uses_map=False, uses_neighbours=False)

    def _at_least_1(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name}: expected at least 1, got {getattr(self, name)}")

    def _finite(self, *names: str) -> None:
        for name in names:
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"model.{name}: expected 0 or more, got {getattr(self, name)}")
