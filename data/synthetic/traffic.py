"""Simulates traffic on a road network: car following, speed by curvature, and turns taken in turn at junctions.

Longitudinal control is the intelligent driver model (Treiber, Hennecke, Helbing 2000); a junction is entered only after
it has been reserved: no conflicting connector is taken and there is room behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString

from forecast.data.synthetic.roads import STOP_LINE_M, Lane, Network

Floats = NDArray[np.float64]

STEP_S = 0.1
_LATERAL_MPS2, _BRAKE_MPS2, _HARDEST_MPS2 = 2.2, 1.6, 4.5
_SIGHT_M = 60.0
#: Category, share, length, width and height with their spreads.
_FLEET = (
    ("vehicle.car", 0.84, (4.6, 0.25), (1.93, 0.06), (1.7, 0.12)),
    ("vehicle.truck", 0.11, (6.6, 0.4), (2.35, 0.06), (2.8, 0.2)),
    ("vehicle.bus.rigid", 0.05, (9.5, 0.4), (2.6, 0.04), (3.3, 0.1)),
)


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
    following: int | None = None
    reserved: bool = False
    behind: int | None = None  # connector that its rear has yet to leave

    @property
    def half_m(self) -> float:
        """Half its length."""
        return self.size_m[1] / 2


def draw_body(rng: np.random.Generator) -> tuple[str, tuple[float, float, float]]:
    """Category and (width, length, height) of a vehicle."""
    kind = _FLEET[rng.choice(len(_FLEET), p=[entry[1] for entry in _FLEET])]
    length, width, height = (float(mean + spread * np.clip(rng.normal(), -2, 2)) for mean, spread in kind[2:])
    return kind[0], (width, length, height)


class RightOfWay:
    """Which connectors conflict, and who holds which one."""

    def __init__(self, network: Network) -> None:
        self.conflicts: dict[int, set[int]] = {}
        self.holders: dict[int, set[int]] = {}
        for junction in network.junctions:
            swept = {i: LineString(network.lanes[i].centre.points_m).buffer(1.7) for i in junction.connectors}
            for i, shape in swept.items():
                shapely.prepare(shape)
                origin = network.lanes[i].predecessors
                self.conflicts[i] = {
                    j
                    for j, other in swept.items()
                    if j != i and network.lanes[j].predecessors != origin and shape.intersects(other)
                }
                self.holders[i] = set()

    def grant(self, connector: int, vehicle: int) -> bool:
        """Reserve a connector if nothing that conflicts is taken."""
        if any(self.holders[other] - {vehicle} for other in self.conflicts[connector]):
            return False
        self.holders[connector].add(vehicle)
        return True

    def release(self, connector: int, vehicle: int) -> None:
        """Give a connector back."""
        self.holders[connector].discard(vehicle)


def speed_limits_mps(lane: Lane) -> Floats:
    """(points,) what the limit and the curvature allow, braking in time for bends."""
    curvature = np.abs(lane.centre.curvature_per_m)
    allowed = np.minimum(lane.limit_mps, np.sqrt(_LATERAL_MPS2 / np.maximum(curvature, 1e-4)))
    gaps = np.diff(lane.centre.arc_m)
    for i in range(len(gaps) - 1, -1, -1):
        allowed[i] = min(allowed[i], np.sqrt(allowed[i + 1] ** 2 + 2 * _BRAKE_MPS2 * gaps[i]))
    return np.asarray(allowed)


class Traffic:
    """Vehicles on a network, stepped by 0.1 s. Equal generators give equal traffic."""

    def __init__(self, network: Network, rng: np.random.Generator, *, spacing_m: float) -> None:
        self.network, self.rng, self.spacing_m = network, rng, spacing_m
        self.lanes = network.lanes
        self.allowed = [speed_limits_mps(lane) for lane in self.lanes]
        self.right_of_way = RightOfWay(network)
        self.sources = [lane.index for lane in self.lanes if not lane.predecessors]
        self.vehicles: list[Vehicle] = []
        self.on_lane: list[list[Vehicle]] = [[] for _ in self.lanes]
        self._count = 0
        self._fill()

    def _fill(self) -> None:
        for lane in self.lanes:
            if lane.is_connector:
                continue
            position = self.rng.uniform(6.0, self.spacing_m)
            while position < lane.centre.length_m - 15.0:
                self._add(lane.index, float(position))
                position += 14.0 + self.rng.exponential(self.spacing_m)
            self.on_lane[lane.index].reverse()  # the foremost comes first

    def _add(self, lane: int, s_m: float) -> None:
        category, size = draw_body(self.rng)
        boldness = float(np.clip(self.rng.normal(0.97, 0.13), 0.65, 1.3))
        v = 0.6 * boldness * float(np.interp(s_m, self.lanes[lane].centre.arc_m, self.allowed[lane]))
        headway, push = float(self.rng.uniform(0.9, 1.7)), float(self.rng.uniform(1.2, 2.2))
        side = float(np.clip(self.rng.normal(0, 0.12), -0.25, 0.25))
        vehicle = Vehicle(self._count, category, size, boldness, headway, push, side, lane, s_m, v)
        vehicle.following = self._choose(lane)
        self._count += 1
        self.vehicles.append(vehicle)
        self.on_lane[lane].append(vehicle)

    def _choose(self, lane: int) -> int | None:
        onward = self.lanes[lane].successors
        return int(onward[self.rng.integers(len(onward))]) if onward else None

    def pose(self, vehicle: Vehicle) -> tuple[float, float, float]:
        """World x, y, heading of a vehicle's box centre."""
        point, heading = self.lanes[vehicle.lane].centre.at(vehicle.s_m)
        side = vehicle.side_m
        return (
            float(point[0] - side * np.sin(heading)),
            float(point[1] + side * np.cos(heading)),
            float(heading),
        )

    def _gap(self, vehicle: Vehicle) -> tuple[float, float]:
        """Free distance to whatever is ahead, bumper to bumper, and its speed; junctions not granted are walls."""
        lane, ahead = self.lanes[vehicle.lane], self.on_lane[vehicle.lane]
        # Lists run from the front of the lane to its back.
        place = ahead.index(vehicle)
        if place:
            other = ahead[place - 1]
            return other.s_m - vehicle.s_m - other.half_m - vehicle.half_m, other.v_mps
        gap, speed = _SIGHT_M, np.inf
        rest = lane.centre.length_m - vehicle.s_m
        if lane.junction_ahead is not None and vehicle.following is not None and not vehicle.reserved:
            stop = rest - STOP_LINE_M[1] - vehicle.half_m - 0.3
            gap, speed = stop + 2.0, 0.0  # the model keeps 2 m to an obstacle; a stop line needs none
        onward = vehicle.following
        while onward is not None and rest < _SIGHT_M:
            rivals = [self.on_lane[onward]]
            if self.lanes[onward].is_connector and vehicle.lane == self.lanes[onward].predecessors[0]:
                siblings = (i for i in lane.successors if i != onward)
                rivals += [[o for o in self.on_lane[i] if o.s_m - o.half_m < 6.0] for i in siblings]
            found = [(rest + r[-1].s_m - r[-1].half_m - vehicle.half_m, r[-1].v_mps) for r in rivals if r]
            if found:
                return min([*found, (gap, speed)])
            rest += self.lanes[onward].centre.length_m
            onward = self.lanes[onward].successors[0] if self.lanes[onward].is_connector else None
        return gap, speed

    def _wish_mps(self, vehicle: Vehicle) -> float:
        lane = self.lanes[vehicle.lane]
        here = float(np.interp(vehicle.s_m, lane.centre.arc_m, self.allowed[vehicle.lane]))
        if vehicle.following is not None:
            rest = max(lane.centre.length_m - vehicle.s_m, 0.0)
            here = min(here, float(np.sqrt(self.allowed[vehicle.following][0] ** 2 + 2 * _BRAKE_MPS2 * rest)))
        return max(here * vehicle.boldness, 0.5)

    def _acceleration(self, vehicle: Vehicle) -> float:
        gap, lead = self._gap(vehicle)
        v, wish = vehicle.v_mps, self._wish_mps(vehicle)
        free = 1 - (v / wish) ** 4 if v <= wish else -_BRAKE_MPS2 / vehicle.push_mps2 * min(1.0, 2 * (v - wish))
        wanted = 2.0
        if np.isfinite(lead):
            closing = v * (v - lead) / (2 * np.sqrt(vehicle.push_mps2 * _BRAKE_MPS2))
            wanted += max(0.0, v * vehicle.headway_s + closing)
        squeeze = (wanted / max(gap, 0.3)) ** 2 if np.isfinite(lead) else 0.0
        return float(np.clip(vehicle.push_mps2 * (free - squeeze), -_HARDEST_MPS2, vehicle.push_mps2))

    def _ask(self, vehicle: Vehicle) -> None:
        """Reserve the junction ahead when close enough, first in line, and if there is room behind it."""
        lane = self.lanes[vehicle.lane]
        if (
            lane.is_connector
            or vehicle.following is None
            or vehicle.reserved
            or self.on_lane[lane.index][0] is not vehicle
        ):
            return
        rest = lane.centre.length_m - vehicle.s_m
        if rest > vehicle.v_mps**2 / (2 * _BRAKE_MPS2) + 14.0:
            return
        beyond = self.on_lane[self.lanes[vehicle.following].successors[0]]
        inside = sum(2 * o.half_m + 3.0 for o in self.on_lane[vehicle.following])
        if beyond and beyond[-1].s_m - beyond[-1].half_m < 2 * vehicle.half_m + 3.0 + inside:
            return
        vehicle.reserved = self.right_of_way.grant(vehicle.following, vehicle.number)

    def _advance(self, vehicle: Vehicle) -> None:
        """Hand a vehicle on to its next lane, or out of the town."""
        lane = self.lanes[vehicle.lane]
        if vehicle.behind is not None and vehicle.s_m > vehicle.half_m + 0.5:
            self.right_of_way.release(vehicle.behind, vehicle.number)
            vehicle.behind = None
        if vehicle.s_m < lane.centre.length_m:
            return
        self.on_lane[lane.index].remove(vehicle)
        if vehicle.following is None:
            self.vehicles.remove(vehicle)
            return
        vehicle.s_m -= lane.centre.length_m
        vehicle.behind = lane.index if lane.is_connector else None
        vehicle.lane, vehicle.reserved = vehicle.following, False
        now = self.lanes[vehicle.lane]
        vehicle.following = now.successors[0] if now.is_connector else self._choose(now.index)
        self.on_lane[now.index].append(vehicle)

    def _arrivals(self) -> None:
        for lane in self.sources:
            queue = self.on_lane[lane]
            clear = not queue or queue[-1].s_m - queue[-1].half_m > 22.0
            if self.rng.random() < STEP_S * 8.0 / self.spacing_m / 2 and clear:
                self._add(lane, 6.0)

    def step(self) -> None:
        """Move everything by 0.1 s."""
        for vehicle in self.vehicles:
            self._ask(vehicle)
        pushes = [self._acceleration(vehicle) for vehicle in self.vehicles]
        for vehicle, push in zip(list(self.vehicles), pushes, strict=True):
            before = vehicle.v_mps
            vehicle.v_mps = max(0.0, before + push * STEP_S)
            vehicle.s_m += (before + vehicle.v_mps) / 2 * STEP_S
        for vehicle in list(self.vehicles):
            self._advance(vehicle)
        self._arrivals()
