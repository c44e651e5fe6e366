"""What a driving stack knows of a scene: agents, when each was seen where, and on which map."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecast.core.agents import USUAL_SIZE_M, AgentType
from forecast.core.errors import SceneError, one_of
from forecast.core.units import COARSE_M, COARSE_S
from forecast.prediction.readings import (
    FARTHEST_M,
    LATEST_S,
    Floats,
    check_id,
    clock_reading,
    floats,
    items,
    mask_of,
    places,
    reading,
    shown,
    times,
    unit_guess,
)


@dataclass(frozen=True)
class AgentTrack:
    """One agent and its observations, for callers who hold agents one by one.

    Attributes:
        agent_id: unique in the scene.
        agent_type: an :class:`~forecast.core.agents.AgentType` or its name in lower case, e.g. ``"vehicle"``.
        time_s: (observations,) seconds, or times with a unit (:func:`~forecast.prediction.readings.times`); any order.
        pose_world: (observations, 3) x, y in metres and heading in radians, world frame; a heading may be NaN or None:
            unknown.
        size_m: length and width; by default what is usual for the type.
        velocity_world_mps: (observations, 2) m/s, world frame; NaN where unknown, None where all are.
    """

    agent_id: Hashable
    agent_type: AgentType | str
    time_s: ArrayLike
    pose_world: ArrayLike
    size_m: ArrayLike | None = None
    velocity_world_mps: ArrayLike | None = None


@dataclass(frozen=True)
class Scene:
    """All agents at one planning cycle, as columns. World frame, metres, radians, seconds, float64.

    Observations may come in any order and at any, also irregular, times. Of two of one agent at the same time the later
    row counts. Observations after ``time_s`` are never read. Times are rounded to microseconds: any clock whose
    numbers stay below 2e9 s will do. Times may also come with a unit of their own, as ``datetime64`` does
    (:func:`~forecast.prediction.readings.times`). What is masked is unknown.

    Attributes:
        time_s: now, the time 0 of the forecasts.
        agent_ids: (agents,) unique, hashable: tokens or numbers of a tracker.
        agent_types: (agents,) :class:`~forecast.core.agents.AgentType`.
        size_m: (agents, 2) length and width.
        row_agent: (rows,) index of each observation's agent.
        row_time_s: (rows,) when it was made.
        row_pose_world: (rows, 3) x, y, heading of the box centre; a heading may be NaN: unknown.
        map_name: one of the forecaster's maps; None where there is no map: crops are then blank.
        row_velocity_world_mps: (rows, 2) m/s, NaN where unknown; empty where all are. It counts where an agent's
            positions do not say yet how it moves.
        notes: remarks on how the scene was made, one line each; the forecast repeats them and may add more.

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
    row_velocity_world_mps: Floats = field(default_factory=lambda: np.empty((0, 2)))
    notes: tuple[str, ...] = ()
    _index: Mapping[Hashable, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._set("agent_ids", tuple(items("scene: agent_ids", self.agent_ids, "ids")))
        agents = len(self.agent_ids)
        for name, kind in (("agent_types", np.int64), ("row_agent", np.int64)):
            self._set(name, _integers(name, getattr(self, name), kind))
        rows = len(self.row_agent)
        self._set("agent_types", _shaped("agent_types", self.agent_types, (agents,)))
        self._set("row_agent", _shaped("row_agent", self.row_agent, (rows,)))
        self._set("size_m", _shaped("size_m", floats("size_m", self.size_m), (agents, 2)))
        time_s, apart_s = times("row_time_s", self.row_time_s)
        self._set("row_time_s", _shaped("row_time_s", time_s, (rows,)))
        pose, apart_m = places("row_pose_world", self.row_pose_world)
        self._set("row_pose_world", _shaped("row_pose_world", pose, (rows, 3)))
        self._set("row_velocity_world_mps", _velocities(self.row_velocity_world_mps, rows))
        self._set("notes", tuple(dict.fromkeys((*self.notes, *coarse_notes(apart_m, apart_s)))))
        try:
            self._set("_index", {agent_id: index for index, agent_id in enumerate(self.agent_ids)})
        except TypeError as problem:
            raise SceneError(f"scene: agent_ids: {problem}; expected strings or numbers") from None
        self._check()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check(self) -> None:
        time_s, apart_s = clock_reading(self.time_s, "scene")
        self._set("time_s", time_s)
        self._set("notes", tuple(dict.fromkeys((*self.notes, *coarse_notes(0.0, apart_s)))))
        for number, agent_id in enumerate(self.agent_ids):
            if type(agent_id) is not str and type(agent_id) is not int:
                check_id(agent_id, f"scene: agent {number}")
        if len(self._index) < len(self.agent_ids):
            twice = next(a for i, a in enumerate(self.agent_ids) if self._index[a] != i)
            raise SceneError(f"scene: agent {shown(twice)} is listed twice; ids must be unique")
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
                f"scene: agent {shown(self.agent_ids[agent])}: no type {self.agent_types[agent]}; use AgentType"
            )
        bad = ~(np.isfinite(self.size_m) & (self.size_m > 0)).all(1)
        if bad.any():
            agent = int(bad.argmax())
            raise SceneError(
                f"scene: agent {shown(self.agent_ids[agent])}: size_m {self.size_m[agent].tolist()}; expected two "
                "positive lengths in metres"
            )
        self._check_rows()

    def _check_rows(self) -> None:
        late = ~(np.abs(self.row_time_s) < LATEST_S)  # NaN is not less than anything
        if late.any():
            row, when = int(late.argmax()), self.row_time_s[late][0]
            raise SceneError(f"scene: {self._row(row)}: time_s is {when}; expected finite seconds{unit_guess(when)}")
        fault = pose_faults(self.row_pose_world)
        if fault.any():
            row = int(fault.argmax())
            raise SceneError(
                f"scene: {self._row(row)}, at {self.row_time_s[row]:.6g} s: pose {self.row_pose_world[row].tolist()}; "
                "expected finite x_m, y_m, heading_rad (NaN where the heading is unknown)"
            )
        endless = np.isinf(self.row_velocity_world_mps).any(1)
        if endless.any():
            row = int(endless.argmax())
            raise SceneError(
                f"scene: {self._row(row)}: velocity_world_mps {self.row_velocity_world_mps[row].tolist()}; expected "
                "finite x_mps, y_mps, or NaN where unknown"
            )

    def _row(self, row: int) -> str:
        return f"observation {row}, of agent {shown(self.agent_ids[self.row_agent[row]])}"

    def __len__(self) -> int:
        return len(self.agent_ids)

    def indices(self, agents: Iterable[Hashable]) -> NDArray[np.int64]:
        """Indices of agents by their ids, (n,) in the order given.

        Raises:
            SceneError: no agent has such an id.
        """
        try:
            return np.array([self._index[agent_id] for agent_id in items("agents", agents, "ids")], np.int64)
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
        agents = items("scene: agents", agents, "AgentTrack")
        tracks = []
        for number, agent in enumerate(agents):
            with reading(f"scene: agent {number}"):
                tracks.append(_track(agent, f"scene: agent {number}"))
        return cls(
            time_s=time_s,
            agent_ids=tuple(track.agent_id for track in tracks),
            agent_types=np.array([track.kind for track in tracks], np.int64),
            size_m=np.array([track.size_m for track in tracks]).reshape(-1, 2),
            row_agent=np.repeat(np.arange(len(tracks)), [len(track.time_s) for track in tracks]),
            row_time_s=np.concatenate([track.time_s for track in tracks]) if tracks else np.empty(0),
            row_pose_world=np.concatenate([track.pose for track in tracks]) if tracks else np.empty((0, 3)),
            map_name=map_name,
            row_velocity_world_mps=np.concatenate([t.velocity for t in tracks]) if tracks else np.empty((0, 2)),
            notes=coarse_notes(
                max((track.apart_m for track in tracks), default=0.0),
                max((track.apart_s for track in tracks), default=0.0),
            ),
        )


class _Track(NamedTuple):
    """A track that was read."""

    agent_id: Hashable
    kind: AgentType
    size_m: Floats
    time_s: Floats
    pose: Floats
    velocity: Floats
    apart_m: float
    apart_s: float


def _track(agent: Any, where: str) -> _Track:
    for name in ("agent_id", "agent_type", "time_s", "pose_world"):
        if not hasattr(agent, name):
            raise SceneError(f"{where}: expected an AgentTrack, found {type(agent).__name__}: it has no {name}")
    agent_id = agent.agent_id
    check_id(agent_id, where)
    who = f"agent {shown(agent_id)}"
    kind = type_of(agent.agent_type, who)
    size_m = getattr(agent, "size_m", None)
    size_m = floats(f"{who}: size_m", USUAL_SIZE_M[kind] if size_m is None else size_m)
    time_s, apart_s = times(f"{who}: time_s", agent.time_s)
    time_s = np.atleast_1d(time_s)
    pose, apart_m = places(f"{who}: pose_world", agent.pose_world)
    return _Track(
        agent_id,
        kind,
        _shaped(f"{who}: size_m", size_m, (2,)),
        time_s,
        _shaped(f"{who}: pose_world", np.atleast_2d(pose), (len(time_s), 3)),
        _velocities(getattr(agent, "velocity_world_mps", None), len(time_s), f"{who}: velocity"),
        apart_m,
        apart_s,
    )


def coarse_notes(apart_m: float, apart_s: float) -> tuple[str, ...]:
    """What is to be said of numbers of less than 64 bits, by how far apart they lie where they are used."""
    notes = []
    if apart_m > COARSE_M:
        notes.append(
            f"positions came with less than 64 bits: so far from the origin they lie {apart_m:.2g} m apart, and speeds "
            "jump; give float64, or coordinates around an origin nearby"
        )
    if apart_s > COARSE_S:
        notes.append(f"times came with less than 64 bits: such numbers lie {apart_s:.2g} s apart; give float64")
    return tuple(notes)


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
        raise SceneError(f"{whose}: no type {shown(given)}; use AgentType or one of {', '.join(names)}")
    return AgentType(given)


def pose_faults(pose_world: Floats) -> NDArray[np.bool_]:
    """(rows,) which poses no forecast can be made from: at no place on a map, or of an infinite heading."""
    # NaN is not less than anything; a heading that is NaN is unknown.
    sound: NDArray[np.bool_] = (np.abs(pose_world[:, :2]) < FARTHEST_M).all(1) & ~np.isinf(pose_world[:, 2])
    return ~sound


def _velocities(given: Any, rows: int, name: str = "scene: row_velocity_world_mps") -> Floats:
    """(rows, 2), NaN where unknown."""
    read = np.empty((0, 2)) if given is None else floats(name, given)
    # None known is none known of however many: rows may be replaced.
    if not read.size or np.isnan(read).all():
        return np.full((rows, 2), np.nan)
    return _shaped(name, np.atleast_2d(read), (rows, 2))


def _integers(name: str, given: Any, kind: type[np.int64]) -> NDArray[np.int64]:
    if isinstance(given, np.ma.MaskedArray) and mask_of(given).any():
        raise SceneError(f"scene: {name}: entry {int(mask_of(given).argmax())} is masked; expected integers")
    array = np.asarray(given)
    if array.size and array.dtype.kind not in "iu":
        raise SceneError(f"scene: {name}: expected integers, found {array.dtype}")
    integers: NDArray[np.int64] = np.atleast_1d(array).astype(kind, copy=False)
    return integers


def _shaped(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if array.shape == shape or (array.size == 0 and 0 in shape):
        return array.reshape(shape)
    raise SceneError(f"{_whose(name)}: expected shape {shape}, found {array.shape}")


def _whose(name: str) -> str:
    return name if name.startswith("scene: ") else f"scene: {name}"
