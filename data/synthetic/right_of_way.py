"""Reserves junctions: never two connectors that conflict, and only by green light where there is one."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import LineString

from forecast.data.synthetic.roads import RoadNetwork
from forecast.data.synthetic.signals import Signals

_HALF_SWEPT_M = 1.7


class RightOfWay:
    """Which connectors conflict, and who holds which one."""

    def __init__(self, network: RoadNetwork, rng: np.random.Generator) -> None:
        self.signals = Signals(network, rng)
        self.conflicts: dict[int, set[int]] = {}
        self.holders: dict[int, set[int]] = {}
        #: Connectors that nobody may enter any more.
        self.closed: set[int] = set()
        for junction in network.junctions:
            swept = {i: LineString(network.lanes[i].centre.points_m).buffer(_HALF_SWEPT_M) for i in junction.connectors}
            for i, shape in swept.items():
                shapely.prepare(shape)
                origin = network.lanes[i].predecessors
                self.conflicts[i] = {
                    j
                    for j, other in swept.items()
                    if j != i and network.lanes[j].predecessors != origin and shape.intersects(other)
                }
                self.holders[i] = set()

    def grant(self, connector: int, vehicle: int, time_s: float) -> bool:
        """Reserve a connector if it has green and nothing that conflicts is taken."""
        if connector in self.closed or not self.signals.green(connector, time_s):
            return False
        if any(self.holders[other] - {vehicle} for other in self.conflicts[connector]):
            return False
        self.holders[connector].add(vehicle)
        return True

    def open_ones(self, connectors: list[int]) -> list[int]:
        """Those that are not closed; all of them where all are, for then one waits before any."""
        return [i for i in connectors if i not in self.closed] or connectors

    def release(self, connector: int, vehicle: int) -> None:
        """Give a connector back."""
        self.holders[connector].discard(vehicle)
