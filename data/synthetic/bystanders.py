"""Those who are not in traffic: parked cars in the parking strips and pedestrians on the walkways."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import LineString

from forecast.data.synthetic.recording import Agent
from forecast.data.synthetic.roads import PARKING_STRIP_M, Network
from forecast.data.synthetic.surfaces import Surfaces, parking_range_m

Floats = NDArray[np.float64]
_STROLL_M = 1.7  # from the kerb to the line that pedestrians keep to


def parked_cars(network: Network, rng: np.random.Generator, frames: int, *, occupancy: float = 0.45) -> list[Agent]:
    """Cars that stand in the parking strips, at most one a bay."""
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
) -> Agent:
    point, heading = place
    against = two_way and (side > 0) == drive_right
    pose = np.array([*point, float(heading) + np.pi * against + rng.normal(0, 0.01)])
    size = (float(rng.uniform(1.75, 1.95)), float(rng.uniform(4.1, 4.9)), float(rng.uniform(1.45, 1.9)))
    return Agent("vehicle.car", size, 0, np.repeat(pose[None], frames, axis=0), parked=True)


def pedestrians(
    surfaces: Surfaces, rng: np.random.Generator, frames: int, step_s: float, *, spacing_m: float = 45.0
) -> list[Agent]:
    """Pedestrians who stroll along the walkways round the blocks, some of them standing."""
    walkers = []
    for block in surfaces.drivable:
        wide = block.buffer(_STROLL_M)
        for polygon in getattr(wide, "geoms", [wide]):
            for ring in (polygon.exterior, *polygon.interiors):
                line = LineString(ring.coords)
                count = rng.poisson(line.length / spacing_m)
                walkers += [_walker(line, rng, frames, step_s) for _ in range(count)]
    return walkers


def _walker(line: LineString, rng: np.random.Generator, frames: int, step_s: float) -> Agent:
    speed = 0.0 if rng.random() < 0.15 else float(np.clip(rng.normal(1.35, 0.25), 0.7, 2.2)) * rng.choice([-1, 1])
    wobble = np.cumsum(rng.normal(0, 0.03, frames)) * (speed != 0)
    along = (rng.uniform(0, line.length) + speed * step_s * np.arange(frames) + wobble) % line.length
    points = np.array([line.interpolate(a).coords[0] for a in along])
    if speed == 0.0:
        headings = np.full(frames, rng.uniform(-np.pi, np.pi))
    else:
        steps = np.gradient(points, axis=0)
        headings = np.arctan2(steps[:, 1], steps[:, 0])
    size = (float(rng.uniform(0.55, 0.8)), float(rng.uniform(0.55, 0.85)), float(rng.uniform(1.55, 1.9)))
    return Agent("human.pedestrian.adult", size, 0, np.column_stack([points, headings]))
