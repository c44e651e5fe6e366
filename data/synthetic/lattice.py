"""Plans a town's streets: a warped lattice with a few main roads across it, thinned until 3-way junctions arise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Lanes (forward, backward) of side streets and main roads, and how often they have them.
_SIDE = ((1, 1), (2, 2), (1, 0), (2, 0), (2, 1))
_SIDE_SHARES = (0.62, 0.14, 0.08, 0.09, 0.07)
_MAIN = ((2, 2), (3, 3), (3, 2))
_MAIN_SHARES = (0.5, 0.35, 0.15)
_SIDE_LIMITS_MPS, _SIDE_LIMIT_SHARES = (7.0, 8.3, 11.1), (0.35, 0.45, 0.2)
_MAIN_LIMITS_MPS, _MAIN_LIMIT_SHARES = (12.5, 13.9, 16.7), (0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Street:
    """What a road between two nodes is to be, before it has a shape.

    Attributes:
        start, end: nodes.
        lanes: forward, backward.
        parking: whether there are parking strips left and right, seen from ``start``.
        main: part of a main road, which runs straight through its junctions.
        headings_rad: direction at both ends, from ``start`` to ``end``.
    """

    start: int
    end: int
    lanes: tuple[int, int]
    lane_width_m: float
    parking: tuple[bool, bool]
    limit_mps: float
    main: bool
    headings_rad: tuple[float, float]


@dataclass(frozen=True)
class _Lattice:
    """Nodes by (column, row), and which columns and rows are main roads."""

    nodes_m: Floats  # (columns, rows, 2)
    main: tuple[frozenset[int], frozenset[int]]

    @property
    def side(self) -> int:
        return len(self.nodes_m)

    def number(self, place: tuple[int, int]) -> int:
        return place[0] * self.side + place[1]

    def inside(self, place: tuple[int, int]) -> bool:
        return all(0 < index < self.side - 1 for index in place)

    def is_main(self, place: tuple[int, int], axis: int) -> bool:
        """Whether the edge that leaves a node along an axis is part of a main road."""
        return place[1 - axis] in self.main[axis]


Edge = tuple[tuple[int, int], int]  # place of its start, axis


def _step(place: tuple[int, int], axis: int, by: int = 1) -> tuple[int, int]:
    return (place[0] + by, place[1]) if axis == 0 else (place[0], place[1] + by)


def _main_lines(rng: np.random.Generator, blocks: int) -> frozenset[int]:
    """One or two inner lines of a direction, never side by side."""
    inner = np.arange(1, blocks)
    first = int(rng.choice(inner))
    others = inner[np.abs(inner - first) > 1]
    return frozenset({first, int(rng.choice(others))} if len(others) and rng.random() < 0.15 else {first})


def _lattice(rng: np.random.Generator, blocks: int, pitch_m: float) -> _Lattice:
    """Unevenly spaced lines, their crossings moved about, the whole gently warped and turned."""
    lines = [np.concatenate([[0.0], np.cumsum(rng.uniform(0.7, 1.5, blocks))]) * pitch_m for _ in range(2)]
    main = _main_lines(rng, blocks), _main_lines(rng, blocks)
    nodes = np.stack(np.meshgrid(*lines, indexing="ij"), -1)
    moved = rng.uniform(-0.13, 0.13, nodes.shape) * pitch_m
    # Nodes of a main road may slide along it but not leave it, so that it has no kinks.
    moved[:, sorted(main[0]), 1] = moved[sorted(main[1]), :, 0] = 0.0
    nodes = nodes + moved
    wave_m, swing_m, phase = rng.uniform(450, 900, 2), rng.uniform(8, 22, 2), rng.uniform(0, 2 * np.pi, 2)
    nodes = nodes + swing_m * np.sin(2 * np.pi * nodes[..., ::-1] / wave_m + phase)
    angle = rng.uniform(0.15, 0.5) + rng.integers(4) * np.pi / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return _Lattice(nodes @ turn.T, main)


def _thinned(rng: np.random.Generator, lattice: _Lattice) -> list[Edge]:
    """Edges with an inner end; some side streets are dropped, and every inner node keeps three arms or more."""
    places = [(i, j) for i in range(lattice.side) for j in range(lattice.side)]
    edges = [(p, axis) for p in places for axis in (0, 1) if max(_step(p, axis)) < lattice.side]
    edges = [(p, axis) for p, axis in edges if lattice.inside(p) or lattice.inside(_step(p, axis))]
    degree = {p: sum(p in (q, _step(q, axis)) for q, axis in edges) for p in places}
    dropped = set()
    for number in rng.permutation(len(edges)):
        place, axis = edges[number]
        ends = [q for q in (place, _step(place, axis)) if lattice.inside(q)]
        spare = all(degree[q] > 3 for q in ends) and not lattice.is_main(place, axis)
        if spare and rng.random() < 0.55:
            dropped.add(int(number))
            for q in ends:
                degree[q] -= 1
    return [edge for number, edge in enumerate(edges) if number not in dropped]


def _heading_rad(rng: np.random.Generator, lattice: _Lattice, edge: Edge, kept: set[Edge], *, at_end: bool) -> float:
    """Direction of an edge at one end: roads that go on beyond a junction hardly bend there, others may."""
    place, axis = edge
    ends = [place, _step(place, axis)]
    beyond = (ends[1], axis) if at_end else (_step(place, axis, -1), axis)
    goes_on = beyond in kept
    if goes_on:
        ends = [ends[0], _step(ends[1], axis)] if at_end else [_step(place, axis, -1), ends[1]]
    chord = lattice.nodes_m[ends[1]] - lattice.nodes_m[ends[0]]
    bend = 0.0 if lattice.is_main(place, axis) else (0.08 if goes_on else 0.28)
    return float(np.arctan2(chord[1], chord[0]) + rng.uniform(-bend, bend))


def _main_profiles(rng: np.random.Generator, lattice: _Lattice) -> dict[tuple[int, int], tuple[int, float, float]]:
    """Kind, lane width and limit of every main road, by axis and line; they keep them all along."""
    return {
        (axis, line): (
            int(rng.choice(len(_MAIN), p=_MAIN_SHARES)),
            float(rng.uniform(3.2, 3.7)),
            float(rng.choice(_MAIN_LIMITS_MPS, p=_MAIN_LIMIT_SHARES)),
        )
        for axis in (0, 1)
        for line in sorted(lattice.main[axis])
    }


def plan_streets(rng: np.random.Generator, blocks: int, pitch_m: float) -> tuple[Floats, list[Street]]:
    """Draw a town's plan.

    Args:
        blocks: blocks along each side.
        pitch_m: scale of a block; blocks are 0.7 to 1.5 times that long.

    Returns:
        (nodes, 2) places of the junctions and of the town's ends, metres, and the streets between them.
    """
    lattice = _lattice(rng, blocks, pitch_m)
    edges = _thinned(rng, lattice)
    profiles, kept = _main_profiles(rng, lattice), set(edges)
    taken: set[tuple[int, int]] = set()
    streets = []
    for place, axis in edges:
        ends = (place, _step(place, axis))
        main = lattice.is_main(place, axis)
        if main:
            kind, width, limit = profiles[axis, place[1 - axis]]
            lanes = _MAIN[kind]
        else:
            lanes = _SIDE[rng.choice(len(_SIDE), p=_SIDE_SHARES)]
            if not lanes[1]:  # no two one-way roads meet, so that every lane leads on and can be reached
                lanes = (1, 1) if taken & set(ends) else lanes
                taken |= set(ends) if not lanes[1] else set()
            width, limit = rng.uniform(3.1, 3.7), rng.choice(_SIDE_LIMITS_MPS, p=_SIDE_LIMIT_SHARES)
        strips = rng.random(2) < (0.3 if main else 0.65)
        first, last = (_heading_rad(rng, lattice, (place, axis), kept, at_end=end) for end in (False, True))
        start, end = (lattice.number(p) for p in ends)
        parking = bool(strips[0]), bool(strips[1])
        streets.append(Street(start, end, lanes, float(width), parking, float(limit), main, (first, last)))
    return lattice.nodes_m.reshape(-1, 2), streets
