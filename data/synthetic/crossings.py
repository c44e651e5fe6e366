"""Pedestrian crossings in traffic: closed to vehicles while somebody walks, entered only if all who come can stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from forecast.data.synthetic.roads import STOP_LINE_M, RoadNetwork

if TYPE_CHECKING:
    from forecast.data.synthetic.right_of_way import RightOfWay
    from forecast.data.synthetic.surfaces import Crossing
    from forecast.data.synthetic.vehicles import Vehicle

_HALF_M = 1.75  # half the width of a crossing
_CLEAR_M = 0.7  # from a crossing to where vehicles stop, unless a stop line tells
_LOOK_M = 70.0
_SOFT_BRAKE_MPS2 = 1.8


class TrafficState(Protocol):
    """What a crossing asks of the traffic around it.

    Attributes:
        time_s: now.
        right_of_way: who may enter which junction.
        lengths_m: of each lane.
        on_lane: vehicles of each lane, from its front to its back.
    """

    time_s: float
    right_of_way: RightOfWay
    lengths_m: list[float]
    on_lane: list[list[Vehicle]]


class Gates:
    """Where vehicles must stop for people, lane by lane.

    Args:
        network: the streets.
        crossings: all crossings.
    """

    def __init__(self, network: RoadNetwork, crossings: Sequence[Crossing]) -> None:
        self.network, self.crossings = network, crossings
        self._closed: list[list[float]] = [[] for _ in network.lanes]
        #: Who walks on each crossing now, by their numbers.
        self.walking: list[set[int]] = [set() for _ in crossings]

    def closed(self, lane: int) -> list[float]:
        """Arc lengths on a lane at which vehicles must stop now."""
        return self._closed[lane]

    def stop_m(self, lane: int, middle_m: float) -> float:
        """Where vehicles stop for the crossing whose middle lies at an arc length of a lane."""
        length = self.network.lanes[lane].centre.length_m
        at_line = length - middle_m < STOP_LINE_M[0]
        return length - STOP_LINE_M[1] - 0.3 if at_line else middle_m - _HALF_M - _CLEAR_M

    def enter(self, crossing: int, who: int) -> None:
        """Somebody steps off the kerb."""
        self.walking[crossing].add(who)
        if len(self.walking[crossing]) == 1:
            for lane, stop in self._stops(crossing):
                self._closed[lane].append(stop)

    def leave(self, crossing: int, who: int) -> None:
        """Somebody has reached the other side."""
        self.walking[crossing].remove(who)
        if not self.walking[crossing]:
            for lane, stop in self._stops(crossing):
                self._closed[lane].remove(stop)

    def _stops(self, crossing: int) -> Iterator[tuple[int, float]]:
        """Lanes over a crossing, and where vehicles stop on them."""
        for lane, middle in self.crossings[crossing].lanes:
            yield lane, self.stop_m(lane, middle)

    def liked(self, crossing: int) -> float:
        """How readily people use a crossing, 0 to 1: few cross a main road where there are no lights."""
        where = self.crossings[crossing]
        lights = self.network.junctions[where.junction].signals
        return 0.05 if self.network.roads[where.road].main and not lights else 1.0

    def may_cross(self, crossing: int, traffic: TrafficState) -> bool:
        """Whether somebody may step off: traffic from that road has no green, and everyone who comes can stop."""
        where = self.crossings[crossing]
        if traffic.right_of_way.signals.arm_green(where.junction, where.road, traffic.time_s):
            return False
        for lane, middle in where.lanes:
            stop = self.stop_m(lane, middle)
            for vehicle in traffic.on_lane[lane]:
                front, rear = vehicle.s_m + vehicle.half_m, vehicle.s_m - vehicle.half_m
                if rear < middle + _HALF_M + 0.5 and not _can_stop(vehicle, stop - front):
                    return False
            if not all(_can_stop(vehicle, room) for vehicle, room in self._upstream(traffic, lane, stop)):
                return False
        return True

    def _upstream(self, traffic: TrafficState, lane: int, stop_m: float) -> Iterator[tuple[Vehicle, float]]:
        """Vehicles on their way to a lane, and how far their fronts are from where they would stop on it."""
        for connector in self.network.lanes[lane].predecessors:
            length = traffic.lengths_m[connector]
            for vehicle in traffic.on_lane[connector]:
                yield vehicle, length - vehicle.s_m - vehicle.half_m + stop_m
            for entry in self.network.lanes[connector].predecessors:
                for vehicle in traffic.on_lane[entry]:
                    room = traffic.lengths_m[entry] - vehicle.s_m - vehicle.half_m + length + stop_m
                    if room < _LOOK_M and vehicle.reserved and vehicle.following == connector:
                        yield vehicle, room


def _can_stop(vehicle: Vehicle, room_m: float) -> bool:
    """Whether a vehicle stops without haste before a line that is ``room_m`` ahead of its front."""
    needed = vehicle.v_mps**2 / (2 * _SOFT_BRAKE_MPS2) + 0.6 * vehicle.v_mps
    return room_m >= max(needed, -0.4)
