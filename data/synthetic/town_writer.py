"""Writes a whole synthetic world as a genuine nuScenes folder, deterministic in its seed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import ConfigError, DataError, one_of
from forecast.core.files import folder_beside
from forecast.core.frames import world_from_agent
from forecast.core.progress import progress
from forecast.data.synthetic.expansion_writer import map_expansion
from forecast.data.synthetic.junctions import (
    BALANCED,
    city_maps,
    gather_truth,
    plots_of_scene,
    record_plots,
)
from forecast.data.synthetic.masks import write_mask
from forecast.data.synthetic.nuscenes_writer import CITIES, STEP_US, SceneTables, map_token, scene_tables, write_tables
from forecast.data.synthetic.parked import lot_cars, parked_cars
from forecast.data.synthetic.scene_names import scene_names
from forecast.data.synthetic.simulated_scene import Recording, SimulatedAgent, challenge_targets, without_overlaps
from forecast.data.synthetic.town_scene import City, TownScene, build_city
from forecast.data.synthetic.vehicles import Vehicle
from forecast.data.synthetic.world_mark import MARK

Floats = NDArray[np.float64]

FRAMES = 40
#: How far away agents are still annotated; what hides behind others is seen from nearby alone.
_RANGE_M = {"moving": (50.0, 120.0), "other": (40.0, 100.0)}
#: Scale of annotation errors along the direction of travel of those that move, across it, and of headings
#: (docs/decisions/0017-town-drivers.md).
_ALONG_M, _ACROSS_M, _NOISE_RAD = 0.12, 0.02, 0.004
#: From this speed on errors along are whole, m/s.
_MOVING_MPS = 1.0
#: Share of every other key frame at which a box is not set by hand but interpolated between its neighbours.
_INTERPOLATED = 0.35
_TARGETS_PER_SCENE = 80
#: 2018-07-02, a Monday; scenes follow one another by a minute.
_EPOCH_US = 1_530_518_400_000_000


def record_scene(seed: int, number: int, name: str) -> Recording:
    """Simulate one scene: 20 s at 2 Hz, seen by an ego vehicle that is part of the traffic.

    Args:
        seed: the world's seed.
        number: which scene of the world; it chooses the city and the random stream.
        name: official scene name.
    """
    scene = TownScene(seed, number)
    city, mood, rng = scene.city, scene.mood, scene.rng
    agents, ego = _simulate(scene)
    standing = parked_cars(city.network, rng, FRAMES, occupancy=mood.kerb)
    standing += lot_cars(city.surfaces, rng, FRAMES, occupancy=mood.lots)
    frames = ego.poses
    seen = [piece for agent in without_overlaps(agents, standing, ego) for piece in _seen(agent, frames, rng)]
    start = _start_us(number)
    return Recording(name, city.name, start, frames, seen, challenge_targets(seen, rng, at_most=_TARGETS_PER_SCENE))


def _simulate(scene: TownScene) -> tuple[list[SimulatedAgent], SimulatedAgent]:
    """All who move (vehicles, then pedestrians near the ego), and the ego."""
    poses: dict[int, list[tuple[float, float, float]]] = {}
    first: dict[int, int] = {}
    bodies: dict[int, Vehicle] = {}
    times = []
    for frame in range(FRAMES):
        scene.go_to(frame)
        times.append(scene.traffic.time_s)
        for vehicle in scene.traffic.vehicles:
            first.setdefault(vehicle.number, frame)
            bodies[vehicle.number] = vehicle
            poses.setdefault(vehicle.number, []).append(scene.traffic.pose(vehicle))
    scene.tick()
    vehicles = [SimulatedAgent(b.category, b.size_m, first[who], np.array(poses[who])) for who, b in bodies.items()]
    ego = vehicles.pop(_choose_ego(vehicles, scene.rng))
    return vehicles + scene.people.agents(np.array(times), ego.poses[:, :2], _RANGE_M["other"][1]), ego


def _choose_ego(agents: list[SimulatedAgent], rng: np.random.Generator) -> int:
    """A vehicle that is there all the time; the further it comes, the likelier."""
    whole = {
        i: float(np.hypot(*np.diff(agent.poses[:, :2], axis=0).T).sum())
        for i, agent in enumerate(agents)
        if len(agent.poses) == FRAMES
    }
    if not whole:
        raise DataError("a simulated scene has no vehicle that stays for 20 s; choose another --seed")
    ways = (np.array(list(whole.values())) + 1.0) ** 1.5
    return int(rng.choice(list(whole), p=ways / ways.sum()))


def _seen(agent: SimulatedAgent, ego: Floats, rng: np.random.Generator) -> Iterator[SimulatedAgent]:
    """The longest stretch of an agent's track within the ego's range, with annotation noise."""
    rows = np.arange(len(agent.poses))
    drives = agent.category.startswith("vehicle") and not agent.parked
    range_m = rng.uniform(*_RANGE_M["moving" if drives else "other"])
    near = np.hypot(*(agent.poses[:, :2] - ego[agent.first_frame + rows, :2]).T) < range_m
    edges = np.flatnonzero(np.diff(np.concatenate([[False], near, [False]])))
    if not len(edges):
        return
    first, last = max(zip(edges[::2], edges[1::2], strict=True), key=lambda run: run[1] - run[0])
    poses = agent.poses[first:last]
    if not agent.parked:
        poses = _annotated(poses, rng)
    yield replace(agent, first_frame=agent.first_frame + int(first), poses=poses)


def _annotated(poses: Floats, rng: np.random.Generator) -> Floats:
    """(rows, 3) poses as if set by hand, some centimetres off, and here and there interpolated between two others."""
    rows = np.arange(len(poses))
    left_out = rng.random(len(poses)) < _INTERPOLATED
    left_out[0] = left_out[-1] = False
    left_out[2::2] = False  # never two in a row
    by_hand = np.flatnonzero(~left_out)
    errors = np.clip(rng.standard_t(3, (len(by_hand), 3)), -4, 4) * (_ALONG_M, _ACROSS_M, _NOISE_RAD)
    step_m = np.hypot(*np.diff(poses[:, :2], axis=0, append=poses[-1:, :2]).T)[by_hand]
    along = errors[:, 0] * np.clip(step_m / (_MOVING_MPS * STEP_US * 1e-6), _ACROSS_M / _ALONG_M, 1.0)
    true = np.c_[poses[by_hand, :2], np.unwrap(poses[:, 2])[by_hand]]
    set_poses = np.c_[world_from_agent(np.c_[along, errors[:, 1]], true), true[:, 2] + errors[:, 2]]
    return np.stack([np.interp(rows, by_hand, column) for column in set_poses.T], 1)


def _town_scene(seed: int, job: tuple[int, str]) -> SceneTables:
    return scene_tables(seed, record_scene(seed, *job))


def _junction_scene(
    seed: int, scenes: int, count: int, shares: Mapping[str, float], job: tuple[int, str]
) -> SceneTables:
    number, name = job
    placed = plots_of_scene(seed, number, scenes, count, shares)
    return scene_tables(seed, record_plots(name, CITIES[number % len(CITIES)], _start_us(number), placed))


def _start_us(number: int) -> int:
    return _EPOCH_US + 60_000_000 * number


def _scenes(make: Callable[[tuple[int, str]], SceneTables], names: list[str], workers: int) -> Iterator[SceneTables]:
    jobs = list(enumerate(names))
    if workers <= 1 or len(jobs) < 2 * workers:
        yield from map(make, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        # A window of jobs at a time: finished scenes never pile up in memory.
        for start in range(0, len(jobs), 16 * workers):
            with _deaf_to_interrupts():  # processes begin where jobs are handed over
                made = pool.map(make, jobs[start : start + 16 * workers], chunksize=2)
            yield from made


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that begin meanwhile do not hear Ctrl-C, which reaches all of a terminal: their parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # not POSIX
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _write_map(folder: Path, seed: int, city: City) -> None:
    record = map_expansion(city.name, seed, city.network, city.surfaces)
    (folder / "expansion").mkdir(parents=True, exist_ok=True)
    (folder / "expansion" / f"{city.name}.json").write_bytes(msgspec.json.encode(record))
    shapes = (*city.surfaces.drivable, *city.surfaces.walkways)
    write_mask(folder / f"{map_token(seed, city.name)}.png", shapes, city.network.extent_m)


def _check_target(out: Path) -> None:
    """Refuse to overwrite anything but an earlier world of this command."""
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or (out / MARK).is_file())):
        raise DataError(f"{out}: exists and is no synthetic world (it holds no {MARK}); choose an empty or new folder")


def _checked_shares(world: str, shares: Mapping[str, float] | None) -> Mapping[str, float]:
    if world not in ("town", "junction"):
        raise ConfigError(f"--world {world}: {one_of(('town', 'junction'), world)}")
    mixture = BALANCED if shares is None else shares
    for case, share in mixture.items():
        if case not in BALANCED or not 0 <= share <= 1:
            raise ConfigError(f"share {case}={share}: expected a number of 0…1 for one of {', '.join(BALANCED)}")
    if not sum(mixture.values()) > 0:
        raise ConfigError("the shares of the cases are all 0; give at least one of them a share")
    return mixture


def write_town(
    out: Path | str,
    *,
    scenes: int = 10,
    seed: int = 0,
    version: str = "v1.0-mini",
    world: str = "town",
    workers: int | None = None,
    samples_per_scene: int = 32,
    shares: Mapping[str, float] | None = None,
) -> None:
    """Write a synthetic world as a nuScenes folder: tables, map expansion v1.3, masks and prediction scenes.

    The folder appears whole or not at all; an earlier world at the same place is replaced. Equal arguments give
    equal bytes, whatever the number of workers.

    Args:
        out: folder to write; it must be new, empty, or an earlier world.
        scenes: number of scenes; they take official names, split by split.
        seed: everything is drawn from it.
        version: ``v1.0-mini`` (up to 10 scenes) or ``v1.0-trainval`` (up to 850).
        world: ``town`` (streets and traffic) or ``junction`` (planted situations, with ``truth.npz``).
        workers: processes; by default one a core.
        samples_per_scene: junction world only: targets in each scene.
        shares: junction world only: share of each case (``history``, ``map``, ``neighbour``, ``draw``); balanced by
            default.

    Raises:
        ConfigError: the number of scenes does not fit the version, or an unknown world or case.
        DataError: ``out`` holds something else.
    """
    out = Path(out)
    names = scene_names(version, scenes)
    _check_target(out)
    mixture = _checked_shares(world, shares)
    with folder_beside(out) as folder:
        if world == "town":
            cities = (build_city(seed, city) for city in CITIES)
            make: Callable[[tuple[int, str]], SceneTables] = partial(_town_scene, seed)
        else:
            cities = (City(*city) for city in city_maps(seed, scenes, samples_per_scene, mixture))
            make = partial(_junction_scene, seed, scenes, samples_per_scene, mixture)
        for city in cities:
            _write_map(folder / "maps", seed, city)
        stream = _scenes(make, names, workers or os.cpu_count() or 1)
        targets = write_tables(folder / version, seed, progress(stream, "simulating scenes", total=len(names)))
        (folder / "maps" / "prediction").mkdir()
        (folder / "maps" / "prediction" / "prediction_scenes.json").write_bytes(msgspec.json.encode(targets))
        if world == "junction":
            gather_truth(seed, names, samples_per_scene, mixture, targets).write(folder / "truth.npz")
        about: dict[str, object] = {"world": world, "seed": seed, "scenes": scenes, "version": version}
        about |= {"samples_per_scene": samples_per_scene, "shares": dict(mixture)} if world == "junction" else {}
        (folder / MARK).write_bytes(msgspec.json.encode(about))
        if out.exists():
            shutil.rmtree(out)
        folder.replace(out)
