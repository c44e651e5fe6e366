"""Changes of a town's traffic and streets at one moment: vehicles taken away, put elsewhere or stopped, arms closed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Float64
from forecast.data.synthetic.curves import Curve
from forecast.data.synthetic.roads import Junction, Lane
from forecast.data.synthetic.traffic import Traffic
from forecast.data.synthetic.vehicles import Vehicle

Floats = NDArray[np.float64]

#: Who is further from the middle of every lane stands in nobody's way, metres.
_IN_LANE_M = 1.8
#: A vehicle belongs to a lane that leads within this angle of its heading.
_ALONG_RAD = np.pi / 4
#: The middle of a road's far end lies at most so far from its reference line, metres.
_ON_ROAD_M = 10.0
#: A car that is added: width, length, height, metres.
_ADDED_M = (1.9, 4.6, 1.7)


@dataclass(frozen=True)
class VehicleGone:
    """A vehicle is not there.

    Attributes:
        vehicle: its number.
    """

    vehicle: int


@dataclass(frozen=True)
class VehicleMoved:
    """A vehicle is elsewhere, faster or slower.

    Attributes:
        vehicle: its number.
        by_m: (2,) world, metres.
        faster_mps: m/s.
        stands: it has broken down and will not move.
    """

    vehicle: int
    by_m: tuple[float, float]
    faster_mps: float
    stands: bool = False


@dataclass(frozen=True)
class WalkerGone:
    """Somebody on foot is not there, and will not cross.

    Attributes:
        walker: their number.
    """

    walker: int


@dataclass(frozen=True)
class CarAdded:
    """A car stands where none was, and will not move.

    Attributes:
        at: x, y, heading, world, metres and radians.
    """

    at: tuple[float, float, float]


@dataclass(frozen=True)
class ArmClosed:
    """An arm of the road is not there any more.

    Attributes:
        fork_m: (2,) where it leaves, world, metres.
        far_end_m: (2,) the middle of its far end.
    """

    fork_m: tuple[float, float]
    far_end_m: tuple[float, float]


Change = VehicleGone | VehicleMoved | WalkerGone | CarAdded | ArmClosed


class TownChanges:
    """Makes changes in a traffic that is about to be driven on.

    Args:
        traffic: is changed.
        target: number of the vehicle that is asked about.

    Attributes:
        barred: lane → arc length at which vehicles must stop, metres.
        walkers_gone: numbers of those on foot who are not there.
    """

    def __init__(self, traffic: Traffic, target: int) -> None:
        self._traffic = traffic
        self._of = {vehicle.number: vehicle for vehicle in traffic.vehicles}
        self._target = self._of[target]
        self.barred: dict[int, float] = {}
        self.walkers_gone: set[int] = set()

    def make(self, change: Change) -> bool:
        """Make one change; whether it could be made."""
        match change:
            case VehicleGone(number):
                self._take_out(self._of[number])
            case VehicleMoved(number, by_m, faster_mps, stands):
                vehicle = self._of[number]
                x, y, heading = self._traffic.pose(vehicle)
                vehicle.v_mps = 0.0 if stands else max(0.0, vehicle.v_mps + faster_mps)
                vehicle.stands = stands
                if np.hypot(*by_m) > 1e-6:
                    self._put(vehicle, (x + by_m[0], y + by_m[1], heading))
            case WalkerGone(walker):
                self.walkers_gone.add(walker)
            case CarAdded(at):
                number = min(-1, min(self._of) - 1)
                car = Vehicle(number, "vehicle.car", _ADDED_M, 1.0, 1.0, 1.0, 0.0, 0, 0.0, 0.0, stands=True)
                self._of[number] = car
                self._put(car, at)
            case ArmClosed(fork_m, far_end_m):
                return self._close(np.array(fork_m), np.array(far_end_m))
        return True

    def _take_out(self, vehicle: Vehicle) -> None:
        traffic = self._traffic
        if vehicle in traffic.vehicles:
            traffic.vehicles.remove(vehicle)
            traffic.on_lane[vehicle.lane].remove(vehicle)
        for connector in traffic.right_of_way.holders:
            traffic.right_of_way.release(connector, vehicle.number)

    def _put(self, vehicle: Vehicle, pose: tuple[float, float, float]) -> None:
        """Put a vehicle on the lane that it is on there; beside all lanes it is out of the traffic."""
        traffic, before = self._traffic, vehicle.lane if vehicle in self._traffic.vehicles else None
        found = _lane_at(traffic.lanes, pose, [before, vehicle.following])
        if found is not None and found[0] == before:
            vehicle.s_m, vehicle.side_m = found[1:]
            traffic.on_lane[before].sort(key=lambda one: -one.s_m)
            return
        self._take_out(vehicle)
        if found is None:
            return
        vehicle.lane, vehicle.s_m, vehicle.side_m = found
        lane = traffic.lanes[vehicle.lane]
        vehicle.reserved, vehicle.behind = False, None
        if lane.is_connector:
            vehicle.following = lane.successors[0]
            traffic.right_of_way.holders[lane.index].add(vehicle.number)
        else:
            vehicle.following = traffic.choose(vehicle.number, lane.index)
        traffic.vehicles.append(vehicle)
        traffic.on_lane[lane.index].append(vehicle)
        traffic.on_lane[lane.index].sort(key=lambda one: -one.s_m)

    def _close(self, fork_m: Floats, far_end_m: Floats) -> bool:
        """Close the road at an arm's far end: no connector leads there any more; or bar the one road there is."""
        traffic, network = self._traffic, self._traffic.network
        away_m = [_distance_m(road.reference, far_end_m) for road in network.roads]
        road = int(np.argmin(away_m))
        if away_m[road] > _ON_ROAD_M:
            return False
        here = traffic.lanes[self._target.lane]
        if here.road == road or (here.is_connector and traffic.lanes[here.successors[0]].road == road):
            return self._bar(fork_m)
        ends = {network.roads[road].start, network.roads[road].end}
        nearest = min((network.junctions[end] for end in ends), key=lambda one: _away_m(one, fork_m))
        shut = {i for i in nearest.connectors if traffic.lanes[traffic.lanes[i].successors[0]].road == road}
        traffic.right_of_way.closed |= shut
        for vehicle in traffic.vehicles:
            if vehicle.following in shut:
                if vehicle.reserved:
                    traffic.right_of_way.release(vehicle.following, vehicle.number)
                    vehicle.reserved = False
                vehicle.following = traffic.choose(vehicle.number, vehicle.lane)
        return bool(shut)

    def _bar(self, fork_m: Floats) -> bool:
        """Bar the target's own way where it passes a place; not where the target is past it."""
        target, way = self._target, self._traffic.lanes[self._target.lane]
        arc_m, _ = _along(way.centre, fork_m)
        if arc_m < target.s_m + target.half_m:
            return False
        self.barred[way.index] = arc_m
        return True


def _lane_at(
    lanes: Iterable[Lane], pose: tuple[float, float, float], likely: list[int | None]
) -> tuple[int, float, float] | None:
    """Lane, arc length and place left of its middle, metres, of a pose; None beside all lanes."""
    x, y, heading = pose
    found, least = None, np.inf
    for lane in lanes:
        arc_m, left_m = _along(lane.centre, np.array([x, y]))
        if abs(left_m) > _IN_LANE_M or not 0.0 < arc_m < lane.centre.length_m:
            continue
        _, direction = lane.centre.at(arc_m)
        if np.cos(direction - heading) < np.cos(_ALONG_RAD):
            continue
        # Connectors lie over one another: the own way comes first.
        worth = abs(left_m) - (10.0 if lane.index in likely else 0.0)
        if worth < least:
            found, least = (lane.index, arc_m, left_m), worth
    return found


def _along(curve: Curve, place_m: Float64[Floats, "2"]) -> tuple[float, float]:
    """Arc length of the point of a curve that is nearest to a place, and how far left of it the place is, metres.

    Before its start and beyond its end the curve goes straight on.
    """
    nearest = int(np.argmin(np.hypot(*(curve.points_m - place_m).T)))
    away, heading = place_m - curve.points_m[nearest], curve.headings_rad[nearest]
    ahead = float(away @ [np.cos(heading), np.sin(heading)])
    return float(curve.arc_m[nearest]) + ahead, float(away @ [-np.sin(heading), np.cos(heading)])


def _distance_m(curve: Curve, place_m: Floats) -> float:
    return float(np.hypot(*(curve.points_m - place_m).T).min())


def _away_m(junction: Junction, place_m: Floats) -> float:
    return float(np.hypot(*(junction.centre_m - place_m)))
