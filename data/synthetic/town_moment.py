"""A moment of a town from which its drivers can drive on once more: as they did, or after something was changed.

What was left to chance stays as it was: each driver has the same temper, way and unrest (:mod:`.chance`), and people on
foot cross when they did. So driven on without a change everybody does what was recorded, and a difference is the
effect of the change alone.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Float64
from forecast.data.synthetic.chance import Replayed, WrittenDown
from forecast.data.synthetic.crossings import Gates
from forecast.data.synthetic.scene_names import scene_names
from forecast.data.synthetic.town_changes import Change, TownChanges
from forecast.data.synthetic.town_scene import TICKS, TownScene
from forecast.data.synthetic.traffic import STEP_S, Traffic
from forecast.data.synthetic.world_mark import read_mark

Floats = NDArray[np.float64]

#: Who is seen at a place is the nearest one, if not further from it than this, metres.
_SAME_VEHICLE_M, _SAME_WALKER_M = 2.0, 1.0


class _SeenGates(Gates):
    """Crossings that are in use when they were, but for those who are gone; lanes may be barred as well.

    Args:
        gates: as they were.
        in_use: who walked on each crossing, step by step.
        changes: that were made.
    """

    def __init__(self, gates: Gates, in_use: Sequence[Mapping[int, set[int]]], changes: TownChanges) -> None:
        super().__init__(gates.network, gates.crossings)
        self._in_use, self._gone = in_use, changes.walkers_gone
        for lane, stop_m in changes.barred.items():
            self._closed[lane].append(stop_m)

    def go_to(self, step: int) -> None:
        """Let people walk where they did at a step of the traffic."""
        for crossing, walking in enumerate(self.walking):
            now = self._in_use[step].get(crossing, set()) - self._gone
            for who in walking - now:
                self.leave(crossing, who)
            for who in now - walking:
                self.enter(crossing, who)


class TownMoment:
    """One key frame of one scene of a town.

    Args:
        seed: the town's.
        number: of the scene, in the town.
        frame: key frame, from 0.
        frames: key frames to drive on.
    """

    def __init__(self, seed: int, number: int, frame: int, frames: int = 12) -> None:
        scene = TownScene(seed, number)
        scene.go_to(frame)
        self._seed, self._frames = seed, frames
        self._traffic = _copy(scene.traffic)
        self._people = scene.people.present(scene.traffic.time_s)
        self._chance = scene.traffic.chance = WrittenDown(scene.rng)
        self._in_use: list[dict[int, set[int]]] = []
        for _ in range(TICKS * frames):
            scene.people.advance(scene.traffic)
            walking = enumerate(scene.traffic.gates.walking)
            self._in_use.append({crossing: set(who) for crossing, who in walking if who})
            scene.traffic.step()

    def vehicle_at(self, x_m: float, y_m: float) -> int | None:
        """Number of the vehicle in traffic whose box is at a place of the world, metres; None where there is none."""
        found, nearest = None, _SAME_VEHICLE_M
        for vehicle in self._traffic.vehicles:
            x, y, _ = self._traffic.pose(vehicle)
            if (away := float(np.hypot(x - x_m, y - y_m))) < nearest:
                found, nearest = vehicle.number, away
        return found

    def walker_at(self, x_m: float, y_m: float) -> int | None:
        """Number of who is on foot at a place of the world, metres; None where there is nobody."""
        away = np.hypot(self._people[:, 0] - x_m, self._people[:, 1] - y_m)
        return int(away.argmin()) if away.min(initial=np.inf) < _SAME_WALKER_M else None

    def drive(self, target: int, changes: Sequence[Change] = ()) -> Float64[Floats, "frames 3"] | None:
        """World poses of a vehicle at the key frames to come, metres and radians.

        Args:
            target: its number.
            changes: of the traffic and the streets, made at the moment itself.

        Returns:
            None where a change cannot be made: the target is already past where an arm is closed, or takes no road
            to it. A vehicle that leaves the town goes straight on.
        """
        traffic = _copy(self._traffic)
        traffic.chance = Replayed(self._chance.drawn, self._seed)
        made = TownChanges(traffic, target)
        if not all(made.make(change) for change in changes):
            return None
        traffic.gates = gates = _SeenGates(traffic.gates, self._in_use, made)
        (vehicle,) = (one for one in traffic.vehicles if one.number == target)
        poses = [traffic.pose(vehicle)]
        for step in range(TICKS * self._frames):
            gates.go_to(step)
            traffic.step()
            poses.append(
                _onward(poses[-1], vehicle.v_mps) if vehicle not in traffic.vehicles else traffic.pose(vehicle)
            )
        return np.array(poses[TICKS::TICKS])


def moment_of(folder: Path | str, scene: str, frame: int, frames: int = 12) -> TownMoment | None:
    """A key frame of a scene that was written into a folder.

    Args:
        folder: of a data set.
        scene: official name.
        frame: key frame, from 0.
        frames: key frames to drive on.

    Returns:
        None where the folder is no town.
    """
    told = read_mark(folder)
    if told.get("world") != "town":
        return None
    names = scene_names(told["version"], told["scenes"])
    return TownMoment(told["seed"], names.index(scene), frame, frames) if scene in names else None


def is_town(folder: Path | str) -> bool:
    """Whether a folder holds a town that was written by this package."""
    return bool(read_mark(folder).get("world") == "town")


def _copy(traffic: Traffic) -> Traffic:
    """Traffic that can be driven on by itself; what never changes is shared."""
    lasting: list[Any] = [traffic.network, traffic.lanes, traffic.lengths_m, traffic.allowed, traffic.gates]
    lasting += [traffic.sources, traffic.chance, traffic.right_of_way.signals, traffic.right_of_way.conflicts]
    return copy.deepcopy(traffic, {id(one): one for one in lasting})


def _onward(pose: tuple[float, float, float], speed_mps: float) -> tuple[float, float, float]:
    x, y, heading = pose
    step_m = speed_mps * STEP_S
    return x + step_m * float(np.cos(heading)), y + step_m * float(np.sin(heading)), heading
