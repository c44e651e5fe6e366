"""One planted situation of the junction world: a stretch of road, a target on it, and what the target may do next.

Everything is in the target's frame at time 0 (origin at the target, x forward, y left). The target has driven
straight at a constant speed from a short list, whatever comes next, so that histories are *identical* across
layouts. They differ only in the ``history`` case, where they alone decide the future.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Float64
from forecast.data.synthetic.curves import Curve

Floats = NDArray[np.float64]

CASES = ("history", "map", "neighbour", "draw")
SPEEDS_MPS = (5.0, 6.0, 7.0, 8.0, 9.0)
PAST, FUTURE, STEP_S = 4, 12, 0.5
TIMES_S = STEP_S * np.arange(-PAST, FUTURE + 1)
#: Standard deviation of the future positions around an outcome's mean, per axis, independent over steps.
NOISE_M = 0.05 + 0.03 * STEP_S * np.arange(1, FUTURE + 1)
#: Where a target is on its paths at time 0, metres of arc.
ARC_AT_0_M = 30.0
_AHEAD_M = 72.0
#: How hard drivers turn and brake.
LATERAL_MPS2, BRAKE_MPS2 = 2.5, 3.0


@dataclass(frozen=True)
class Plot:
    """A drawn situation.

    Attributes:
        case: one of :data:`CASES`.
        speed_class: index into :data:`SPEEDS_MPS`, or -1 where the history alone decides.
        paths: centre lines of the lanes that leave the approach, one an outcome or a mere branch of the layout.
        poses: (outcomes, times, 3) x, y, heading of the target over :data:`TIMES_S`, without noise; the past rows
            are the same for all.
        probabilities: (outcomes,) for whoever sees history, map and neighbours.
        lane_width_m: width of all lanes.
        beside: centre lines of lanes that the target does not use, each parallel to a path or across.
        neighbour_poses: (neighbours, times, 3).
    """

    case: str
    speed_class: int
    paths: tuple[Curve, ...]
    poses: Floats
    probabilities: Floats
    lane_width_m: float
    beside: tuple[Curve, ...] = ()
    neighbour_poses: Floats = field(default_factory=lambda: np.zeros((0, len(TIMES_S), 3)))


@dataclass(frozen=True)
class _Situation:
    """The parts of a plot that its case decides; see :class:`Plot`."""

    paths: list[Curve]
    poses: list[Floats]
    probabilities: list[float]
    beside: tuple[Curve, ...] = ()
    neighbour_poses: Floats = field(default_factory=lambda: np.zeros((0, len(TIMES_S), 3)))


def _path(start_m: float, turn_rad: float, radius_m: float) -> Curve:
    """Straight for ``start_m``, then a bend of ``turn_rad`` with clothoid ends, then straight. Arc 0 is time 0."""
    arc = np.arange(-ARC_AT_0_M, _AHEAD_M + 0.25, 0.5)
    ramp = min(4.0, 0.4 * radius_m * abs(turn_rad)) if turn_rad else 1.0
    bend = radius_m * abs(turn_rad) + ramp
    curvature = np.interp(arc - start_m, [0, ramp, bend - ramp, bend], [0, 1, 1, 0]) if turn_rad else 0 * arc
    curvature = curvature * np.sign(turn_rad) / radius_m
    headings = np.concatenate([[0], np.cumsum((curvature[1:] + curvature[:-1]) / 2 * 0.5)])
    middle = (headings[1:] + headings[:-1]) / 2
    steps = 0.5 * np.stack([np.cos(middle), np.sin(middle)], 1)
    points = np.array([-ARC_AT_0_M, 0.0]) + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    return Curve(points, headings)


def driven(path: Curve, arc_m: Float64[Floats, "times"]) -> Float64[Floats, "times 3"]:
    """Poses, metres and radians, at arc lengths counted from time 0, metres."""
    points, headings = path.at(arc_m + ARC_AT_0_M)
    return np.column_stack([points, headings])


def _cruise_m(speed_mps: float) -> Floats:
    return speed_mps * TIMES_S


def slowing_m(speed_mps: float, slow_mps: float, within_m: float) -> Float64[Floats, "times"]:
    """Arc lengths: brake evenly from time 0 so that ``slow_mps`` is reached after ``within_m``, then hold it."""
    if slow_mps >= speed_mps:
        return _cruise_m(speed_mps)
    brake = (speed_mps**2 - slow_mps**2) / (2 * within_m)
    until = (speed_mps - slow_mps) / brake
    t = np.clip(TIMES_S, 0, until)
    braked = speed_mps * t - brake * t**2 / 2 + slow_mps * np.maximum(TIMES_S - until, 0)
    return np.where(TIMES_S <= 0, _cruise_m(speed_mps), braked)


def _bend(rng: np.random.Generator, speed_mps: float) -> tuple[float, float, float, float]:
    """Start, unsigned turn, radius and speed of a bend that can be reached with moderate braking."""
    turn, radius = float(rng.uniform(np.radians(50), np.radians(110))), float(rng.uniform(9.0, 20.0))
    slow = min(speed_mps, float(np.sqrt(LATERAL_MPS2 * radius)))
    needed = max(3.0, (speed_mps**2 - slow**2) / (2 * BRAKE_MPS2))
    return needed + float(rng.uniform(0.0, 10.0)), turn, radius, slow


def _turned(rng: np.random.Generator, speed_mps: float, sides: tuple[int, ...]) -> tuple[list[Curve], list[Floats]]:
    """Paths and poses for turns to the given sides (1 left, -1 right, 0 straight on) from one place."""
    start, turn, radius, slow = _bend(rng, speed_mps)
    paths = [_path(start, side * turn, radius) for side in sides]
    arcs = [slowing_m(speed_mps, slow, start) if side else _cruise_m(speed_mps) for side in sides]
    return paths, [driven(path, arc) for path, arc in zip(paths, arcs, strict=True)]


def _map_decides(rng: np.random.Generator, speed_mps: float, width_m: float) -> _Situation:
    paths, poses = _turned(rng, speed_mps, (int(rng.integers(-1, 2)),))
    return _Situation(paths, poses, [1.0])


def _draw(rng: np.random.Generator, speed_mps: float, width_m: float) -> _Situation:
    """A T (equal probabilities) or a crossroads (straight on half the time)."""
    tee = rng.random() < 0.5
    paths, poses = _turned(rng, speed_mps, (1, -1) if tee else (1, 0, -1))
    return _Situation(paths, poses, [0.5, 0.5] if tee else [0.25, 0.5, 0.25])


def _neighbour_decides(rng: np.random.Generator, speed_mps: float, width_m: float) -> _Situation:
    """A vehicle that stands in the own or the next lane, or one that crosses or waits at a side road."""
    must_stop = rng.random() < 0.5
    straight = _path(0.0, 0.0, 1.0)
    room = speed_mps**2 / (2 * BRAKE_MPS2) + float(rng.uniform(0.5, 8.0))
    side = int(rng.choice([-1, 1]))
    if rng.random() < 0.5:
        beside = straight.offset(side * width_m)
        other = np.tile([room + 7.0, 0.0 if must_stop else side * width_m, 0.0], (len(TIMES_S), 1))
    else:
        centre = room + 7.0
        across = Curve(np.stack([np.full(31, centre), np.linspace(-45, 45, 31)], 1), np.full(31, np.pi / 2))
        beside = across
        speed = float(rng.uniform(4.0, 8.0)) if must_stop else 0.0
        # A crossing vehicle is as far from the junction as a waiting one would be seen, and comes on.
        away = speed * (room / speed_mps + 1.0) if must_stop else float(rng.uniform(7.0, 12.0))
        y = side * (away - speed * TIMES_S)
        other = np.column_stack([np.full_like(y, centre), y, np.full_like(y, -side * np.pi / 2)])
    arc = slowing_m(speed_mps, 0.0, room) if must_stop else _cruise_m(speed_mps)
    return _Situation([straight], [driven(straight, arc)], [1.0], (beside,), other[None])


def _history_decides(rng: np.random.Generator, width_m: float) -> Plot:
    """Turning, braking or speeding up since before time 0, and going on with it; the road follows."""
    speed = float(rng.uniform(SPEEDS_MPS[0], SPEEDS_MPS[-1]))
    kind = rng.integers(3)
    curvature = float(rng.choice([-1, 1]) * rng.uniform(0.012, 0.035)) if kind == 0 else 0.0
    push = (0.0, -float(rng.uniform(0.8, 2.0)), float(rng.uniform(0.4, 1.0)))[kind]
    # Braking ends in a standstill, speeding up after 3 s.
    t = np.minimum(TIMES_S, -speed / push if push < 0 else (3.0 if push > 0 else np.inf))
    arc = speed * t + push * t**2 / 2 + np.maximum(TIMES_S - t, 0) * max(speed + push * t[-1], 0) * (push > 0)
    arc_along = np.arange(-ARC_AT_0_M, _AHEAD_M + 0.25, 0.5)
    heading = curvature * arc_along
    if curvature:
        points = np.stack([np.sin(heading), 1 - np.cos(heading)], 1) / curvature
    else:
        points = np.stack([arc_along, 0 * arc_along], 1)
    path = Curve(points, heading)
    return Plot("history", -1, (path,), driven(path, arc)[None], np.ones(1), width_m)


_DRAWN = {"map": _map_decides, "draw": _draw, "neighbour": _neighbour_decides}


def draw_plot(rng: np.random.Generator, shares: dict[str, float], speed_class: int | None = None) -> Plot:
    """Draw a situation: its case by ``shares``, then layout, speed and distances afresh.

    Args:
        speed_class: condition on this history (an index into :data:`SPEEDS_MPS`; never the history case).
    """
    cases = [case for case in CASES if shares.get(case, 0.0) > 0 and (speed_class is None or case != "history")]
    weights = np.array([shares[case] for case in cases])
    case = cases[rng.choice(len(cases), p=weights / weights.sum())]
    width = float(rng.uniform(3.1, 4.0))
    if case == "history":
        return _history_decides(rng, width)
    chosen = int(rng.integers(len(SPEEDS_MPS))) if speed_class is None else speed_class
    it = _DRAWN[case](rng, SPEEDS_MPS[chosen], width)
    odds = np.array(it.probabilities)
    return Plot(case, chosen, tuple(it.paths), np.stack(it.poses), odds, width, it.beside, it.neighbour_poses)
