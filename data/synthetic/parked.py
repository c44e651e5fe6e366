"""Parked cars: in the strips along the roads and in off-street car parks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.data.synthetic.roads import PARKING_STRIP_M, RoadNetwork
from forecast.data.synthetic.simulated_scene import SimulatedAgent
from forecast.data.synthetic.surfaces import Surfaces, parking_range_m

Floats = NDArray[np.float64]


def parked_cars(
    network: RoadNetwork, rng: np.random.Generator, frames: int, *, occupancy: float
) -> list[SimulatedAgent]:
    """Cars in the parking strips, at most one a bay."""
    cars = []
    for road in network.roads:
        first, last = parking_range_m(road)
        for on, side in zip(road.parking, (1, -1), strict=True):
            kerb = road.left_m if side > 0 else road.right_m
            line = road.reference.offset(side * (kerb - PARKING_STRIP_M / 2))
            # Arc lengths of the parallel curve differ from those of the reference.
            stretch = line.length_m / road.reference.length_m
            bays = np.arange(first + 3.5, last - 3.5, 6.5) * stretch if on else np.zeros(0)
            taken = bays[rng.random(len(bays)) < occupancy]
            two_way = bool(road.backward)
            cars += [_parked(line.at(float(bay)), two_way, side, network.drive_right, rng, frames) for bay in taken]
    return cars


def _parked(
    place: tuple[Floats, Floats], two_way: bool, side: int, drive_right: bool, rng: np.random.Generator, frames: int
) -> SimulatedAgent:
    point, heading = place
    against = two_way and (side > 0) == drive_right
    pose = np.array([*point, float(heading) + np.pi * against + rng.normal(0, 0.01)])
    return _standing(pose, rng, frames)


def lot_cars(surfaces: Surfaces, rng: np.random.Generator, frames: int, *, occupancy: float) -> list[SimulatedAgent]:
    """Cars in the bays of off-street car parks."""
    cars = []
    for bay in surfaces.bays:
        if rng.random() < occupancy:
            pose = bay + np.array([*rng.normal(0, 0.08, 2), np.pi * (rng.random() < 0.4) + rng.normal(0, 0.02)])
            cars.append(_standing(pose, rng, frames))
    return cars


def _standing(pose: Floats, rng: np.random.Generator, frames: int) -> SimulatedAgent:
    size = (float(rng.uniform(1.75, 1.95)), float(rng.uniform(4.1, 4.9)), float(rng.uniform(1.45, 1.9)))
    return SimulatedAgent("vehicle.car", size, 0, np.repeat(pose[None], frames, axis=0), parked=True)
