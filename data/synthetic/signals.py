"""Traffic lights: each road of a signalled junction gets green in turn, then a few seconds for turns across traffic."""

from __future__ import annotations

import numpy as np

from forecast.data.synthetic.roads import Junction, Lane, RoadNetwork

_TURNS_S, _CLEARANCE_S = 5.0, 2.5
_MAIN_GREEN_S, _SIDE_GREEN_S = (30.0, 45.0), (9.0, 15.0)


class Signals:
    """When each connector of the signalled junctions has green. Opposite arms have it together."""

    def __init__(self, network: RoadNetwork, rng: np.random.Generator) -> None:
        self._windows: dict[int, tuple[float, float, float]] = {}  # connector → start, end, cycle
        self._arms: dict[tuple[int, int], tuple[float, float, float]] = {}  # (junction, road) → the same
        for junction in network.junctions:
            if junction.signals:
                self._plan(network, junction, rng)

    def _plan(self, network: RoadNetwork, junction: Junction, rng: np.random.Generator) -> None:
        now, spans = float(rng.uniform(0, 60.0)), []
        for axis in (0, 1):
            roads = [road for road, _ in junction.arms[axis::2]]
            main = any(network.roads[road].main for road in roads)
            green = float(rng.uniform(*(_MAIN_GREEN_S if main else _SIDE_GREEN_S)))
            spans.append((roads, now, now + green))
            now += green + _TURNS_S + _CLEARANCE_S
        cycle = now - spans[0][1]
        for roads, start, end in spans:
            for road in roads:
                self._arms[junction.index, road] = start, end + _TURNS_S, cycle
            for index in junction.connectors:
                lane = network.lanes[index]
                if network.lanes[lane.predecessors[0]].road in roads:
                    late = _turns_across(lane, network.drive_right)
                    self._windows[index] = start, end + _TURNS_S * late, cycle

    def has(self, connector: int) -> bool:
        """Whether lights control a connector."""
        return connector in self._windows

    def green(self, connector: int, time_s: float) -> bool:
        """Whether a connector may be entered; always, where there are no lights."""
        return connector not in self._windows or _within(*self._windows[connector], time_s)

    def arm_green(self, junction: int, road: int, time_s: float) -> bool:
        """Whether traffic from a road has green at a junction; never, where there are no lights."""
        return (junction, road) in self._arms and _within(*self._arms[junction, road], time_s)


def _within(start: float, end: float, cycle: float, time_s: float) -> bool:
    return (time_s - start) % cycle < end - start


def _turns_across(lane: Lane, drive_right: bool) -> bool:
    """Whether a connector turns across the oncoming traffic."""
    return (lane.turn_rad if drive_right else -lane.turn_rad) > np.pi / 4
