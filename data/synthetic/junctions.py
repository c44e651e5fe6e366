"""The junction world: many planted situations side by side, with the true distribution of every target's future.

Beside the tables lies ``truth.npz``, the distributions that best possible scores are computed from (its fields are
those of :class:`Truth`, documented in ``docs/town.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString

from forecast.core.files import written_whole
from forecast.core.frames import world_from_agent
from forecast.data.synthetic.curves import Curve
from forecast.data.synthetic.junction_plots import (
    CASES,
    FUTURE,
    NOISE_M,
    PAST,
    SPEEDS_MPS,
    TIMES_S,
    Plot,
    draw_plot,
)
from forecast.data.synthetic.nuscenes_writer import CITIES
from forecast.data.synthetic.roads import Lane, RoadNetwork
from forecast.data.synthetic.simulated_scene import Recording, SimulatedAgent
from forecast.data.synthetic.surfaces import Surfaces, polygons

Floats = NDArray[np.float64]

BALANCED = dict.fromkeys(CASES, 1 / len(CASES))
_PITCH_M = 150.0
_CENTRE_M = 20.0  # from a target at time 0 to the middle of its plot
_MAX_OUTCOMES = 3
_BLIND_DRAWS = 1000
_CAR = (1.9, 4.6, 1.6)


@dataclass(frozen=True)
class Placed:
    """A plot with its place in a city and what really happened there.

    Attributes:
        plot: in the target's frame.
        pose_world: (3,) x, y, heading of the target at time 0.
        outcome: index of what came true.
        track: (times, 3) world poses of the target, with noise on the future.
    """

    plot: Plot
    pose_world: Floats
    outcome: int
    track: Floats


@dataclass(frozen=True)
class Truth:
    """True distributions of all targets' futures, in the order of the scenes. Positions in the target's frame.

    Attributes:
        tokens: (n,) ``instance_sample`` as in the prediction challenge.
        scenes: (n,) official scene names.
        case: (n,) what decides.
        pose_world: (n, 3) x, y, heading at time 0.
        outcome: (n,) index of what came true.
        means_m: (n, 3, 12, 2) outcomes' means for whoever sees history, map and neighbours; NaN where there are fewer.
        probabilities: (n, 3) theirs; 0 where there are fewer.
        noise_m: (12,) standard deviation per axis, independent over steps.
        blind_class: (n,) row of the two fields below for whoever sees the history alone; -1 where the history
            decides, so that ``means_m`` and ``probabilities`` hold for both.
        blind_means_m: (classes, draws, 12, 2) outcomes' means over layouts drawn like the world's.
        blind_probabilities: (classes, draws).
    """

    tokens: NDArray[np.str_]
    scenes: NDArray[np.str_]
    case: NDArray[np.str_]
    pose_world: Floats
    outcome: NDArray[np.int64]
    means_m: Floats
    probabilities: Floats
    noise_m: Floats
    blind_class: NDArray[np.int64]
    blind_means_m: Floats
    blind_probabilities: Floats

    def write(self, path: Path) -> None:
        """Write as a compressed NumPy archive."""
        with written_whole(path) as temporary:
            np.savez_compressed(temporary, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def read(cls, path: Path | str) -> Truth:
        """Read what :meth:`write` wrote."""
        with np.load(path, allow_pickle=False) as archive:
            return cls(**{f.name: archive[f.name] for f in fields(cls)})


def plots_of_scene(seed: int, scene: int, scenes: int, count: int, shares: Mapping[str, float]) -> list[Placed]:
    """Draw and place the situations of one scene; every scene has ground of its own."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 3, scene]))
    side = _plots_aside(scenes, count)
    placed = []
    for number in range(count):
        plot = draw_plot(rng, dict(shares))
        row, column = divmod(scene // len(CITIES) * count + number, side)
        heading = float(rng.uniform(-np.pi, np.pi))
        middle = (np.array([column, row]) + 1.0) * _PITCH_M
        pose = np.array([*(middle - _CENTRE_M * np.array([np.cos(heading), np.sin(heading)])), heading])
        outcome = int(rng.choice(len(plot.probabilities), p=plot.probabilities))
        local = plot.poses[outcome].copy()
        local[PAST + 1 :, :2] += rng.normal(size=(FUTURE, 2)) * NOISE_M[:, None]
        placed.append(Placed(plot, pose, outcome, _to_world(local, pose)))
    return placed


def _plots_aside(scenes: int, count: int) -> int:
    in_a_city = -(-scenes // len(CITIES)) * count
    return int(np.ceil(np.sqrt(in_a_city)))


def _to_world(local: Floats, pose: Floats) -> Floats:
    points = world_from_agent(local[..., :2], np.broadcast_to(pose, (*local.shape[:-1], 3)))
    return np.concatenate([points, local[..., 2:] + pose[2]], axis=-1)


def record_plots(name: str, city: str, start_us: int, placed: list[Placed]) -> Recording:
    """One scene of 17 key frames; the targets are the first agents, time 0 is key frame 4."""
    agents = [SimulatedAgent("vehicle.car", _CAR, 0, p.track) for p in placed]
    targets = [(i, PAST) for i in range(len(agents))]
    for p in placed:
        agents += [
            SimulatedAgent("vehicle.car", _CAR, 0, _to_world(other, p.pose_world)) for other in p.plot.neighbour_poses
        ]
    # The ego stands aside, out of every target's sight.
    ego = np.tile([20.0, 20.0, 0.0], (len(TIMES_S), 1))
    return Recording(name, city, start_us, ego, agents, targets)


def _world_curve(curve: Curve, pose: Floats) -> Curve:
    world = _to_world(np.column_stack([curve.points_m, curve.headings_rad]), pose)
    return Curve(world[:, :2], world[:, 2])


def _add_lane(lanes: list[Lane], centre: Curve, width_m: float) -> Lane:
    sparse = centre.part(0.0, centre.length_m, 3.0)
    lane = Lane(len(lanes), sparse, sparse.offset(width_m / 2), sparse.offset(-width_m / 2), 0, None, 13.0)
    lanes.append(lane)
    return lane


def junction_map(placed: list[Placed], *, drive_right: bool, extent_m: float) -> tuple[RoadNetwork, Surfaces]:
    """Lanes, drivable areas and dividers of all plots of one city."""
    lanes: list[Lane] = []
    areas, dividers = [], []
    for p in placed:
        width = p.plot.lane_width_m
        centres = [_world_curve(c, p.pose_world) for c in (*p.plot.paths, *p.plot.beside)]
        approach = _add_lane(lanes, centres[0].part(0.0, 32.0), width)
        for number, centre in enumerate(centres):
            own = number < len(p.plot.paths)
            lane = _add_lane(lanes, centre.part(32.0 if own else 0.0, centre.length_m), width)
            if own:
                approach.successors.append(lane.index)
                lane.predecessors.append(approach.index)
            areas.append(LineString(centre.points_m).buffer(width / 2 + 0.3, cap_style="flat"))
            edge = LineString(centre.offset(width / 2 * (1 if drive_right else -1)).points_m).simplify(0.05)
            corners = np.round(np.asarray(edge.coords), 3)
            dividers += [LineString(corners[i : i + 2]) for i in range(len(corners) - 1)]
    surface = Surfaces(polygons(shapely.union_all(areas)), (), (), (), (), tuple(dividers), tuple(dividers[:2]))
    return RoadNetwork(lanes, [], [], drive_right, extent_m), surface


def city_extent_m(scenes: int, count: int) -> float:
    """Edge of a city's square map."""
    return (_plots_aside(scenes, count) + 1.0) * _PITCH_M


def city_maps(
    seed: int, scenes: int, count: int, shares: Mapping[str, float]
) -> Iterator[tuple[str, RoadNetwork, Surfaces]]:
    """The maps of all cities, one at a time."""
    for index, city in enumerate(CITIES):
        placed = [p for s in range(index, scenes, len(CITIES)) for p in plots_of_scene(seed, s, scenes, count, shares)]
        # A city without scenes still needs a map that is not empty.
        placed = placed or plots_of_scene(seed, scenes + index, scenes, count, shares)
        yield city, *junction_map(placed, drive_right=index == 0, extent_m=city_extent_m(scenes, count))


def blind_outcomes(seed: int, shares: Mapping[str, float]) -> tuple[Floats, Floats]:
    """What may follow each of the common histories, for whoever sees nothing else: many fresh layouts.

    Returns:
        (classes, draws, 12, 2) means and (classes, draws) probabilities; 0 in unused places.
    """
    means = np.zeros((len(SPEEDS_MPS), _BLIND_DRAWS, FUTURE, 2))
    odds = np.zeros((len(SPEEDS_MPS), _BLIND_DRAWS))
    if not any(shares.get(case, 0) > 0 for case in CASES if case != "history"):
        return means, odds
    rng = np.random.default_rng(np.random.SeedSequence([seed, 4]))
    for speed in range(len(SPEEDS_MPS)):
        for draw in range(_BLIND_DRAWS):
            plot = draw_plot(rng, dict(shares), speed)
            # One outcome a layout, drawn by its probability: equal weights, and none is wasted on the rare.
            outcome = rng.choice(len(plot.probabilities), p=plot.probabilities)
            means[speed, draw], odds[speed, draw] = plot.poses[outcome, PAST + 1 :, :2], 1 / _BLIND_DRAWS
    return means, odds


def gather_truth(
    seed: int, names: list[str], count: int, shares: Mapping[str, float], targets: Mapping[str, list[str]]
) -> Truth:
    """The true distributions of all scenes' targets.

    Args:
        targets: the prediction challenge's entries by scene name, as written.
    """
    placed = [p for s in range(len(names)) for p in plots_of_scene(seed, s, len(names), count, shares)]
    means = np.full((len(placed), _MAX_OUTCOMES, FUTURE, 2), np.nan)
    odds = np.zeros((len(placed), _MAX_OUTCOMES))
    for row, p in enumerate(placed):
        number = len(p.plot.probabilities)
        means[row, :number], odds[row, :number] = p.plot.poses[:, PAST + 1 :, :2], p.plot.probabilities
    return Truth(
        np.array([t for name in names for t in targets[name]]),
        np.repeat(names, count),
        np.array([p.plot.case for p in placed]),
        np.stack([p.pose_world for p in placed]),
        np.array([p.outcome for p in placed]),
        means,
        odds,
        NOISE_M,
        np.array([p.plot.speed_class for p in placed]),
        *blind_outcomes(seed, shares),
    )
