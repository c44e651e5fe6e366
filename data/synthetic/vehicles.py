"""Drivers and their vehicles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BRAKE_MPS2, HARDEST_MPS2 = 1.8, 4.5
PUSH_MPS2 = (0.5, 1.4)
#: Nobody holds a pedal still: standard deviation of what comes on top of what a driver means to do, and how long it
#: lasts. So the past of a vehicle tells little of its speed, as on real roads (docs/decisions/0017-town-drivers.md).
UNREST_MPS2, UNREST_S = 1.3, 1.0
#: Category, share, length, width and height with their spreads.
_FLEET = (
    ("vehicle.car", 0.84, (4.6, 0.25), (1.93, 0.06), (1.7, 0.12)),
    ("vehicle.truck", 0.11, (6.6, 0.4), (2.35, 0.06), (2.8, 0.2)),
    ("vehicle.bus.rigid", 0.05, (9.5, 0.4), (2.6, 0.04), (3.3, 0.1)),
)
#: Below this speed drivers have no unrest: who stands stands still.
CREEP_MPS = 0.5
#: Distance that the driver model keeps to an obstacle at rest.
STANDSTILL_M = 2.0


@dataclass
class Vehicle:
    """A driver and where it is: ``s_m`` along ``lane`` (box centre), ``following`` the lane chosen to come next."""

    number: int
    category: str
    size_m: tuple[float, float, float]  # width, length, height
    boldness: float
    headway_s: float
    push_mps2: float
    side_m: float
    lane: int
    s_m: float
    v_mps: float
    unrest_mps2: float = 0.0
    following: int | None = None
    reserved: bool = False
    behind: int | None = None  # connector that its rear has yet to leave
    stands: bool = False  # and will not move

    @property
    def half_m(self) -> float:
        """Half its length."""
        return self.size_m[1] / 2

    def stopping_m(self) -> float:
        """What it takes to stop without haste, reaction included."""
        return self.v_mps * self.v_mps / (2 * BRAKE_MPS2) + 0.5 * self.v_mps

    def squeeze(self, gap_m: float, lead_mps: float) -> float:
        """The braking term of the intelligent driver model, for an obstacle ahead (bumper to bumper)."""
        closing = self.v_mps * (self.v_mps - lead_mps) / (2 * math.sqrt(self.push_mps2 * BRAKE_MPS2))
        wanted = STANDSTILL_M + max(0.0, self.v_mps * self.headway_s + closing)
        return (wanted / max(gap_m, 0.3)) ** 2

    def stir(self, normal: float, step_s: float) -> None:
        """Let the unrest of a driver change: a first-order process, whatever the step.

        Args:
            normal: a draw of the standard normal distribution.
            step_s: seconds.
        """
        kept = math.exp(-step_s / UNREST_S)
        self.unrest_mps2 = kept * self.unrest_mps2 + math.sqrt(1 - kept * kept) * UNREST_MPS2 * normal

    def acceleration_mps2(self, wish_mps: float, squeeze: float) -> float:
        """What the driver does: approach the wished speed, or keep the distance, whichever demands less speed.

        Unrest comes on top of the first alone: who has to keep a distance watches out.
        """
        if self.v_mps <= wish_mps:
            free = 1 - (self.v_mps / wish_mps) ** 8
        else:
            free = -BRAKE_MPS2 / self.push_mps2 * min(1.0, 2 * (self.v_mps - wish_mps))
        meant = self.push_mps2 * free + (self.unrest_mps2 if self.v_mps > CREEP_MPS else 0.0)
        return max(min(meant, self.push_mps2 * (1 - squeeze)), -HARDEST_MPS2)


def draw_body(rng: np.random.Generator) -> tuple[str, tuple[float, float, float]]:
    """Category and (width, length, height) of a vehicle."""
    kind = _FLEET[rng.choice(len(_FLEET), p=[entry[1] for entry in _FLEET])]
    length, width, height = (float(mean + spread * np.clip(rng.normal(), -2, 2)) for mean, spread in kind[2:])
    return kind[0], (width, length, height)


def draw_vehicle(rng: np.random.Generator, number: int, lane: int, s_m: float) -> Vehicle:
    """A vehicle with a driver of its own temper, at rest on a lane."""
    category, size = draw_body(rng)
    boldness = float(np.clip(rng.normal(1.08, 0.1), 0.8, 1.3))
    headway, push = float(rng.uniform(0.9, 1.7)), float(rng.uniform(*PUSH_MPS2))
    side = float(np.clip(rng.normal(0, 0.12), -0.25, 0.25))
    return Vehicle(number, category, size, boldness, headway, push, side, lane, s_m, 0.0)
