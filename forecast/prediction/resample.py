"""Brings observations at any times onto the steps that a model was trained on; looks at nothing after now.

The steps are shared by the whole scene. Step 0 is now. Each earlier step is the time at which anybody was observed
nearest to one ``step_s`` before the last one, if that is within a quarter of a step (key frames at 0.4 to 0.6 s are
taken as they are, and of a stream at 10 Hz every fifth frame); else it is exactly one ``step_s`` back. An agent's pose
at a step is its observation there; or interpolated between the two around it, where these are at most 1½ steps apart;
or extrapolated from the last one before it, up to a quarter of a step, and from its very last one up to ``hold_s``.
Else the step is missing, as in the data the model learnt from.

One step is made up: of an agent that is known now and at no step from which its velocity could be taken, but whose
velocity was given, or can be taken from observations between two steps. It is the one before now, where the agent must
have been at that velocity: a model then sees that it moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import ConfigError
from forecast.core.frames import wrap_angle
from forecast.core.horizon import Horizon
from forecast.data.backward_motion import MAX_GAP_S

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: In steps: how far a frame may lie from where a step is due, and how far apart two observations may be to be joined.
_SNAP, _BRIDGE = 0.25, 1.5
#: An agent silent for longer is not extrapolated, whatever the settings.
LONGEST_HOLD_S = 3.0
#: In steps: the time over which a velocity is taken, where observations reach so far back; in seconds: over less than
#: this, none is (an error of 0.1 m is one of 1.3 m/s), nor over less than that a yaw rate.
_RATE_OVER, _LEAST_S, _LEAST_TURN_S = 0.75, 0.075, 0.25
_US = 1e6
#: Stands for the time of an observation that there is not.
NEVER_US = int(np.iinfo(np.int64).min // 2)

Extrapolation = Literal["constant_turn", "constant_velocity", "stand_still"]


@dataclass(frozen=True)
class Silence:
    """What is done about agents that were not observed now.

    Attributes:
        hold_s: an agent that has been silent for longer is not forecast.
        motion: how a silent agent moves on until now: at its last velocity and yaw rate (taken over about one step), at
            its last velocity, or not at all.
        shown_s: others see it as their neighbour if its last observation is at most this older than the newest one of
            the whole scene. The default is less than the distance of two key frames: who is missing in the newest
            frame is nobody's neighbour, as in the data the model learnt from. Raise it up to ``hold_s`` where sensors
            see each agent at a time of its own.
    """

    hold_s: float = 1.0
    motion: Extrapolation = "constant_turn"
    shown_s: float = 0.25

    def __post_init__(self) -> None:
        for name in ("hold_s", "shown_s"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ConfigError(f"silence.{name}: expected seconds, 0 or more, got {getattr(self, name)}")
        if self.hold_s > LONGEST_HOLD_S:
            raise ConfigError(
                f"silence.hold_s: at most {LONGEST_HOLD_S} s, got {self.hold_s}; nothing is known by then"
            )
        if self.motion not in ("constant_turn", "constant_velocity", "stand_still"):
            raise ConfigError(
                f"silence.motion: expected constant_turn, constant_velocity or stand_still, got {self.motion!r}"
            )


@dataclass(frozen=True)
class Observed:
    """Observations sorted by agent, then time; none after now, none twice.

    Attributes:
        first: (agents + 1,) rows of agent ``i`` are ``first[i]:first[i + 1]``.
        time_us: (rows,) int64 relative to now, at most 0.
        pose_world: (rows, 3).
        velocity_world_mps: (rows, 2) as given, NaN where unknown.
        clashes: (m, 6) agent, time_us, x and y that were left out, x and y that count instead, of equal times.
    """

    first: Integers
    time_us: Integers
    pose_world: Floats
    velocity_world_mps: Floats
    clashes: Floats

    @property
    def row_agent(self) -> Integers:
        """(rows,) index of each observation's agent."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    @property
    def last_us(self) -> Integers:
        """(agents,) time of each agent's last observation; far in the past where it has none."""
        seen = self.first[1:] > self.first[:-1]
        last = np.full(len(seen), NEVER_US)
        last[seen] = self.time_us[self.first[1:][seen] - 1]
        return last


@dataclass(frozen=True)
class Resampled:
    """Poses of all agents at the scene's steps.

    Attributes:
        step_us: (steps,) int64 times relative to now, oldest first; the last one is 0.
        pose_world: (agents, steps, 3); meaningless where not valid.
        valid: (agents, steps).
    """

    step_us: Integers
    pose_world: Floats
    valid: NDArray[np.bool_]


def steps_needed(horizon: Horizon) -> int:
    """Steps before now that can enter an input: the history, and what its oldest acceleration is taken from."""
    return horizon.history_steps + 2 * math.ceil(MAX_GAP_S / ((1 - _SNAP) * horizon.step_s))


def memory_s(horizon: Horizon) -> float:
    """How far back an observation can still matter, seconds."""
    return (steps_needed(horizon) + _BRIDGE) * (1 + _SNAP) * horizon.step_s


def observed(
    row_agent: Integers,
    row_time_s: Floats,
    row_pose_world: Floats,
    agents: int,
    now_s: float,
    horizon: Horizon,
    row_velocity_world_mps: Floats | None = None,
) -> Observed:
    """Sort observations; drop those after now, those too old to matter, and all but the last row of equal times.

    Args:
        row_agent, row_time_s, row_pose_world: (rows,), (rows,), (rows, 3) in any order.
        agents: how many there are.
        now_s: time 0.
        horizon: of the model.
        row_velocity_world_mps: (rows, 2), NaN where unknown; None where all are.
    """
    time_us = np.rint(row_time_s * _US).astype(np.int64) - round(now_s * _US)
    velocity = np.full((len(time_us), 2), np.nan) if row_velocity_world_mps is None else row_velocity_world_mps
    columns = row_agent, time_us, row_pose_world, velocity
    clashes = np.empty((0, 6))
    known = (time_us <= 0) & (time_us >= -round(memory_s(horizon) * _US))
    if not known.all():
        columns = _rows(columns, known)
    if len(columns[0]) > 1:
        row_agent, time_us, _, _ = columns
        sorted_already = (np.diff(row_agent) > 0) | ((np.diff(row_agent) == 0) & (np.diff(time_us) > 0))
        if not sorted_already.all():
            # Stable: among equals the later row comes last.
            columns = _rows(columns, np.lexsort((time_us, row_agent)))
            row_agent, time_us, pose, _ = columns
            last = np.append((np.diff(row_agent) > 0) | (np.diff(time_us) > 0), True)
            out = np.flatnonzero(~last)
            clashes = np.column_stack([row_agent[out], time_us[out], pose[out, :2], pose[out + 1, :2]]).astype(
                np.float64
            )
            columns = _rows(columns, last)
    first = np.searchsorted(columns[0], np.arange(agents + 1))
    return Observed(first, *columns[1:], clashes)


_Rows = tuple[Integers, Integers, Floats, Floats]


def _rows(columns: _Rows, which: NDArray[Any]) -> _Rows:
    agent, time_us, pose, velocity = columns
    return agent[which], time_us[which], pose[which], velocity[which]


def scene_steps(time_us: Integers, horizon: Horizon) -> Integers:
    """Times of the scene's steps, oldest first, relative to now; see the top of this module.

    Args:
        time_us: (rows,) of all observations, relative to now.
        horizon: of the model.
    """
    frames = np.unique(time_us)
    step_us = round(horizon.step_s * _US)
    snap_us = round(_SNAP * horizon.step_s * _US)
    steps = [0]
    for _ in range(steps_needed(horizon)):
        due = steps[-1] - step_us
        at = int(np.searchsorted(frames, due))
        near = min((int(frame) for frame in frames[max(at - 1, 0) : at + 1]), key=lambda f: abs(f - due), default=due)
        steps.append(near if abs(near - due) <= snap_us else due)
    return np.array(steps[::-1], np.int64)


def resample(seen: Observed, horizon: Horizon, silence: Silence) -> Resampled:
    """Give every agent's pose at every step at which it is known.

    Args:
        seen: what was observed.
        horizon: of the model.
        silence: how silent agents move on, and for how long.
    """
    steps = scene_steps(seen.time_us, horizon)
    agents = len(seen.first) - 1
    if not len(seen.time_us):
        return Resampled(steps, np.zeros((agents, len(steps), 3)), np.zeros((agents, len(steps)), np.bool_))
    before = _last_row_by(seen, np.broadcast_to(steps, (agents, len(steps))), np.arange(agents)[:, None])
    known = before >= seen.first[:-1, None]
    trailing = before + 1 >= seen.first[1:, None]
    before = np.where(known, before, 0)
    after = np.where(known & ~trailing, before + 1, before)
    since_us = steps - seen.time_us[before]
    between_us = seen.time_us[after] - seen.time_us[before]
    joined = known & ~trailing & (between_us <= round(_BRIDGE * horizon.step_s * _US))
    snap_us, hold_us = (round(value * _US) for value in (_SNAP * horizon.step_s, silence.hold_s))
    carried = known & ~joined & (since_us > 0)
    carried &= np.where(trailing, since_us <= hold_us, since_us <= snap_us)
    valid = joined | carried | (known & (since_us == 0))

    pose = seen.pose_world[before]
    part = np.where(joined & (since_us > 0), since_us / np.maximum(between_us, 1), 0.0)
    if part.any():
        gained = seen.pose_world[after] - pose
        gained[..., 2] = wrap_angle(gained[..., 2])
        pose += part[..., None] * gained
    if carried.any():
        pose[carried] = _carried_on(seen, before[carried], since_us[carried], horizon, silence.motion)
    _make_up(seen, horizon, steps, pose, valid)
    return Resampled(steps, pose, valid)


def _make_up(seen: Observed, horizon: Horizon, steps: Integers, pose: Floats, valid: NDArray[np.bool_]) -> None:
    """Fill the step before now of agents that have none to take a velocity from, where their velocity is known."""
    lacking = np.flatnonzero(~has_velocity(steps, valid) & valid[:, -1])
    if not len(lacking):
        return
    row = seen.first[1:][lacking] - 1
    moving = rates(seen, row, horizon)
    moving.rate[:, 2] = np.where(moving.elapsed_s >= _LEAST_TURN_S, moving.rate[:, 2], 0.0)
    before = _moved_on(seen.pose_world[row], moving, steps[-2] - seen.time_us[row])
    pose[lacking[moving.known], -2] = before[moving.known]
    valid[lacking[moving.known], -2] = True


def has_velocity(step_us: Integers, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(agents,) who was known at a step near enough before the last one for a velocity."""
    near = step_us[:-1] >= -round(MAX_GAP_S * _US)
    found: NDArray[np.bool_] = valid[:, :-1][:, near].any(1)
    return found


def _last_row_by(seen: Observed, time_us: Integers, agent: Integers) -> Integers:
    """Last row at or before some times, of the given agents or (where there is none) of those before them."""
    oldest = int(min(seen.time_us.min(), time_us.min()))
    span = 1 - oldest
    counts = np.diff(seen.first)
    key = np.repeat(np.arange(len(counts)) * span, counts) + (seen.time_us - oldest)
    return np.searchsorted(key, agent * span + (time_us - oldest), side="right") - 1


@dataclass(frozen=True)
class Rates:
    """How agents moved at observations.

    Attributes:
        rate: (n, 3) m/s, m/s, rad/s; 0 where not known.
        elapsed_s: (n,) the time over which they were taken, until the observation; 0 where the velocity was given.
        known: (n,).
    """

    rate: Floats
    elapsed_s: Floats
    known: NDArray[np.bool_]


def rates(seen: Observed, row: Integers, horizon: Horizon, *, given: bool = True) -> Rates:
    """Velocity and yaw rate at observations, over about one step before. Looks back from each, never ahead.

    Args:
        seen: what was observed.
        row: (n,) at which observations.
        horizon: of the model.
        given: whether a velocity that was given counts, where positions do not reach far enough back.
    """
    agent = np.searchsorted(seen.first, row, side="right") - 1
    over_us = round(_RATE_OVER * horizon.step_s * _US)
    # The newest observation far enough back; else the oldest of all. Too long ago, it says nothing; the next one may.
    earlier = _last_row_by(seen, seen.time_us[row] - over_us, agent)
    earlier = np.maximum(earlier, seen.first[agent])
    too_long = seen.time_us[row] - seen.time_us[earlier] > round(MAX_GAP_S * _US)
    earlier = np.minimum(earlier + too_long, row)
    elapsed_us = seen.time_us[row] - seen.time_us[earlier]
    known = (elapsed_us >= round(_LEAST_S * _US)) & (elapsed_us <= round(MAX_GAP_S * _US))
    elapsed_s = np.where(known, elapsed_us / _US, 0.0)
    moved = seen.pose_world[row] - seen.pose_world[earlier]
    moved[:, 2] = wrap_angle(moved[:, 2])
    rate = np.where(known[:, None], moved / np.where(known, elapsed_s, 1.0)[:, None], 0.0)
    if given:
        velocity = seen.velocity_world_mps[row]
        counts = np.isfinite(velocity).all(1) & ~(known & (elapsed_us >= over_us))
        if counts.any():
            rate[counts, :2] = velocity[counts]
            rate[counts & ~known, 2] = 0.0
            elapsed_s, known = np.where(counts, 0.0, elapsed_s), known | counts
    return Rates(rate, elapsed_s, known)


def _carried_on(seen: Observed, row: Integers, since_us: Integers, horizon: Horizon, motion: Extrapolation) -> Floats:
    """Poses some time after observations: (n, 3). Looks back from each observation, never ahead."""
    pose = seen.pose_world[row]
    if motion == "stand_still":
        return pose
    moving = rates(seen, row, horizon)
    if motion == "constant_velocity":
        moving.rate[:, 2] = 0.0
    return _moved_on(pose, moving, since_us)


def _moved_on(pose: Floats, moving: Rates, since_us: Integers) -> Floats:
    """Poses some time after (or, where negative, before) others: (n, 3)."""
    rate, elapsed_s = moving.rate, moving.elapsed_s
    ahead_s = since_us / _US
    # A mean velocity points along the middle of its interval; the chord ahead along the middle of the time to come.
    turned = rate[:, 2] * (elapsed_s + ahead_s) / 2
    shrunk = np.sinc(rate[:, 2] * ahead_s / (2 * np.pi)) / np.sinc(rate[:, 2] * elapsed_s / (2 * np.pi))
    cos, sin = np.cos(turned), np.sin(turned)
    x = shrunk * ahead_s * (cos * rate[:, 0] - sin * rate[:, 1])
    y = shrunk * ahead_s * (sin * rate[:, 0] + cos * rate[:, 1])
    carried: Floats = pose + np.stack([x, y, rate[:, 2] * ahead_s], 1)
    return carried
