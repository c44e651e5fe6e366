"""Simulates traffic on a road network: car following, speed by curvature, junctions, and crossings where people walk.

Longitudinal control is the intelligent driver model (Treiber, Hennecke, Helbing 2000). A junction is entered only after
a connector has been reserved: by green light where there is one, if nothing that conflicts is taken, and if there is
room behind it. Main roads reserve from afar, side roads wait at the line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from forecast.data.synthetic.chance import Chance
from forecast.data.synthetic.crossings import Gates
from forecast.data.synthetic.right_of_way import RightOfWay
from forecast.data.synthetic.roads import STOP_LINE_M, Lane, RoadNetwork
from forecast.data.synthetic.vehicles import BRAKE_MPS2, STANDSTILL_M, Vehicle, draw_vehicle

Floats = NDArray[np.float64]

STEP_S = 0.25
_LATERAL_MPS2 = 1.8
_SIGHT_M = 110.0
_CLEAR_M = 12.0  # so far in has to be the rear of who turns off, to be passed
_STOP_M = STOP_LINE_M[1] + 0.3  # from the end of a lane to where its first vehicle stops


def speed_limits_mps(lane: Lane) -> Floats:
    """(points,) what the limit and the curvature allow, braking in time for bends."""
    curvature = np.abs(lane.centre.curvature_per_m)
    allowed = np.minimum(lane.limit_mps, np.sqrt(_LATERAL_MPS2 / np.maximum(curvature, 1e-4)))
    gaps = np.diff(lane.centre.arc_m)
    for i in range(len(gaps) - 1, -1, -1):
        allowed[i] = min(allowed[i], np.sqrt(allowed[i + 1] ** 2 + 2 * BRAKE_MPS2 * gaps[i]))
    return np.asarray(allowed)


def _liking(lane: Lane, connector: Lane) -> float:
    """How readily drivers take a connector: straight on, above all along main roads."""
    straight = abs(connector.turn_rad) < np.pi / 4
    if lane.main:
        return 1.2 if straight else 1.0
    return 0.15 if straight else 1.0


def _normal(rng: np.random.Generator) -> float:
    return float(rng.normal())


class Traffic:
    """Vehicles on a network, stepped by 0.25 s. Equal generators give equal traffic.

    Args:
        network: the streets.
        gates: the crossings, which tell where somebody walks.
        spacing_m: mean distance between vehicles of a lane at the start: of side streets, of main roads.
    """

    def __init__(
        self, network: RoadNetwork, gates: Gates, rng: np.random.Generator, *, spacing_m: tuple[float, float]
    ) -> None:
        self.network, self.gates, self.chance, self.spacing_m = network, gates, Chance(rng), spacing_m
        self.lanes = network.lanes
        self.lengths_m = [lane.centre.length_m for lane in self.lanes]
        self.allowed = [speed_limits_mps(lane).tolist() for lane in self.lanes]
        self.right_of_way = RightOfWay(network, rng)
        self.sources = [lane.index for lane in self.lanes if not lane.predecessors]
        self.vehicles: list[Vehicle] = []
        self.on_lane: list[list[Vehicle]] = [[] for _ in self.lanes]  # from the front of the lane to its back
        self.time_s = 0.0
        self._count = 0
        self._fill(rng)

    def _fill(self, rng: np.random.Generator) -> None:
        for lane in self.lanes:
            if lane.is_connector:
                continue
            spacing = self.spacing_m[lane.main]
            position = rng.uniform(6.0, spacing)
            while position < self.lengths_m[lane.index] - 15.0:
                self._add(lane.index, float(position))
                position += 14.0 + rng.exponential(spacing)
            self.on_lane[lane.index].reverse()

    def _add(self, lane: int, s_m: float) -> None:
        number = self._count
        vehicle = self.chance.draw(("driver", number, lane), lambda rng: draw_vehicle(rng, number, lane, s_m))
        # Slow enough to stop at the line ahead.
        room = max(self.lengths_m[lane] - _STOP_M - s_m - vehicle.half_m, 0.0)
        vehicle.v_mps = min(0.7 * vehicle.boldness * self._allowed_mps(lane, s_m), math.sqrt(2 * BRAKE_MPS2 * room))
        vehicle.following = self.choose(number, lane)
        self._count += 1
        self.vehicles.append(vehicle)
        self.on_lane[lane].append(vehicle)

    def choose(self, number: int, lane: int) -> int | None:
        """Which lane a vehicle takes after one of a road; None where the town ends.

        Args:
            number: of the vehicle.
            lane: that it is on.
        """
        onward = self.right_of_way.open_ones(self.lanes[lane].successors)
        if not onward:
            return None
        liking = np.array([_liking(self.lanes[lane], self.lanes[i]) for i in onward])
        return self.chance.draw(
            ("way", number, lane, tuple(onward)), lambda rng: int(rng.choice(onward, p=liking / liking.sum()))
        )

    def _allowed_mps(self, lane: int, s_m: float) -> float:
        allowed = self.allowed[lane]
        place = min(max(s_m / self.lengths_m[lane], 0.0), 1.0) * (len(allowed) - 1)  # points lie evenly
        low = min(int(place), len(allowed) - 2)
        return float(allowed[low] + (place - low) * (allowed[low + 1] - allowed[low]))

    def pose(self, vehicle: Vehicle) -> tuple[float, float, float]:
        """World x, y, heading of a vehicle's box centre."""
        point, heading = self.lanes[vehicle.lane].centre.at(vehicle.s_m)
        side = vehicle.side_m
        return (
            float(point[0] - side * np.sin(heading)),
            float(point[1] + side * np.cos(heading)),
            float(heading),
        )

    def _obstacles(self, vehicle: Vehicle, place: int) -> Iterator[tuple[float, float]]:
        """Free distance to whatever is ahead and its speed: vehicles, junctions not granted, crossings in use."""
        lane, half = self.lanes[vehicle.lane], vehicle.half_m
        rest = self.lengths_m[lane.index] - vehicle.s_m
        lines = [stop for stop in self.gates.closed(lane.index) if stop >= vehicle.s_m + half - 1.0]
        if not lane.is_connector and vehicle.following is not None and not vehicle.reserved:
            lines.append(self.lengths_m[lane.index] - _STOP_M)
        if lines:
            room = min(lines) - vehicle.s_m - half
            # Nobody brakes for a line before it is time to, for it may open; and a line needs no distance.
            if room < vehicle.stopping_m() + 0.8 * vehicle.v_mps + 6.0:
                yield room + STANDSTILL_M, 0.0
        if place:
            other = self.on_lane[lane.index][place - 1]
            yield other.s_m - vehicle.s_m - other.half_m - half, other.v_mps
        if lane.is_connector and vehicle.s_m < _CLEAR_M:
            yield from self._beside(vehicle)
        if not place:
            yield from self._beyond(vehicle, rest)

    def _beside(self, vehicle: Vehicle) -> Iterator[tuple[float, float]]:
        """Those ahead that came from the same lane, go elsewhere, and have not yet turned off it."""
        for queue in self._turning_off(vehicle.lane):
            for other in queue:
                if other.s_m > vehicle.s_m:
                    yield other.s_m - vehicle.s_m - other.half_m - vehicle.half_m, other.v_mps

    def _turning_off(self, connector: int) -> list[list[Vehicle]]:
        """Those on each of the other connectors of a connector's lane whose rear is still in its way."""
        siblings = self.lanes[self.lanes[connector].predecessors[0]].successors
        return [[o for o in self.on_lane[i] if o.s_m - o.half_m < _CLEAR_M] for i in siblings if i != connector]

    def _beyond(self, vehicle: Vehicle, rest_m: float) -> Iterator[tuple[float, float]]:
        """Obstacles on the lanes to come, up to the first vehicle."""
        lane, onward, half = self.lanes[vehicle.lane], vehicle.following, vehicle.half_m
        while onward is not None and rest_m < _SIGHT_M:
            rivals = [self.on_lane[onward]]
            connector = self.lanes[onward].is_connector
            if connector and lane.index == self.lanes[onward].predecessors[0]:
                rivals += self._turning_off(onward)
            yield from ((rest_m + stop - half + STANDSTILL_M, 0.0) for stop in self.gates.closed(onward))
            found = [(rest_m + r[-1].s_m - r[-1].half_m - half, r[-1].v_mps) for r in rivals if r]
            if found:
                yield min(found)
                return
            rest_m += self.lengths_m[onward]
            onward = self.lanes[onward].successors[0] if connector else None

    def _wish_mps(self, vehicle: Vehicle) -> float:
        here = self._allowed_mps(vehicle.lane, vehicle.s_m)
        if vehicle.following is not None:
            rest = max(self.lengths_m[vehicle.lane] - vehicle.s_m, 0.0)
            here = min(here, math.sqrt(self.allowed[vehicle.following][0] ** 2 + 2 * BRAKE_MPS2 * rest))
        return max(here * vehicle.boldness, 0.5)

    def _acceleration(self, vehicle: Vehicle, place: int) -> float:
        squeeze = max((vehicle.squeeze(gap, lead) for gap, lead in self._obstacles(vehicle, place)), default=0.0)
        return vehicle.acceleration_mps2(self._wish_mps(vehicle), squeeze)

    def _ask(self, vehicle: Vehicle, place: int) -> None:
        """Reserve the junction ahead: from afar by green light or on a main road, else when first in line."""
        lane, connector = self.lanes[vehicle.lane], vehicle.following
        if vehicle.reserved or vehicle.stands or connector is None or lane.is_connector:
            return
        early = self.right_of_way.signals.has(connector) or lane.main
        if place and not (early and self.on_lane[lane.index][place - 1].reserved):
            return
        reach = vehicle.stopping_m() + 14.0 + (2.5 if early else 1.0) * vehicle.v_mps
        if self.lengths_m[lane.index] - vehicle.s_m > reach or not self._room(vehicle, connector):
            return
        vehicle.reserved = self.right_of_way.grant(connector, vehicle.number, self.time_s)

    def _room(self, vehicle: Vehicle, connector: int) -> bool:
        """Whether the lane behind a connector will take this vehicle after those who go there already."""
        beyond = self.on_lane[self.lanes[connector].successors[0]]
        if not beyond:
            return True
        last = beyond[-1]
        needed = 2 * vehicle.half_m + 3.0 + 8.0 * len(self.right_of_way.holders[connector])
        return last.s_m - last.half_m + last.v_mps**2 / (2 * BRAKE_MPS2) > needed

    def _advance(self, vehicle: Vehicle) -> None:
        """Hand a vehicle on to its next lane, or out of the town."""
        lane = self.lanes[vehicle.lane]
        if vehicle.behind is not None and vehicle.s_m > vehicle.half_m + 0.5:
            self.right_of_way.release(vehicle.behind, vehicle.number)
            vehicle.behind = None
        if vehicle.s_m < self.lengths_m[lane.index]:
            return
        self.on_lane[lane.index].remove(vehicle)
        if vehicle.following is None:
            self.vehicles.remove(vehicle)
            return
        vehicle.s_m -= self.lengths_m[lane.index]
        vehicle.behind = lane.index if lane.is_connector else None
        vehicle.lane, vehicle.reserved = vehicle.following, False
        now = self.lanes[vehicle.lane]
        vehicle.following = now.successors[0] if now.is_connector else self.choose(vehicle.number, now.index)
        self.on_lane[now.index].append(vehicle)

    def _arrivals(self) -> None:
        for lane in self.sources:
            queue = self.on_lane[lane]
            clear = not queue or queue[-1].s_m - queue[-1].half_m > 22.0
            rate_hz = 0.5 * self.lanes[lane].limit_mps / self.spacing_m[self.lanes[lane].main]
            comes = self.chance.draw(("arrival", lane, self.time_s), lambda rng: rng.random()) < STEP_S * rate_hz
            if comes and clear:
                last = queue[-1] if queue else None
                self._add(lane, 6.0)
                if last is not None:  # nobody arrives too fast to stop behind the last one
                    gap = max(last.s_m - last.half_m - 6.0 - queue[-1].half_m - 4.0, 0.0)
                    queue[-1].v_mps = min(queue[-1].v_mps, last.v_mps + math.sqrt(2 * BRAKE_MPS2 * gap))

    def step(self) -> None:
        """Move everything by one step."""
        queues = [queue for queue in self.on_lane if queue]
        for queue in queues:
            for place, vehicle in enumerate(queue):
                self._ask(vehicle, place)
        pushes = [(v, self._acceleration(v, place)) for queue in queues for place, v in enumerate(queue)]
        for vehicle, push in pushes:
            if vehicle.stands:
                continue
            vehicle.stir(self.chance.draw(("unrest", vehicle.number, self.time_s), _normal), STEP_S)
            before = vehicle.v_mps
            vehicle.v_mps = max(0.0, before + push * STEP_S)
            vehicle.s_m += (before + vehicle.v_mps) / 2 * STEP_S
        for vehicle, _ in pushes:
            self._advance(vehicle)
        self._arrivals()
        self.time_s += STEP_S
