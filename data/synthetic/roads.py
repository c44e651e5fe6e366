"""A town's road network: junctions, curved roads of parallel lanes, and the connectors through the junctions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecast.data.synthetic.curves import Curve, smooth_join

Floats = NDArray[np.float64]

#: Distance that the crossings and stop lines of a junction take from the end of a road.
CROSSING_M = (1.5, 5.0)
STOP_LINE_M = (6.0, 6.6)
PARKING_STRIP_M = 2.5

#: Lanes (forward, backward) that roads may have, and how often they do.
_KINDS = ((1, 1), (2, 2), (3, 3), (1, 0), (2, 0), (2, 1))
_KIND_SHARES = (0.46, 0.26, 0.05, 0.05, 0.08, 0.10)

#: Lanes forward, lanes backward, lane width, parking strips (left, right of the reference).
Profile = tuple[int, int, float, tuple[bool, bool]]


@dataclass
class Lane:
    """A lane of a road, or a connector through a junction (``road`` is None).

    ``left`` and ``right`` bound it; neighbouring lanes share their bounds, successive ones their end points.
    """

    index: int
    centre: Curve
    left: Curve
    right: Curve
    road: int | None
    junction_ahead: int | None
    limit_mps: float
    successors: list[int] = field(default_factory=list)
    predecessors: list[int] = field(default_factory=list)

    @property
    def is_connector(self) -> bool:
        """Whether this leads through a junction."""
        return self.road is None

    @property
    def outline_m(self) -> Floats:
        """(points, 2) corners of its polygon: along the right bound and back along the left one."""
        return np.concatenate([self.right.points_m, self.left.points_m[::-1]])


@dataclass
class Road:
    """A two-way or one-way road between two junctions (or the town's edge), with lanes and parking strips.

    ``reference`` runs from junction ``start`` to junction ``end`` between the two directions of travel;
    ``left_m`` and ``right_m`` are the distances from it to the kerbs.
    """

    index: int
    start: int
    end: int
    reference: Curve
    left_m: float
    right_m: float
    forward: list[int]
    backward: list[int]
    lane_width_m: float
    parking: tuple[bool, bool]  # left, right of the reference

    @property
    def outline_m(self) -> Floats:
        """(points, 2) kerb to kerb, with the lanes' end points on the end edges."""
        left, right = self.reference.offset(self.left_m), self.reference.offset(-self.right_m)
        return np.concatenate(
            [right.points_m, self.edge_m(at_end=True)[1:-1], left.points_m[::-1], self.edge_m(at_end=False)[1:-1][::-1]]
        )

    @property
    def offsets_m(self) -> Floats:
        """Lateral offsets of all longitudinal lines (kerbs and lane bounds), from right to left."""
        right_lanes = self.right_m - (PARKING_STRIP_M if self.parking[1] else 0.0)
        count = len(self.forward) + len(self.backward)
        lines = -right_lanes + self.lane_width_m * np.arange(count + 1)
        return np.asarray(np.unique(np.round(np.concatenate([[-self.right_m], lines, [self.left_m]]), 9)))

    def edge_m(self, *, at_end: bool) -> Floats:
        """(points, 2) the end edge at one of its junctions, from right to left of the reference."""
        row = -1 if at_end else 0
        return np.stack([self.reference.offset(o).points_m[row] for o in self.offsets_m])


@dataclass
class Junction:
    """Where roads meet. ``arms`` are (road, whether the road *ends* here), counter-clockwise."""

    index: int
    centre_m: Floats
    arms: list[tuple[int, bool]]
    outline_m: Floats | None = None
    connectors: list[int] = field(default_factory=list)


@dataclass
class Network:
    """Lanes, roads and junctions of one town; ``drive_right`` tells the side of the traffic."""

    lanes: list[Lane]
    roads: list[Road]
    junctions: list[Junction]
    drive_right: bool
    extent_m: float


def _grid(rng: np.random.Generator, blocks: int, pitch_m: float) -> tuple[Floats, list[tuple[int, int]]]:
    """Jittered, rotated lattice nodes (the outer ring lies at the town's edge) and the roads between them."""
    side = blocks + 1
    u, v = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    nodes = np.stack([u, v], -1).reshape(-1, 2).astype(float) * pitch_m
    nodes += rng.uniform(-0.13, 0.13, nodes.shape) * pitch_m
    angle = rng.uniform(0.15, 0.5) + rng.integers(4) * np.pi / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    nodes = nodes @ turn.T
    inner = (u > 0) & (u < blocks) & (v > 0) & (v < blocks)
    inside = inner.reshape(-1)
    edges = []
    for i in range(side):
        for j in range(side):
            for di, dj in ((1, 0), (0, 1)):
                if i + di < side and j + dj < side:
                    a, b = i * side + j, (i + di) * side + j + dj
                    if inside[a] or inside[b]:
                        edges.append((a, b))
    return nodes, _thinned(rng, edges, inside)


def _thinned(
    rng: np.random.Generator, edges: list[tuple[int, int]], inside: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Drop some roads, so that 3-way junctions arise; every inner node keeps three arms or more."""
    degree = np.bincount(np.array(edges).ravel(), minlength=len(inside))
    kept = []
    for number in rng.permutation(len(edges)):
        a, b = edges[number]
        spare = all(degree[n] > 3 for n in (a, b) if inside[n])
        if spare and rng.random() < 0.45:
            degree[[a, b]] -= 1
        else:
            kept.append(int(number))
    return [edges[number] for number in sorted(kept)]


def _profiles(rng: np.random.Generator, edges: list[tuple[int, int]]) -> list[Profile]:
    """Draw each road's profile; no two one-way roads meet, so that every lane leads on and can be reached."""
    drawn = rng.choice(len(_KINDS), len(edges), p=_KIND_SHARES)
    taken: set[int] = set()
    profiles = []
    for number, edge in zip(drawn, edges, strict=True):
        forward, backward = _KINDS[number]
        if not backward:
            if taken & set(edge):
                forward, backward = 1, 1
            else:
                taken |= set(edge)
        strips = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
        profiles.append((forward, backward, float(rng.uniform(3.2, 3.8)), strips))
    return profiles


def _setback_m(arms: list[tuple[float, float, float]]) -> float:
    """How far from the centre roads must end so as not to overlap: arms are (angle, half width right, left)."""
    arms = sorted(arms)
    needed = 10.0
    for (a, _, left), (b, right, _) in zip(arms, arms[1:] + arms[:1], strict=True):
        between = (b - a) % (2 * np.pi) if len(arms) > 1 else np.pi
        if between < np.pi - 0.2:
            kerbs_meet = max(right + left * np.cos(between), left + right * np.cos(between)) / np.sin(between)
            needed = max(needed, kerbs_meet + 5.0)
    return needed


class _Builder:
    """Puts a network together: roads first, then junction surfaces, then connectors."""

    def __init__(self, rng: np.random.Generator, blocks: int, pitch_m: float, drive_right: bool) -> None:
        self.rng, self.drive_right = rng, drive_right
        self.nodes, self.edges = _grid(rng, blocks, pitch_m)
        shift = 60.0 - self.nodes.min(axis=0)
        self.nodes = self.nodes + shift
        self.extent_m = float(np.ceil(self.nodes.max() + 60.0))
        self.lanes: list[Lane] = []
        self.roads: list[Road] = []
        self.junctions: list[Junction] = []

    def build(self) -> Network:
        self._roads()
        for node in range(len(self.nodes)):
            self._junction(node)
        return Network(self.lanes, self.roads, self.junctions, self.drive_right, self.extent_m)

    def _roads(self) -> None:
        profiles = _profiles(self.rng, self.edges)
        angles = [np.arctan2(*(self.nodes[b] - self.nodes[a])[::-1]) for a, b in self.edges]
        # Each end leaves its junction at an angle of its own, so that the road between has to bend.
        bend = self.rng.uniform(-0.28, 0.28, (len(self.edges), 2))
        half = [self._half_widths(*profile) for profile in profiles]
        arms: dict[int, list[tuple[float, float, float]]] = {}
        for (a, b), angle, (da, db), (left, right) in zip(self.edges, angles, bend, half, strict=True):
            arms.setdefault(a, []).append(((angle + da) % (2 * np.pi), right, left))
            arms.setdefault(b, []).append(((angle + np.pi + db) % (2 * np.pi), left, right))
        setback = {node: _setback_m(list_of) if len(list_of) > 1 else 0.0 for node, list_of in arms.items()}
        for number, (a, b) in enumerate(self.edges):
            heading = angles[number] + bend[number]
            start = self.nodes[a] + setback[a] * np.array([np.cos(heading[0]), np.sin(heading[0])])
            end = self.nodes[b] - setback[b] * np.array([np.cos(heading[1]), np.sin(heading[1])])
            self._road(a, b, smooth_join(start, heading[0], end, heading[1]), profiles[number], half[number])

    def _half_widths(
        self, forward: int, backward: int, width: float, parking: tuple[bool, bool]
    ) -> tuple[float, float]:
        left_lanes, right_lanes = (backward, forward) if self.drive_right else (forward, backward)
        strips = [PARKING_STRIP_M * on for on in parking]
        if not backward:  # one-way: the reference runs down the middle
            return width * forward / 2 + strips[0], width * forward / 2 + strips[1]
        return width * left_lanes + strips[0], width * right_lanes + strips[1]

    def _road(self, a: int, b: int, reference: Curve, profile: Profile, half: tuple[float, float]) -> None:
        forward, backward, width, parking = profile
        road = Road(len(self.roads), a, b, reference, *half, [], [], width, parking)
        limit = float(self.rng.choice([8.5, 10.0, 11.5, 13.5], p=[0.3, 0.35, 0.25, 0.1])) + 1.0 * (forward > 1)
        inner = half[1] - PARKING_STRIP_M * parking[1]
        count = forward + backward
        for i in range(count):  # from right to left of the reference
            right, left = -inner + width * i, -inner + width * (i + 1)
            goes_forward = (i < forward) if self.drive_right else (i >= backward)
            curves = [reference.offset(o) for o in ((left + right) / 2, left, right)]
            if not goes_forward:
                centre, swapped_left, swapped_right = (curve.reversed() for curve in curves)
                curves = [centre, swapped_right, swapped_left]
            lane = Lane(len(self.lanes), curves[0], curves[1], curves[2], road.index, b if goes_forward else a, limit)
            (road.forward if goes_forward else road.backward).append(lane.index)
            self.lanes.append(lane)
        # Lanes are listed from the middle of the road outwards.
        if self.drive_right:
            road.forward.reverse()
        else:
            road.backward.reverse()
        self.roads.append(road)

    def _junction(self, node: int) -> None:
        arms = [(r.index, ends) for r in self.roads for ends in (False, True) if (r.end if ends else r.start) == node]
        arms.sort(key=lambda arm: self._out_angle(*arm))
        junction = Junction(node, self.nodes[node], arms)
        self.junctions.append(junction)
        if len(arms) < 2:
            return
        junction.outline_m = self._outline(arms)
        wanted = self._movements(arms)
        for entry, leave in wanted:
            self._connect(junction, entry, leave)

    def _out_angle(self, road: int, ends: bool) -> float:
        heading = self.roads[road].reference.headings_rad[-1 if ends else 0]
        return float((heading + np.pi * ends) % (2 * np.pi))

    def _outline(self, arms: list[tuple[int, bool]]) -> Floats:
        """Counter-clockwise: along each arm's end edge, then round the kerb to the next arm."""
        edges = []
        for road, ends in arms:
            edge = self.roads[road].edge_m(at_end=ends)
            edges.append(edge[::-1] if ends else edge)
        parts = []
        for k, edge in enumerate(edges):
            following = edges[(k + 1) % len(edges)]
            inwards = self._out_angle(*arms[k]) + np.pi
            outwards = self._out_angle(*arms[(k + 1) % len(arms)])
            kerb = smooth_join(edge[-1], inwards, following[0], outwards, spacing_m=1.0, reach=0.9)
            parts += [edge, kerb.points_m[1:-1]]
        return np.concatenate(parts)

    def _movements(self, arms: list[tuple[int, bool]]) -> list[tuple[int, int]]:
        """(entering lane, leaving lane) pairs: near turns from the outer lane, far turns from the inner one."""
        pairs: list[tuple[int, int]] = []
        for here, (road_in, ends_in) in enumerate(arms):
            entering = self.roads[road_in].forward if ends_in else self.roads[road_in].backward
            for there, (road_out, ends_out) in enumerate(arms):
                leaving = self.roads[road_out].backward if ends_out else self.roads[road_out].forward
                if here == there or not entering or not leaving:
                    continue
                turn = self._out_angle(road_out, ends_out) - self._out_angle(road_in, ends_in) - np.pi
                turn = (turn + np.pi) % (2 * np.pi) - np.pi
                near_side = turn < 0 if self.drive_right else turn > 0
                pairs += _lane_pairs(entering, leaving, straight=abs(turn) < np.pi / 4, near_side=near_side)
        return _completed(pairs, arms, self.roads)

    def _connect(self, junction: Junction, entry: int, leave: int) -> None:
        a, b = self.lanes[entry], self.lanes[leave]
        ends = (a.centre.points_m[-1], a.centre.headings_rad[-1], b.centre.points_m[0], b.centre.headings_rad[0])
        centre = smooth_join(*ends, spacing_m=1.0)
        widths = [float(np.hypot(*(lane.left.points_m[0] - lane.right.points_m[0]))) for lane in (a, b)]
        half = np.linspace(widths[0], widths[1], len(centre.points_m))[:, None] / 2
        normal = np.stack([-np.sin(centre.headings_rad), np.cos(centre.headings_rad)], 1)
        left, right = (Curve(centre.points_m + s * half * normal, centre.headings_rad) for s in (1, -1))
        limit = min(a.limit_mps, b.limit_mps)
        lane = Lane(len(self.lanes), centre, left, right, None, None, limit, [leave], [entry])
        a.successors.append(lane.index)
        b.predecessors.append(lane.index)
        junction.connectors.append(lane.index)
        self.lanes.append(lane)


def _lane_pairs(entering: list[int], leaving: list[int], *, straight: bool, near_side: bool) -> list[tuple[int, int]]:
    if not straight:
        side = -1 if near_side else 0
        return [(entering[side], leaving[side])]
    count = max(len(entering), len(leaving))
    # Aligned at the outer lanes; the surplus on either side merges or splits at the inner one.
    pairs = [(entering[max(len(entering) - 1 - i, 0)], leaving[max(len(leaving) - 1 - i, 0)]) for i in range(count)]
    return list(dict.fromkeys(pairs))


def _completed(pairs: list[tuple[int, int]], arms: list[tuple[int, bool]], roads: list[Road]) -> list[tuple[int, int]]:
    """Give lanes that no movement uses the movements of the lane beside them."""
    for road, ends in arms:
        entering, leaving = roads[road].forward, roads[road].backward
        if not ends:
            entering, leaving = leaving, entering
        for side, lanes in ((0, entering), (1, leaving)):
            used = {pair[side] for pair in pairs}
            for lane in (lane for lane in lanes if lane not in used and used & set(lanes)):
                beside = min(used & set(lanes), key=lambda other: abs(other - lane))
                model = next(pair for pair in pairs if pair[side] == beside)
                pairs.append((lane, model[1]) if side == 0 else (model[0], lane))
    return list(dict.fromkeys(pairs))


def build_network(
    seed: int | np.random.SeedSequence, *, drive_right: bool, blocks: int = 5, pitch_m: float = 105.0
) -> Network:
    """Draw the road network of one town.

    Args:
        seed: equal seeds give equal networks.
        drive_right: right-hand traffic, else left-hand.
        blocks: blocks along each side of the town.
        pitch_m: mean length of a block.
    """
    return _Builder(np.random.default_rng(seed), blocks, pitch_m, drive_right).build()
