"""One agent's scene, and all that may be changed in it: regions with knobs, each with a unit, a range and a scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.errors import ConfigError, one_of
from forecast.core.shapes import Float
from forecast.explain import map_edits, track_edits
from forecast.explain.arms import Arm, find_arms
from forecast.explain.null_inputs import null_map

#: How far ahead the middle of an arm is that is opened where nothing else is said, and how wide it is, metres.
OPENED_AT_M, OPENED_WIDTH_M = 15.0, 8.0


@dataclass(frozen=True)
class Knob:
    """One thing that can be changed; 0 leaves it as it is.

    Attributes:
        region: ``left_arm``, ``road``, ``neighbour:2``, ``own``.
        verb: what changes there.
        unit: of the amount.
        low, high: what a search may try.
        scale: an amount that counts as 1 in the size of a change.
        switch: done or not done: amounts are 0 or ``high``.
    """

    region: str
    verb: str
    unit: str
    low: float
    high: float
    scale: float
    switch: bool = False

    @property
    def name(self) -> str:
        """For people and files."""
        return f"{self.region} {self.verb}"


def _arm_knobs(arm: Arm) -> list[Knob]:
    return [
        Knob(arm.name, "bend", "°", -90.0, 90.0, 30.0),
        Knob(arm.name, "close", "", 0.0, 1.0, 1.0, switch=True),
    ]


_ROAD = (
    Knob("road", "widen", "m", -1.5, 3.0, 1.0),
    Knob("road", "dividers", "m", -2.0, 2.0, 1.0),
    Knob("road", "open left", "m", 0.0, 40.0, 20.0),
    Knob("road", "open right", "m", 0.0, 40.0, 20.0),
)
#: Within what a tracker may be wrong by.
_OWN = (Knob("own", "faster", "m/s", -0.3, 0.3, 0.15), Knob("own", "turning", "rad/s", -0.05, 0.05, 0.02))
#: What the verb of a standing car that is put somewhere begins with; its place follows, ``x,y``.
STANDING_CAR = "standing car at "
#: Not for a search: done or not done.
STRAIGHTEN = Knob("road", "straighten", "", 0.0, 1.0, 1.0, switch=True)


def neighbour_knobs(number: int) -> list[Knob]:
    """Of the neighbour of this number, from 1, the nearest first."""
    region = f"neighbour:{number}"
    return [
        Knob(region, "ahead", "m", -15.0, 15.0, 5.0),
        Knob(region, "left", "m", -4.0, 4.0, 2.0),
        Knob(region, "faster", "m/s", -6.0, 6.0, 3.0),
        Knob(region, "later", "s", -3.0, 3.0, 1.0),
    ]


def neighbour_switch(region: str, verb: str) -> Knob:
    """A neighbour that is ``gone``, or ``stops``; not for a search."""
    return Knob(region, verb, "", 0.0, 1.0, 1.0, switch=True)


def standing_car_at(knob: Knob) -> tuple[float, float] | None:
    """Where a knob puts a standing car, agent frame, metres; None where it does something else."""
    if not knob.verb.startswith(STANDING_CAR):
        return None
    x_m, y_m = map(float, knob.verb.removeprefix(STANDING_CAR).split(","))
    return x_m, y_m


class SceneEditor:
    """Edits one agent's inputs.

    Args:
        batch: one agent, with its crop.
        spec: of the crop.
        step_s: seconds between two key frames.

    Raises:
        ValueError: not one agent, or no crop.
    """

    def __init__(self, batch: AgentBatch, spec: CropSpec, step_s: float) -> None:
        if len(batch) != 1 or batch.crop is None:
            raise ValueError(f"expected one agent with a crop, got {len(batch)} and crop {batch.crop is not None}")
        self.batch = replace(batch, crop=batch.crop.float())
        self.spec, self._step_s = spec, step_s
        #: Slots of the neighbours that are there at time 0, the nearest first.
        self.slots: list[int] = np.flatnonzero(batch.neighbours_valid[0, :, -1].numpy()).tolist()

    @cached_property
    def road(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """(height, width) where the crop shows road."""
        assert self.batch.crop is not None
        return np.asarray(self.batch.crop[0, map_edits.road_channel(self.spec)].numpy() >= 0.5)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Of the road ahead."""
        return find_arms(self.road.astype(np.float32), self.spec)

    @cached_property
    def _areas(self) -> list[map_edits.ArmArea]:
        return [map_edits.arm_area(arm, self.road, self.spec) for arm in self.arms]

    @property
    def regions(self) -> list[str]:
        """All that can be named."""
        others = [f"neighbour:{number}" for number in range(1, len(self.slots) + 1)]
        return [*(arm.name for arm in self.arms), "road", *others, "own"]

    def knobs(self, regions: Iterable[str]) -> tuple[Knob, ...]:
        """What may be changed in some regions.

        Raises:
            ConfigError: the scene has no such region.
        """
        found: list[Knob] = []
        of_arm = {arm.name: arm for arm in self.arms}
        for region in regions:
            if region not in self.regions:
                raise ConfigError(f"no region is called '{region}' in this scene: {one_of(self.regions, region)}")
            if region in of_arm:
                found += _arm_knobs(of_arm[region])
            elif region.startswith("neighbour:"):
                found += neighbour_knobs(int(region.partition(":")[2]))
            else:
                found += {"road": _ROAD, "own": _OWN}[region]
        return tuple(found)

    @property
    def closings(self) -> list[Knob]:
        """Of each arm, the knob that closes it."""
        return [knob for arm in self.arms for knob in _arm_knobs(arm) if knob.verb == "close"]

    def slot_of(self, region: str) -> int:
        """The slot of a neighbour by its region's name."""
        return self.slots[int(region.partition(":")[2]) - 1]

    def changed(self, changes: Sequence[tuple[Knob, float]]) -> AgentBatch:
        """The scene with some knobs turned, one agent, metres and m/s as it was."""
        amounts = torch.tensor([[amount for _, amount in changes]]).reshape(1, -1)
        return self.apply([knob for knob, _ in changes], amounts)

    def apply(self, knobs: Sequence[Knob], amounts: Float[Tensor, "rows knobs"]) -> AgentBatch:
        """The scene with each row's amounts turned on, (rows, …); amounts of 0 leave it as it is.

        Args:
            knobs: of :meth:`knobs`, or of a command.
            amounts: in the knobs' units, metres, degrees, m/s, seconds.
        """
        rows, amounts = len(amounts), amounts.float()
        tensors: dict[str, Any] = {
            name: one.expand(rows, *one.shape[1:]).clone() for name, one in self.batch.tensors().items()
        }
        batch = replace(self.batch.anonymous(), **tensors)
        turned = {knob: amounts[:, place] for place, knob in enumerate(knobs) if (amounts[:, place] != 0).any()}
        batch = replace(batch, crop=self._map(batch.crop, turned))
        for knob, amount in turned.items():
            batch = self._tracks(batch, knob, amount)
        return batch

    def _map(self, crops: Tensor | None, turned: dict[Knob, Tensor]) -> Tensor:
        assert crops is not None
        zero = torch.zeros(len(crops))
        by_name = {knob.name: amount for knob, amount in turned.items()}
        if (share := by_name.get("road straighten")) is not None:
            crops = torch.lerp(crops, null_map(crops, self.spec, "straight"), share[:, None, None, None])
        if (by_m := by_name.get("road widen")) is not None:
            crops = map_edits.widened(crops, by_m, self.spec)
        for knob, amount in turned.items():
            if knob.region == "road" and knob.verb.startswith("open"):
                side = 1 if knob.verb.split()[1] == "left" else -1
                _, _, at = knob.verb.partition(" at ")
                at_m = float(at) if at else OPENED_AT_M
                crops = map_edits.opened(crops, amount, side, at_m, OPENED_WIDTH_M, self.spec)
        names = [arm.name for arm in self.arms]
        if any(knob.region in names for knob in turned):
            bend = torch.stack([by_name.get(f"{name} bend", zero) for name in names], 1)
            closed = torch.stack([by_name.get(f"{name} close", zero) for name in names], 1) >= 0.5
            crops = map_edits.moved_arms(crops, self._areas, torch.deg2rad(bend), closed, self.spec)
        if (by_m := by_name.get("road dividers")) is not None:
            crops = map_edits.dividers_moved(crops, by_m, self.spec)
        return crops

    def _tracks(self, batch: AgentBatch, knob: Knob, amount: Tensor) -> AgentBatch:
        zero = torch.zeros_like(amount)
        if knob.region == "own":
            faster, turning = (amount, zero) if knob.verb == "faster" else (zero, amount)
            return track_edits.own_past(batch, faster, turning, self._step_s)
        if (place_m := standing_car_at(knob)) is not None:
            return track_edits.neighbour_placed(batch, *place_m)
        if not knob.region.startswith("neighbour:"):
            return batch
        slot = self.slot_of(knob.region)
        match knob.verb:
            case "ahead":
                return track_edits.neighbour_moved(batch, slot, amount, zero)
            case "left":
                return track_edits.neighbour_moved(batch, slot, zero, amount)
            case "faster":
                return track_edits.neighbour_faster(batch, slot, amount, self._step_s)
            case "later":
                return track_edits.neighbour_later(batch, slot, amount)
            case "stops":
                return track_edits.neighbour_stopped(batch, slot, amount >= 0.5)
            case "gone":
                return track_edits.neighbour_gone(batch, slot, amount >= 0.5)
        raise ValueError(f"no verb '{knob.verb}'")
