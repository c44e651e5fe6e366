"""What a driving stack knows of a scene: agents, when each was seen where, and on which map."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecast.core.agents import AgentType
from forecast.core.errors import SceneError, one_of

Floats = NDArray[np.float64]

#: Length and width where nobody measured them, metres. Present models do not read sizes.
USUAL_SIZE_M = {
    AgentType.VEHICLE: (4.6, 1.9),
    AgentType.PEDESTRIAN: (0.7, 0.7),
    AgentType.CYCLIST: (1.8, 0.6),
    AgentType.OTHER: (0.5, 0.5),
}
#: Coordinates beyond this are no place on a planar map; the Earth's circumference is 4e7 m.
_FARTHEST_M = 1e8
#: Nor is a number beyond this a reading of a clock, in seconds; microseconds still fit 64 bits.
LATEST_S = 1e11


@dataclass(frozen=True)
class AgentTrack:
    """One agent and its observations, for callers who hold agents one by one.

    Attributes:
        agent_id: unique in the scene.
        agent_type: an :class:`~forecast.core.agents.AgentType` or its name in lower case, e.g. ``"vehicle"``.
        time_s: (observations,) seconds, any order.
        pose_world: (observations, 3) x, y in metres and heading in radians, world frame.
        size_m: length and width; by default what is usual for the type.
    """

    agent_id: Hashable
    agent_type: AgentType | str
    time_s: ArrayLike
    pose_world: ArrayLike
    size_m: ArrayLike | None = None


@dataclass(frozen=True)
class Scene:
    """All agents at one planning cycle, as columns. World frame, metres, radians, seconds, float64.

    Observations may come in any order and at any, also irregular, times. Of two of one agent at the same time the later
    row counts. Observations after ``time_s`` are never read. Times are rounded to microseconds: any clock whose
    numbers stay below 2e9 s will do.

    Attributes:
        time_s: now, the time 0 of the forecasts.
        agent_ids: (agents,) unique, hashable: tokens or numbers of a tracker.
        agent_types: (agents,) :class:`~forecast.core.agents.AgentType`.
        size_m: (agents, 2) length and width.
        row_agent: (rows,) index of each observation's agent.
        row_time_s: (rows,) when it was made.
        row_pose_world: (rows, 3) x, y, heading of the box centre.
        map_name: one of the forecaster's maps; None where there is no map: crops are then blank.

    Raises:
        SceneError: one line naming agent and entry: shapes that do not fit, numbers that are not finite, unknown types,
            repeated ids.
    """

    time_s: float
    agent_ids: Sequence[Hashable]
    agent_types: NDArray[np.int64]
    size_m: Floats
    row_agent: NDArray[np.int64]
    row_time_s: Floats
    row_pose_world: Floats
    map_name: str | None = None
    _index: Mapping[Hashable, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._set("agent_ids", tuple(self.agent_ids))
        agents = len(self.agent_ids)
        for name, kind in (("agent_types", np.int64), ("row_agent", np.int64)):
            self._set(name, _integers(name, getattr(self, name), kind))
        rows = len(self.row_agent)
        self._set("agent_types", _shaped("agent_types", self.agent_types, (agents,)))
        self._set("row_agent", _shaped("row_agent", self.row_agent, (rows,)))
        for name, shape in {"size_m": (agents, 2), "row_time_s": (rows,), "row_pose_world": (rows, 3)}.items():
            self._set(name, _shaped(name, floats(name, getattr(self, name)), shape))
        try:
            self._set("_index", {agent_id: index for index, agent_id in enumerate(self.agent_ids)})
        except TypeError as problem:
            raise SceneError(f"scene: agent_ids: {problem}; expected strings or numbers") from None
        self._check()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check(self) -> None:
        self._set("time_s", clock_reading(self.time_s, "scene"))
        if len(self._index) < len(self.agent_ids):
            twice = next(a for i, a in enumerate(self.agent_ids) if self._index[a] != i)
            raise SceneError(f"scene: agent {twice!r} is listed twice; ids must be unique")
        wrong = (self.row_agent < 0) | (self.row_agent >= len(self.agent_ids))
        if wrong.any():
            row = int(wrong.argmax())
            raise SceneError(
                f"scene: observation {row} is of agent number {self.row_agent[row]}; there are {len(self.agent_ids)}"
            )
        unknown = (self.agent_types < 0) | (self.agent_types > max(AgentType))
        if unknown.any():
            agent = int(unknown.argmax())
            raise SceneError(
                f"scene: agent {self.agent_ids[agent]!r}: no type {self.agent_types[agent]}; use AgentType"
            )
        bad = ~(np.isfinite(self.size_m) & (self.size_m > 0)).all(1)
        if bad.any():
            agent = int(bad.argmax())
            raise SceneError(
                f"scene: agent {self.agent_ids[agent]!r}: size_m {self.size_m[agent].tolist()}; expected two positive "
                "lengths in metres"
            )
        fault = pose_faults(self.row_time_s, self.row_pose_world)
        if fault.any():
            row = int(fault.argmax())
            raise SceneError(
                f"scene: observation {row}, of agent {self.agent_ids[self.row_agent[row]]!r}, at "
                f"{self.row_time_s[row]:.6g} s: pose {self.row_pose_world[row].tolist()}; expected finite "
                "x_m, y_m, heading_rad"
            )

    def __len__(self) -> int:
        return len(self.agent_ids)

    def indices(self, agents: Iterable[Hashable]) -> NDArray[np.int64]:
        """Indices of agents by their ids.

        Raises:
            SceneError: no agent has such an id.
        """
        try:
            return np.array([self._index[agent_id] for agent_id in agents], np.int64)
        except (KeyError, TypeError) as unknown:
            raise SceneError(f"scene: no agent {unknown}; there are {len(self)}") from None

    @classmethod
    def of(cls, time_s: float, agents: Sequence[AgentTrack], map_name: str | None = None) -> Scene:
        """Make a scene of agents that are given one by one.

        Args:
            time_s: now.
            agents: in the order in which they will be answered.
            map_name: one of the forecaster's maps, or None.

        Raises:
            SceneError: as above.
        """
        types = [type_of(agent.agent_type, f"agent {agent.agent_id!r}") for agent in agents]
        sizes = [USUAL_SIZE_M[t] if a.size_m is None else a.size_m for t, a in zip(types, agents, strict=True)]
        times = [np.atleast_1d(floats(f"agent {agent.agent_id!r}: time_s", agent.time_s)) for agent in agents]
        poses = []
        for agent, time in zip(agents, times, strict=True):
            name = f"agent {agent.agent_id!r}: pose_world"
            poses.append(_shaped(name, np.atleast_2d(floats(name, agent.pose_world)), (len(time), 3)))
        return cls(
            time_s=time_s,
            agent_ids=tuple(agent.agent_id for agent in agents),
            agent_types=np.array(types, np.int64),
            size_m=floats("size_m", sizes),
            row_agent=np.repeat(np.arange(len(agents)), [len(time) for time in times]),
            row_time_s=np.concatenate(times) if times else np.empty(0),
            row_pose_world=np.concatenate(poses) if poses else np.empty((0, 3)),
            map_name=map_name,
        )


def type_of(given: AgentType | str | int, whose: str) -> AgentType:
    """Read an agent type.

    Raises:
        SceneError: there is no such type.
    """
    names = {kind.name.lower(): kind for kind in AgentType if kind != AgentType.PADDING}
    if isinstance(given, str):
        if given.lower() not in names:
            raise SceneError(f"{whose}: no type {given!r}: {one_of(names, given)}")
        return names[given.lower()]
    if not isinstance(given, (int, np.integer)) or int(given) not in [int(kind) for kind in names.values()]:
        raise SceneError(f"{whose}: no type {given!r}; use AgentType or one of {', '.join(names)}")
    return AgentType(given)


def pose_faults(time_s: Floats, pose_world: Floats) -> NDArray[np.bool_]:
    """(rows,) which observations no forecast can be made from: not finite, or at no place on a map."""
    there = (np.abs(pose_world[:, :2]) < _FARTHEST_M).all(1)
    # NaN is not less than anything.
    sound: NDArray[np.bool_] = (np.abs(time_s) < LATEST_S) & np.isfinite(pose_world).all(1) & there
    return ~sound


def clock_reading(time_s: Any, whose: str) -> float:
    """Read a time.

    Raises:
        SceneError: it is none.
    """
    read = floats(f"{whose}: time_s", time_s)
    if read.shape != () or not abs(read) < LATEST_S:
        raise SceneError(f"{whose}: time_s is {time_s}; expected finite seconds")
    return float(read)


def floats(name: str, given: Any) -> Floats:
    """Read an array of float64.

    Raises:
        SceneError: it holds something else than numbers, or is ragged.
    """
    try:
        return np.asarray(given, np.float64, order="C")
    except (TypeError, ValueError) as problem:
        raise SceneError(f"{name}: expected numbers ({problem})") from None


def _integers(name: str, given: Any, kind: type[np.int64]) -> NDArray[np.int64]:
    array = np.asarray(given)
    if array.size and array.dtype.kind not in "iu":
        raise SceneError(f"scene: {name}: expected integers, found {array.dtype}")
    return array.astype(kind, copy=False)


def _shaped(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if array.shape == shape or (array.size == 0 and 0 in shape):
        return array.reshape(shape)
    raise SceneError(f"scene: {name}: expected shape {shape}, found {array.shape}")
