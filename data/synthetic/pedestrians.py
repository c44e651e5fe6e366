"""Pedestrians: they stroll along the walkways round the blocks, wait at crossings, cross where traffic lets them."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Point

from forecast.data.synthetic.simulated_scene import SimulatedAgent
from forecast.data.synthetic.surfaces import Crossing, Surfaces
from forecast.data.synthetic.traffic import Traffic

Floats = NDArray[np.float64]

STROLL_M = 1.7  # from the kerb to the line that pedestrians keep to
_ASIDE_M = (0.42, 0.95)  # beside that line: each direction of walking has its own side
_RETRY_S = 0.4
_CROSSING_SHARE, _STANDING_SHARE = 0.13, 0.25
_EVENNESS, _DENSEST_M = 0.5, 6.0


@dataclass
class _Ring:
    """A closed line along which people stroll; ``ports`` are (arc length, crossing, side of it)."""

    points_m: Floats
    arc_m: Floats
    ports: list[tuple[float, int, int]] = field(default_factory=list)

    @property
    def length_m(self) -> float:
        return float(self.arc_m[-1])

    def at(self, arc_m: float, left_m: float) -> tuple[Floats, float]:
        """Point beside the line and direction of the line."""
        arc_m %= self.length_m
        low = min(int(np.searchsorted(self.arc_m, arc_m, side="right")) - 1, len(self.arc_m) - 2)
        (x, y), (ahead_x, ahead_y) = self.points_m[low : low + 2].tolist()
        length, gone = float(self.arc_m[low + 1] - self.arc_m[low]), arc_m - float(self.arc_m[low])
        cos, sin = (ahead_x - x) / length, (ahead_y - y) / length
        return np.array([x + gone * cos - left_m * sin, y + gone * sin + left_m * cos]), math.atan2(sin, cos)


@dataclass(frozen=True)
class Port:
    """One side of a crossing: where on which ring, and whether the ring runs along the road there (1) or back (−1)."""

    ring: int
    arc_m: float
    sense: int


class Pavement:
    """All walkways of a town as rings, and the ports by which crossings join them.

    Args:
        surfaces: the town's surfaces.
    """

    def __init__(self, surfaces: Surfaces) -> None:
        self.rings = [_ring(line) for block in surfaces.drivable for line in _lines(block.buffer(STROLL_M))]
        self.crossings = surfaces.crossings
        self.ports: dict[tuple[int, int], Port] = {}
        lines = [LineString(ring.points_m) for ring in self.rings]
        for number, crossing in enumerate(surfaces.crossings):
            sides = [_port(crossing, side, lines, self.rings) for side in (0, 1)]
            if sides[0] is None or sides[1] is None:
                continue
            for side, port in enumerate(sides):
                assert port is not None
                self.ports[number, side] = port
                self.rings[port.ring].ports.append((port.arc_m, number, side))


def _lines(shape: shapely.Polygon) -> list[LineString]:
    parts = getattr(shape, "geoms", [shape])
    return [LineString(ring.coords) for part in parts for ring in (part.exterior, *part.interiors)]


def _ring(line: LineString) -> _Ring:
    points = np.asarray(line.simplify(0.01).coords)
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    return _Ring(points, arc)


def _port(crossing: Crossing, side: int, lines: Sequence[LineString], rings: Sequence[_Ring]) -> Port | None:
    """The place on the rings beyond one kerb of a crossing, if there is a walkway."""
    across = crossing.across_m[1] - crossing.across_m[0]
    across = across / np.hypot(*across)
    place = crossing.across_m[side] + STROLL_M * across * (1 if side else -1)
    number = int(np.argmin([line.distance(Point(place)) for line in lines]))
    if lines[number].distance(Point(place)) > 0.5:
        return None
    arc = float(lines[number].project(Point(place)))
    _, heading = rings[number].at(arc, 0.0)
    # Seen from kerb 0 to kerb 1, the road runs to the right.
    along_road = np.array([across[1], -across[0]])
    sense = 1 if np.dot([np.cos(heading), np.sin(heading)], along_road) > 0 else -1
    return Port(number, arc, sense)


@dataclass(frozen=True)
class _Leg:
    """A stretch of a walk: along a ring, straight from one point to another, or standing (speed 0)."""

    start_s: float
    speed_mps: float
    ring: int | None = None
    arc_m: float = 0.0
    aside_m: float = 0.0
    from_m: Floats | None = None
    heading_rad: float = 0.0


@dataclass
class _Walker:
    size_m: tuple[float, float, float]
    speed_mps: float
    aside_m: float
    ring: int
    arc_m: float
    way: int  # 1 along the ring, −1 against it
    legs: list[_Leg] = field(default_factory=list)
    last: tuple[int, int] | None = None  # port by which the ring was entered
    crossing: bool = False
    crossed: bool = False


class Pedestrians:
    """All pedestrians of a town; between two events each of them walks at constant speed.

    Args:
        pavement: where they walk.
        rng: equal generators give equal walks.
        spacing_m: mean length of walkway for each of them.
    """

    def __init__(self, pavement: Pavement, rng: np.random.Generator, *, spacing_m: float) -> None:
        self.pavement, self.rng = pavement, rng
        self.walkers: list[_Walker] = []
        self._events: list[tuple[float, int, int, tuple[int, int], bool]] = []  # time, order, walker, port, arrives
        self._order = 0
        for number, ring in enumerate(pavement.rings):
            # Some blocks are full of people, others empty.
            crowd = rng.gamma(_EVENNESS) / _EVENNESS
            for _ in range(rng.poisson(crowd * ring.length_m / max(spacing_m, _DENSEST_M))):
                self._add(number)

    def _add(self, ring: int) -> None:
        rng = self.rng
        size = (float(rng.uniform(0.55, 0.75)), float(rng.uniform(0.55, 0.8)), float(rng.uniform(1.55, 1.9)))
        speed = float(np.clip(rng.normal(1.35, 0.22), 0.8, 2.0))
        arc = float(rng.uniform(0, self.pavement.rings[ring].length_m))
        walker = _Walker(size, speed, float(rng.uniform(*_ASIDE_M)), ring, arc, int(rng.choice([-1, 1])))
        self.walkers.append(walker)
        if rng.random() < _STANDING_SHARE:
            point, _ = self.pavement.rings[ring].at(arc, float(rng.uniform(-0.95, 1.2)))
            walker.legs.append(_Leg(0.0, 0.0, from_m=point, heading_rad=float(rng.uniform(-np.pi, np.pi))))
        else:
            self._stroll(len(self.walkers) - 1, 0.0)

    def _push(self, time_s: float, who: int, port: tuple[int, int], *, arrives: bool) -> None:
        self._order += 1
        heapq.heappush(self._events, (time_s, self._order, who, port, arrives))

    def _stroll(self, who: int, now_s: float) -> None:
        """Walk on along the ring to the next crossing."""
        walker = self.walkers[who]
        ring = self.pavement.rings[walker.ring]
        aside = walker.aside_m * walker.way
        walker.legs.append(_Leg(now_s, walker.speed_mps * walker.way, walker.ring, walker.arc_m, aside))
        ahead = [
            ((self._leaves_m(walker, (crossing, side)) - walker.arc_m) * walker.way % ring.length_m, (crossing, side))
            for _, crossing, side in ring.ports
            if (crossing, side) != walker.last
        ]
        if ahead:
            distance, port = min(ahead)
            self._push(now_s + distance / walker.speed_mps, who, port, arrives=False)

    def _leaves_m(self, walker: _Walker, port: tuple[int, int], *, arriving: bool = False) -> float:
        """Where on its ring a walker leaves for a crossing, or comes from it; each direction keeps to its side."""
        place = self.pavement.ports[port]
        forth = (port[1] == 0) != arriving  # from side 0 to side 1
        return place.arc_m + place.sense * walker.aside_m * (1 if forth else -1)

    def advance(self, traffic: Traffic) -> None:
        """Let everything happen that is due by now."""
        while self._events and self._events[0][0] <= traffic.time_s:
            time_s, _, who, port, arrives = heapq.heappop(self._events)
            if arrives:
                traffic.gates.leave(port[0], who)
                self._arrive(who, port, time_s)
            else:
                self._decide(who, port, time_s, traffic)

    def _decide(self, who: int, port: tuple[int, int], now_s: float, traffic: Traffic) -> None:
        walker = self.walkers[who]
        waiting = walker.legs[-1].speed_mps == 0.0
        walker.arc_m = self._leaves_m(walker, port)
        if not waiting and self.rng.random() > _CROSSING_SHARE * traffic.gates.liked(port[0]):
            walker.last = port
            self._stroll(who, now_s)
            return
        start = self._place(walker.legs[-1], now_s)[:2]
        other = port[0], 1 - port[1]
        if not waiting:
            walker.way = int(self.rng.choice([-1, 1]))  # on the other side
        end, _ = self._entry(walker, other)
        heading = float(np.arctan2(*(end - start)[::-1]))
        if traffic.gates.may_cross(port[0], traffic):
            traffic.gates.enter(port[0], who)
            walker.crossing = walker.crossed = True
            walker.legs.append(_Leg(now_s, walker.speed_mps, from_m=start, heading_rad=heading))
            arrival_s = now_s + float(np.hypot(*(end - start))) / walker.speed_mps
            self._push(arrival_s, who, other, arrives=True)
            return
        if not waiting:
            walker.legs.append(_Leg(now_s, 0.0, from_m=start, heading_rad=heading))
        self._push(now_s + _RETRY_S, who, port, arrives=False)

    def _entry(self, walker: _Walker, port: tuple[int, int]) -> tuple[Floats, float]:
        """Point at which a walker who comes over a crossing joins the ring, and the arc length there."""
        place = self.pavement.ports[port]
        arc = self._leaves_m(walker, port, arriving=True)
        # The way that they will take decides on which side of the line they walk; it is known beforehand.
        return self.pavement.rings[place.ring].at(arc, walker.aside_m * walker.way)[0], arc

    def _arrive(self, who: int, port: tuple[int, int], now_s: float) -> None:
        walker = self.walkers[who]
        _, walker.arc_m = self._entry(walker, port)
        walker.crossing = False
        walker.ring, walker.last = self.pavement.ports[port].ring, port
        self._stroll(who, now_s)

    def _place(self, leg: _Leg, time_s: float) -> Floats:
        """(3,) pose at a time of a leg."""
        gone = leg.speed_mps * (time_s - leg.start_s)
        if leg.ring is not None:
            point, heading = self.pavement.rings[leg.ring].at(leg.arc_m + gone, leg.aside_m)
            return np.array([*point, heading + np.pi * (leg.speed_mps < 0)])
        assert leg.from_m is not None
        ahead = np.array([np.cos(leg.heading_rad), np.sin(leg.heading_rad)])
        return np.array([*(leg.from_m + gone * ahead), leg.heading_rad])

    def present(self, time_s: float) -> Floats:
        """(walkers, 3) poses of all of them, metres and radians, at a time of the simulation."""
        return np.array([self._now(walker, time_s) for walker in self.walkers]).reshape(-1, 3)

    def agents(self, times_s: Floats, ego_m: Floats, range_m: float) -> list[SimulatedAgent]:
        """Those who come near the ego, at the given times; who uses a crossing comes first.

        Args:
            times_s: (times,) seconds of the simulation.
            ego_m: (times, 2) where the ego is.
            range_m: how near.
        """
        ordered = sorted(self.walkers, key=lambda walker: not walker.crossed)
        middle, reach = len(times_s) // 2, range_m + float(np.ptp(times_s))  # nobody walks faster than 2 m/s
        reach += float(np.hypot(*(ego_m - ego_m[middle]).T).max())
        near = [w for w in ordered if np.hypot(*(self._now(w, float(times_s[middle]))[:2] - ego_m[middle])) < reach]
        return [self._agent(walker, times_s) for walker in near]

    def _now(self, walker: _Walker, time_s: float) -> Floats:
        starts = [leg.start_s for leg in walker.legs]
        return self._place(walker.legs[max(bisect_right(starts, time_s) - 1, 0)], time_s)

    def _agent(self, walker: _Walker, times_s: Floats) -> SimulatedAgent:
        poses = np.array([self._now(walker, float(time)) for time in times_s])
        return SimulatedAgent("human.pedestrian.adult", walker.size_m, 0, poses)
