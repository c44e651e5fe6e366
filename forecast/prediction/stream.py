"""Keeps a vehicle's tracks from one planning cycle to the next, and answers for now."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from forecast.core.agents import AgentType
from forecast.core.errors import ConfigError, SceneError
from forecast.prediction.answer import SceneForecast
from forecast.prediction.memory import TrackMemory
from forecast.prediction.scene import USUAL_SIZE_M, Floats, Scene, clock_reading, floats, pose_faults, type_of

if TYPE_CHECKING:
    from forecast.prediction.forecaster import Forecaster

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
        time_s: when it was seen, seconds, on the clock of the planning cycles.
        pose_world: (3,) x, y in metres and heading in radians of the box centre, world frame.
        size_m: (2,) length and width, or None: the last one given, else what is usual for the type.
    """

    agent_id: Hashable
    agent_type: AgentType | str
    time_s: float
    pose_world: ArrayLike
    size_m: ArrayLike | None = None


class Stream:
    """The tracks of one drive. Safe to call from several threads; cycles are then taken one after the other.

    - A **new** agent is forecast from its first observation on.
    - A **late** or **out-of-order** observation goes where its time belongs, back to as far as the memory reaches.
    - Of **repeated** ones (same agent, same time) the last counts.
    - An observation up to 1 s **ahead** of now waits until its time has come; one further ahead is left out.
    - A **faulty** one (not finite, unknown type, no place on a map, no positive size) is left out.
    - A **silent** agent moves on, and is forecast, as :class:`~forecast.prediction.resample.Silence` of the forecaster
      says; then it is ``unanswered``, and forgotten once its past cannot matter any more. Should it come back before,
      its past counts.

    What was left out is said in the answer's ``notes``, one line each; the others are forecast all the same.

    Args:
        forecaster: the model and its maps.
        map_name: where the vehicle drives, until an update says otherwise.
        max_tracks: no more are kept: the longest silent one makes room.
    """

    def __init__(self, forecaster: Forecaster, map_name: str | None = None, *, max_tracks: int = 10_000) -> None:
        if max_tracks < 1:
            raise ConfigError(f"max_tracks: expected at least 1, got {max_tracks}")
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
            self._waiting: dict[tuple[Hashable, int], tuple[AgentType, Floats, Floats | None]] = {}

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
        observations: Sequence[Observation],
        time_s: float,
        map_name: str | None = None,
        agents: Iterable[Hashable] | None = None,
    ) -> SceneForecast:
        """Take in what was observed since the last call, and forecast now.

        Args:
            observations: any order; none at all between two frames.
            time_s: now; not before the last call's.
            map_name: where the vehicle is; as before where left out.
            agents: whom to forecast; everyone by default.

        Raises:
            SceneError: time goes backwards or is not finite, the map is unknown, or ``agents`` names someone who is
                not kept. In the first two cases nothing of the call is taken in.
        """
        with self._lock:
            self._forecaster.maps.check(self._map_name if map_name is None else map_name)
            now_us = self._advance(time_s)
            if map_name is not None:
                self._map_name = map_name
            self._end_waiting(now_us)
            notes = self._take_in(observations, now_us)
            self._memory.forget(now_us)
            scene = self._scene(now_us)
        answer = self._forecaster.forecast(scene, agents)
        return replace(answer, notes=(*notes, *answer.notes))

    def _advance(self, time_s: float) -> int:
        now_us = round(clock_reading(time_s, "stream") * _US)
        if self._now_us is not None and now_us < self._now_us:
            raise SceneError(
                f"stream: time goes backwards, from {self._now_us / _US:.6f} s to {time_s:.6f} s; call reset() where a "
                "new drive begins"
            )
        self._now_us = now_us
        return now_us

    def _end_waiting(self, now_us: int) -> None:
        """Move what waited for its time, and need not any more, into its tracks."""
        due = sorted((key for key in self._waiting if key[1] <= now_us), key=lambda key: key[1])
        for agent_id, time_us in due:
            kind, pose, size_m = self._waiting.pop((agent_id, time_us))
            self._memory.add(agent_id, kind, time_us, pose, size_m)

    def _take_in(self, observations: Sequence[Observation], now_us: int) -> list[str]:
        """Sort observations into their tracks; what is left out is told."""
        notes: list[str] = []
        for number, seen in enumerate(observations):
            where = f"observation {number}, of agent {seen.agent_id!r}"
            try:
                kind, time_us, pose, size_m = _read(seen, where)
            except SceneError as fault:
                self._memory.counts["faulty"] += 1
                notes.append(f"{fault}: left out")
                continue
            if time_us > now_us + _EARLY_S * _US:
                self._memory.counts["early"] += 1
                notes.append(f"{where}: {(time_us - now_us) / _US:.3f} s ahead of now: left out")
            elif time_us < now_us - self._memory.memory_us:
                self._memory.counts["stale"] += 1
                notes.append(f"{where}: {(now_us - time_us) / _US:.3f} s old, too old to matter: left out")
            elif time_us <= now_us:
                self._memory.add(seen.agent_id, kind, time_us, pose, size_m)
            elif len(self._waiting) < _WAITING_A_TRACK * self._max_tracks or (seen.agent_id, time_us) in self._waiting:
                self._waiting[seen.agent_id, time_us] = kind, pose, size_m
            else:
                self._memory.counts["early"] += 1
                notes.append(f"{where}: ahead of now, and {len(self._waiting)} others wait already: left out")
        return notes

    def _scene(self, now_us: int) -> Scene:
        ids, types, size_m, row_agent, row_time_us, row_pose = self._memory.columns(now_us)
        unknown = ~(size_m > 0).all(1)
        if unknown.any():
            size_m[unknown] = np.array([USUAL_SIZE_M[AgentType(kind)] for kind in types[unknown].tolist()])
        return Scene(now_us / _US, ids, types, size_m, row_agent, row_time_us / _US, row_pose, self._map_name)


def _read(seen: Observation, where: str) -> tuple[AgentType, int, Floats, Floats | None]:
    """Type, time, pose and size of an observation.

    Raises:
        SceneError: one of them is not what it should be.
    """
    kind = type_of(seen.agent_type, where)
    try:
        hash(seen.agent_id)
    except TypeError:
        raise SceneError(f"{where}: agent_id: expected a string or a number") from None
    time_s = clock_reading(seen.time_s, where)
    pose = floats(f"{where}: pose_world", seen.pose_world)
    if pose.shape != (3,) or pose_faults(np.array([time_s]), pose[None])[0]:
        raise SceneError(f"{where}: at {time_s} s, pose {pose.tolist()}; expected finite x_m, y_m, heading_rad")
    if seen.size_m is None:
        return kind, round(time_s * _US), pose, None
    size_m = floats(f"{where}: size_m", seen.size_m)
    if size_m.shape != (2,) or not (np.isfinite(size_m) & (size_m > 0)).all():
        raise SceneError(f"{where}: size_m {size_m.tolist()}; expected two positive lengths in metres")
    return kind, round(time_s * _US), pose, size_m
