"""Keeps a vehicle's tracks from one planning cycle to the next, and answers for now."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Hashable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from forecast.core.agents import USUAL_SIZE_M, AgentType
from forecast.core.errors import ConfigError, SceneError
from forecast.core.horizon import Horizon
from forecast.prediction.observed_motion import SAME_PLACE_M
from forecast.prediction.readings import (
    LATEST_S,
    Floats,
    check_id,
    clock_reading,
    floats,
    items,
    places,
    reading,
    shown,
    times,
    unit_guess,
)
from forecast.prediction.scene import Scene, coarse_notes, pose_faults, type_of
from forecast.prediction.scene_forecast import SceneForecast
from forecast.prediction.track_memory import TrackMemory

_US = 1e6
#: An observation this little ahead of now is kept until its time comes: clocks differ. Others are left out.
_EARLY_S = 1.0
#: So many of these for each track that may be kept, on average; more are left out.
_WAITING_A_TRACK = 16


@dataclass(frozen=True)
class Observation:
    """One agent, seen once.

    Attributes:
        agent_id: the tracker's; the same agent keeps it.
        agent_type: an :class:`~forecast.core.agents.AgentType` or its name in lower case, e.g. ``"vehicle"``.
        time_s: when it was seen, seconds, on the clock of the planning cycles; or a time with a unit
            (:func:`~forecast.prediction.readings.times`), as theirs then.
        pose_world: (3,) x, y in metres and heading in radians of the box centre, world frame; the heading may be NaN or
            None: unknown.
        size_m: (2,) length and width, or None: the last one given, else what is usual for the type.
        velocity_world_mps: (2,) m/s, world frame; None where unknown. It counts until the positions say how an agent
            moves: give it where a tracker has it.
    """

    agent_id: Hashable
    agent_type: AgentType | str
    time_s: Any
    pose_world: ArrayLike
    size_m: ArrayLike | None = None
    velocity_world_mps: ArrayLike | None = None


class ForecasterConfig(Protocol):
    """What a stream reads of a forecaster's configuration."""

    @property
    def horizon(self) -> Horizon:
        """How far back the model looks."""


class KnownMaps(Protocol):
    """What a stream asks of a forecaster's maps."""

    def check(self, name: str | None) -> None:
        """Refuse a name that no map has, with a SceneError."""


class SceneForecaster(Protocol):
    """What a stream asks: a :class:`~forecast.prediction.forecaster.Forecaster`, or anything that answers as one."""

    @property
    def config(self) -> ForecasterConfig:
        """Of the model."""

    @property
    def maps(self) -> KnownMaps:
        """All that it can be asked about."""

    def forecast(self, scene: Scene, agents: Iterable[Hashable] | None = None) -> SceneForecast:
        """Forecast a scene."""


class Stream:
    """The tracks of one drive. Safe to call from several threads; cycles are then taken one after the other.

    - A **new** agent is forecast from its first observation on.
    - A **late** or **out-of-order** observation goes where its time belongs, back to as far as the memory reaches.
    - Of **repeated** ones (same agent, same time) the last counts.
    - An observation up to 1 s **ahead** of now waits until its time has come; one further ahead is left out.
    - A **faulty** one (not finite, unknown type, no place on a map, no positive size, or no observation at all) is left
      out.
    - A **silent** agent moves on, and is forecast, as :class:`~forecast.prediction.resample.Silence` of the forecaster
      says; then it is ``unanswered``, and forgotten once its past cannot matter any more. Should it come back before,
      its past counts.

    What was left out is reported in the forecast's ``notes``, one line each; the others are forecast all the same. The
    notes of the forecast itself follow. A stream can be copied and pickled, with its tracks and its forecaster.

    Args:
        forecaster: the model and its maps.
        map_name: where the vehicle drives, until an update says otherwise.
        max_tracks: no more are kept: the longest silent one makes room.
    """

    def __init__(self, forecaster: SceneForecaster, map_name: str | None = None, *, max_tracks: int = 10_000) -> None:
        if not isinstance(max_tracks, (int, np.integer)) or max_tracks < 1:
            raise ConfigError(f"max_tracks: expected a whole number, at least 1, got {shown(max_tracks)}")
        self._forecaster, self._first_map, self._max_tracks = forecaster, map_name, max_tracks
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new drive begins, at any time, on the map that the stream was opened with."""
        with self._lock:
            self._memory = TrackMemory(self._forecaster.config.horizon, self._max_tracks)
            self._now_us: int | None = None
            self._map_name = self._first_map
            # Apart from the tracks, so that nothing after now touches an answer for now.
            self._waiting: dict[tuple[Hashable, int], _Seen] = {}
            #: Updates in a row that came after more time than the memory reaches back.
            self._far_apart = 0

    def __len__(self) -> int:
        """Tracks kept."""
        return len(self._memory)

    @property
    def counts(self) -> Counter[str]:
        """What came in since the beginning: new, lost, late, repeated, early, faulty, stale, evicted."""
        return self._memory.counts.copy()

    @property
    def nbytes(self) -> int:
        """Memory that the tracks take."""
        return self._memory.nbytes

    def update(
        self,
        observations: Iterable[Observation],
        time_s: Any,
        map_name: str | None = None,
        agents: Iterable[Hashable] | None = None,
    ) -> SceneForecast:
        """Take in what was observed since the last call, and forecast now.

        Args:
            observations: any order; none at all between two frames.
            time_s: now, seconds or a time with a unit; not before the last call's.
            map_name: where the vehicle is; as before where left out.
            agents: whom to forecast; everyone by default.

        Raises:
            SceneError: time goes backwards or is not finite, the map is unknown, ``observations`` is no list, or
                ``agents`` names someone who is not kept. But for the last case nothing of the call is taken in.
        """
        seen = items("stream: observations", observations, "Observation")
        with self._lock:
            self._forecaster.maps.check(self._map_name if map_name is None else map_name)
            now_s, apart_s = clock_reading(time_s, "stream")
            now_us = self._advance(now_s)
            if map_name is not None:
                self._map_name = map_name
            self._end_waiting(now_us)
            notes = self._take_in(seen, now_us, apart_s)
            self._memory.forget(now_us)
            scene = self._scene(now_us, notes)
        return self._forecaster.forecast(scene, agents)

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = {**self.__dict__, "_memory": deepcopy(self._memory), "_waiting": dict(self._waiting)}
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _advance(self, now_s: float) -> int:
        now_us = round(now_s * _US)
        if self._now_us is not None and now_us < self._now_us:
            raise SceneError(
                f"stream: time goes backwards, from {self._now_us / _US:.6f} s to {now_us / _US:.6f} s; call reset() "
                "where a new drive begins"
            )
        far = self._now_us is not None and now_us - self._now_us > self._memory.memory_us
        self._far_apart = self._far_apart + 1 if far else 0
        self._now_us = now_us
        return now_us

    def _end_waiting(self, now_us: int) -> None:
        """Move what waited for its time, and need not any more, into its tracks."""
        due = sorted((key for key in self._waiting if key[1] <= now_us), key=lambda key: key[1])
        for key in due:
            self._remember(self._waiting.pop(key))

    def _remember(self, seen: _Seen) -> Floats | None:
        return self._memory.add(seen.agent_id, seen.kind, seen.time_us, seen.pose, seen.size_m, seen.velocity_world_mps)

    def _take_in(self, observations: list[Any], now_us: int, apart_s: float) -> list[str]:
        """Sort observations into their tracks; what is left out is reported."""
        notes: list[str] = []
        elsewhen_us: list[int] = []
        apart_m = 0.0
        for number, given in enumerate(observations):
            where = f"observation {number}"
            try:
                with reading(where):
                    seen, apart = _read(given, where)
            except SceneError as fault:
                self._memory.counts["faulty"] += 1
                notes.append(f"{fault}: left out")
                continue
            apart_m, apart_s = max(apart_m, apart[0]), max(apart_s, apart[1])
            where += f", of agent {shown(seen.agent_id)}"
            replaced = None
            if seen.time_us > now_us + _EARLY_S * _US:
                self._memory.counts["early"] += 1
                elsewhen_us.append(seen.time_us - now_us)
                notes.append(f"{where}: {(seen.time_us - now_us) / _US:.3f} s ahead of now: left out")
            elif seen.time_us < now_us - self._memory.memory_us:
                self._memory.counts["stale"] += 1
                elsewhen_us.append(seen.time_us - now_us)
                notes.append(f"{where}: {(now_us - seen.time_us) / _US:.3f} s old, too old to matter: left out")
            elif seen.time_us <= now_us:
                replaced = self._remember(seen)
            elif len(self._waiting) < _WAITING_A_TRACK * self._max_tracks or seen.key in self._waiting:
                replaced = self._waiting[seen.key].pose if seen.key in self._waiting else None
                self._waiting[seen.key] = seen
            else:
                self._memory.counts["early"] += 1
                notes.append(f"{where}: ahead of now, and {len(self._waiting)} others wait already: left out")
            if replaced is not None and np.hypot(*(seen.pose - replaced)[:2]) > SAME_PLACE_M:
                notes.append(
                    f"{where}: at ({seen.pose[0]:.1f}, {seen.pose[1]:.1f}) m, but also at ({replaced[0]:.1f}, "
                    f"{replaced[1]:.1f}) m at the same time; the last one given counts: do two agents have one id?"
                )
        notes += self._of_clocks(len(observations), elsewhen_us)
        return notes + list(coarse_notes(apart_m, apart_s))

    def _of_clocks(self, observations: int, elsewhen_us: list[int]) -> list[str]:
        """What is to be said where everything that came, or every update, lies far from now."""
        if observations and len(elsewhen_us) == observations:
            off_s = sorted(elsewhen_us)[observations // 2] / _US
            return [
                f"nothing that was observed lies near now: by the median, {abs(off_s):.3f} s "
                f"{'ahead of' if off_s > 0 else 'behind'} it; are both on one clock, and in seconds?"
            ]
        if observations and self._far_apart >= 2:
            reach_s = self._memory.memory_us / _US
            return [
                f"the last {self._far_apart + 1} updates lie more than {reach_s:.1f} s apart: nothing is known of "
                "before; are times in seconds?"
            ]
        return []

    def _scene(self, now_us: int, notes: list[str]) -> Scene:
        ids, types, size_m, row_agent, row_time_us, row_state = self._memory.columns(now_us)
        unknown = ~(size_m > 0).all(1)
        if unknown.any():
            size_m[unknown] = np.array([USUAL_SIZE_M[AgentType(kind)] for kind in types[unknown].tolist()])
        return Scene(
            time_s=now_us / _US,
            agent_ids=ids,
            agent_types=types,
            size_m=size_m,
            row_agent=row_agent,
            row_time_s=row_time_us / _US,
            row_pose_world=row_state[:, :3],
            map_name=self._map_name,
            row_velocity_world_mps=row_state[:, 3:],
            notes=tuple(notes),
        )


@dataclass(frozen=True)
class _Seen:
    """An observation that was read."""

    agent_id: Hashable
    kind: AgentType
    time_us: int
    pose: Floats
    size_m: Floats | None
    velocity_world_mps: Floats | None

    @property
    def key(self) -> tuple[Hashable, int]:
        return self.agent_id, self.time_us


def _read(given: Any, where: str) -> tuple[_Seen, tuple[float, float]]:
    """An observation; and how far apart the numbers of its position, and of its time, lie.

    Raises:
        SceneError: it is none, or something of it is not what it should be.
    """
    try:
        agent_id, agent_type, time, pose_world = given.agent_id, given.agent_type, given.time_s, given.pose_world
    except AttributeError as missing:
        raise SceneError(
            f"{where}: expected an Observation, found {type(given).__name__} {shown(given)} ({missing})"
        ) from None
    check_id(agent_id, f"{where}, of agent {shown(agent_id)}")
    where += f", of agent {shown(agent_id)}"
    kind = type_of(agent_type, where)
    read_s, apart_s = times(f"{where}: time_s", time)
    time_s = float(read_s) if read_s.shape == () else math.nan
    if not abs(time_s) < LATEST_S:
        raise SceneError(f"{where}: time_s is {shown(time)}; expected finite seconds{unit_guess(read_s)}")
    pose, apart_m = places(f"{where}: pose_world", pose_world)
    if pose.shape != (3,) or pose_faults(pose[None])[0]:
        raise SceneError(f"{where}: at {time_s} s, pose {shown(pose.tolist())}; expected finite x_m, y_m, heading_rad")
    size_m, velocity = (getattr(given, name, None) for name in ("size_m", "velocity_world_mps"))
    if size_m is not None:
        size_m = floats(f"{where}: size_m", size_m)
        if size_m.shape != (2,) or not (np.isfinite(size_m) & (size_m > 0)).all():
            raise SceneError(f"{where}: size_m {shown(size_m.tolist())}; expected two positive lengths in metres")
    if velocity is not None:
        velocity = floats(f"{where}: velocity_world_mps", velocity)
        if velocity.shape != (2,) or np.isinf(velocity).any():
            raise SceneError(f"{where}: velocity_world_mps {shown(velocity.tolist())}; expected two numbers, m/s")
    return _Seen(agent_id, kind, round(time_s * _US), pose, size_m, velocity), (apart_m, apart_s)
