"""Recent observations of many tracks in a few arrays, of bounded size whatever comes in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.horizon import Horizon
from forecast.prediction.resample import memory_s

#: In steps of the model: of three observations closer together than this the middle one is dropped.
_THIN = 0.1
_US = 1e6
_FIRST_ROWS, _STATE = 16, 5

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class TrackMemory:
    """Observations of each track over the time in which they can matter to a forecast, sorted by time.

    Args:
        horizon: of the model.
        max_tracks: no more are kept; the longest silent one makes room for a new one.
    """

    def __init__(self, horizon: Horizon, max_tracks: int) -> None:
        self.memory_us = round(memory_s(horizon) * _US)
        self.counts: Counter[str] = Counter()
        self._max_tracks = max_tracks
        self._thin_us = round(_THIN * horizon.step_s * _US)
        # Two rows in each such interval, and some more.
        self._max_rows = 2 * math.ceil(self.memory_us / self._thin_us) + 4
        self._slot: dict[Hashable, int] = {}
        self._rows = np.zeros(0, np.int64)
        self._types = np.zeros(0, np.int64)
        self._size_m = np.zeros((0, 2))
        self._time_us = np.zeros((0, _FIRST_ROWS), np.int64)
        #: x, y, heading, and the two components of the velocity.
        self._state = np.zeros((0, _FIRST_ROWS, _STATE))

    def __len__(self) -> int:
        return len(self._slot)

    @property
    def nbytes(self) -> int:
        """Of all arrays."""
        return sum(a.nbytes for a in (self._rows, self._types, self._size_m, self._time_us, self._state))

    def add(
        self,
        agent_id: Hashable,
        kind: AgentType,
        time_us: int,
        pose: Floats,
        size_m: Floats | None,
        velocity_world_mps: Floats | None = None,
    ) -> Floats | None:
        """Take in one observation, wherever in its track's time it belongs; one of equal time replaces the older.

        Args:
            agent_id, kind, size_m: of the agent; the newest type and size count.
            time_us: when.
            pose: (3,) x, y, heading; a heading of NaN is unknown.
            velocity_world_mps: (2,), or None.

        Returns:
            The pose that was replaced, if one was.
        """
        state = np.full(_STATE, np.nan)
        state[:3] = pose
        if velocity_world_mps is not None:
            state[3:] = velocity_world_mps
        slot = self._slot.get(agent_id)
        if slot is None:
            slot = self._new(agent_id)
            self._size_m[slot] = (0.0, 0.0)
        rows = int(self._rows[slot])
        times = self._time_us[slot]
        if not rows or time_us >= times[rows - 1]:
            self._types[slot] = kind
            if size_m is not None:
                self._size_m[slot] = size_m
        if rows and time_us <= times[rows - 1]:
            at = int(np.searchsorted(times[:rows], time_us))
            if times[at] == time_us:
                self.counts["repeated"] += 1
                replaced = self._state[slot, at, :3].copy()
                self._state[slot, at] = state
                return replaced
            self.counts["late"] += 1
        elif rows > 1 and time_us - times[rows - 2] < self._thin_us:
            at = rows = rows - 1
        else:
            at = rows
        if rows == self._time_us.shape[1]:
            at, rows = self._make_room(slot, at, time_us)
        if at < rows:
            self._time_us[slot, at + 1 : rows + 1] = self._time_us[slot, at:rows].copy()
            self._state[slot, at + 1 : rows + 1] = self._state[slot, at:rows].copy()
        self._time_us[slot, at], self._state[slot, at] = time_us, state
        self._rows[slot] = rows + 1
        return None

    def _make_room(self, slot: int, at: int, time_us: int) -> tuple[int, int]:
        """Drop what is too old of a full track, else widen all tracks, else drop the oldest: where to put, how many."""
        times, rows = self._time_us[slot], int(self._rows[slot])
        newest = max(int(times[rows - 1]), time_us)
        old = int(np.searchsorted(times[:rows], newest - self.memory_us))
        if not old and rows < self._max_rows:
            wider = min(2 * rows, self._max_rows) - rows
            self._time_us = np.pad(self._time_us, ((0, 0), (0, wider)))
            self._state = np.pad(self._state, ((0, 0), (0, wider), (0, 0)))
            return at, rows
        old = max(old, 1)
        self._time_us[slot, : rows - old] = times[old:rows].copy()
        self._state[slot, : rows - old] = self._state[slot, old:rows].copy()
        self._rows[slot] = rows - old
        return max(at - old, 0), rows - old

    def _new(self, agent_id: Hashable) -> int:
        self.counts["new"] += 1
        if len(self._slot) >= self._max_tracks:
            longest_silent = min(self._slot, key=lambda known: self._newest_us(self._slot[known]))
            self._drop([longest_silent], "evicted")
        slot = len(self._slot)
        if slot == len(self._rows):
            more = max(16, slot)
            self._rows, self._types = (np.pad(a, (0, more)) for a in (self._rows, self._types))
            self._size_m = np.pad(self._size_m, ((0, more), (0, 0)))
            self._time_us = np.pad(self._time_us, ((0, more), (0, 0)))
            self._state = np.pad(self._state, ((0, more), (0, 0), (0, 0)))
        self._slot[agent_id] = slot
        self._rows[slot] = 0
        return slot

    def _newest_us(self, slot: int) -> int:
        return int(self._time_us[slot, self._rows[slot] - 1])

    def forget(self, now_us: int) -> None:
        """Drop tracks that have been silent for longer than anything matters."""
        used = len(self._slot)
        if not used:
            return
        newest = self._time_us[np.arange(used), self._rows[:used] - 1]
        gone = newest < now_us - self.memory_us
        if gone.any():
            self._drop([known for known, slot in self._slot.items() if gone[slot]], "lost")

    def _drop(self, ids: list[Hashable], why: str) -> None:
        """Slots stay packed: those left move up, in order."""
        self.counts[why] += len(ids)
        dropped = set(ids)
        kept = [known for known in self._slot if known not in dropped]
        slots = np.array([self._slot[known] for known in kept], np.int64)
        for array in (self._rows, self._types, self._size_m, self._time_us, self._state):
            array[: len(slots)] = array[slots]
        self._slot = {known: number for number, known in enumerate(kept)}

    def columns(self, now_us: int) -> tuple[tuple[Hashable, ...], Integers, Floats, Integers, Integers, Floats]:
        """All that matters at a time: ids, types, sizes; and of each row its agent, time and state, sorted.

        A state is x, y, heading and the two components of the velocity, NaN where unknown: (rows, 5).
        """
        used = len(self._slot)
        place = np.arange(self._time_us.shape[1])
        times = self._time_us[:used]
        held = (place < self._rows[:used, None]) & (times >= now_us - self.memory_us) & (times <= now_us)
        agent, _ = np.nonzero(held)
        types = self._types[:used].copy()
        return tuple(self._slot), types, self._size_m[:used].copy(), agent, times[held], self._state[:used][held]
