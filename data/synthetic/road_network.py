"""Builds a town's road network from its plan: roads first, then the junctions' surfaces, then the connectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.data.synthetic.curves import Curve, smooth_join
from forecast.data.synthetic.lattice import Street, plan_streets
from forecast.data.synthetic.roads import PARKING_STRIP_M, Junction, Lane, RoadNetwork, TownRoad

Floats = NDArray[np.float64]


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
    """Puts a network together."""

    def __init__(self, nodes_m: Floats, streets: list[Street], drive_right: bool) -> None:
        self.streets, self.drive_right = streets, drive_right
        self.nodes = nodes_m - nodes_m.min(axis=0) + 60.0
        self.extent_m = float(np.ceil(self.nodes.max() + 60.0))
        self.lanes: list[Lane] = []
        self.roads: list[TownRoad] = []
        self.junctions: list[Junction] = []

    def build(self) -> RoadNetwork:
        self._roads()
        for node in range(len(self.nodes)):
            self._junction(node)
        return RoadNetwork(self.lanes, self.roads, self.junctions, self.drive_right, self.extent_m)

    def _roads(self) -> None:
        half = [self._half_widths(street) for street in self.streets]
        arms: dict[int, list[tuple[float, float, float]]] = {}
        for street, (left, right) in zip(self.streets, half, strict=True):
            first, last = street.headings_rad
            arms.setdefault(street.start, []).append((first % (2 * np.pi), right, left))
            arms.setdefault(street.end, []).append(((last + np.pi) % (2 * np.pi), left, right))
        setback = {node: _setback_m(list_of) if len(list_of) > 1 else 0.0 for node, list_of in arms.items()}
        for street, sides in zip(self.streets, half, strict=True):
            first, last = street.headings_rad
            start = self.nodes[street.start] + setback[street.start] * np.array([np.cos(first), np.sin(first)])
            end = self.nodes[street.end] - setback[street.end] * np.array([np.cos(last), np.sin(last)])
            self._road(street, smooth_join(start, first, end, last), sides)

    def _half_widths(self, street: Street) -> tuple[float, float]:
        (forward, backward), width = street.lanes, street.lane_width_m
        left_lanes, right_lanes = (backward, forward) if self.drive_right else (forward, backward)
        strips = [PARKING_STRIP_M * on for on in street.parking]
        if not backward:  # one-way: the reference runs down the middle
            return width * forward / 2 + strips[0], width * forward / 2 + strips[1]
        return width * left_lanes + strips[0], width * right_lanes + strips[1]

    def _road(self, street: Street, reference: Curve, half: tuple[float, float]) -> None:
        (forward, backward), width = street.lanes, street.lane_width_m
        ends = street.start, street.end
        road = TownRoad(len(self.roads), *ends, reference, *half, [], [], width, street.parking, street.main)
        inner = half[1] - PARKING_STRIP_M * street.parking[1]
        for i in range(forward + backward):  # from right to left of the reference
            right, left = -inner + width * i, -inner + width * (i + 1)
            goes_forward = (i < forward) if self.drive_right else (i >= backward)
            middle, on_left, on_right = (reference.offset(o) for o in ((left + right) / 2, left, right))
            if not goes_forward:
                middle, on_left, on_right = middle.reversed(), on_right.reversed(), on_left.reversed()
            ahead, number = ends[1] if goes_forward else ends[0], len(self.lanes)
            lane = Lane(number, middle, on_left, on_right, road.index, ahead, street.limit_mps, main=street.main)
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
        junction.signals = len(arms) > 3 and all(self.roads[road].main for road, _ in arms)
        for entry, leave in self._movements(arms):
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
        turn = float(centre.headings_rad[-1] - centre.headings_rad[0])
        lane = Lane(len(self.lanes), centre, left, right, None, None, limit, [leave], [entry], a.main and b.main, turn)
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


def _completed(
    pairs: list[tuple[int, int]], arms: list[tuple[int, bool]], roads: list[TownRoad]
) -> list[tuple[int, int]]:
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
    seed: int | np.random.SeedSequence, *, drive_right: bool, blocks: int = 5, pitch_m: float = 150.0
) -> RoadNetwork:
    """Draw the road network of one town.

    Args:
        seed: equal seeds give equal networks.
        drive_right: right-hand traffic, else left-hand.
        blocks: blocks along each side of the town.
        pitch_m: scale of a block; see :func:`~forecast.data.synthetic.lattice.plan_streets`.
    """
    plan = plan_streets(np.random.default_rng(seed), blocks, pitch_m)
    return _Builder(*plan, drive_right).build()
