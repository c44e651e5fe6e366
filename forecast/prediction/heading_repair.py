"""Turns headings that point the wrong way, and fills in those that are missing."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from forecast.core.agents import AgentType
from forecast.core.frames import wrap_angle
from forecast.prediction.observed_motion import Mask, ObservedMotion, names_of
from forecast.prediction.readings import Floats
from forecast.prediction.resample import Integers, Observed

#: Headings further apart in time are not compared.
_TURN_WITHIN_S = 1.0
#: Slower motion is no direction that stands in for a heading.
_MOVES_MPS = 0.5
_FLIP_RAD = np.deg2rad(135)


def with_headings_turned(
    seen: Observed, motion: ObservedMotion, agent_types: Integers, agent_ids: Sequence[Hashable]
) -> tuple[Observed, list[str]]:
    """Headings that point the wrong way, turned."""
    kind = agent_types[motion.agent]
    rows = np.flatnonzero(
        np.isfinite(seen.pose_world[:, 2]) & ((kind == AgentType.VEHICLE) | (kind == AgentType.CYCLIST))
    )
    if not len(rows):
        return seen, []
    agent = motion.agent[rows]
    weight = np.where(motion.forwards[rows], motion.speed_mps[rows], 0.0)
    along = np.cos(seen.pose_world[rows, 2] - motion.direction_rad[rows])
    related, flipped = _flips(seen, agent, rows, weight, along)
    if not flipped.any() and not ((weight > 0) & (along < -0.5)).any():
        return seen, []
    # Each stretch without a gap has two ways round; +1 is that of its first observation.
    begins = np.concatenate([[True], ~related])
    stretch = np.cumsum(begins) - 1
    way = 1.0 - 2.0 * (np.concatenate([[0], np.cumsum(flipped)]) % 2)
    way *= way[begins][stretch]
    weights = np.bincount(stretch, weight)
    agreed = np.bincount(stretch, weight * along * way) / np.maximum(weights, 1e-9)
    right = np.where(np.bincount(stretch, way) >= 0, 1.0, -1.0)
    right = np.where(np.abs(agreed) > 0.5, np.sign(agreed), right)
    wrong = way != right[stretch]
    if not wrong.any():
        return seen, []
    whose = np.unique(agent[wrong])
    note = (
        f"the headings of {names_of(agent_ids, whose)} pointed the wrong way in "
        f"{int(wrong.sum())} of {int(np.isin(agent, whose).sum())} observations (against the motion, or flipped from "
        "one to the next): turned by 180°"
    )
    return _turned_by_180(seen, rows[wrong]), [note]


def without_spins(seen: Observed, motion: ObservedMotion, agent_ids: Sequence[Hashable]) -> tuple[Observed, list[str]]:
    """Pedestrians' headings, all the same way round as the newest: nobody spins so fast."""
    rows = np.flatnonzero(np.isfinite(seen.pose_world[:, 2]) & (motion.kind == AgentType.PEDESTRIAN))
    agent = motion.agent[rows]
    weight = np.where(motion.known & (motion.speed_mps > _MOVES_MPS), motion.speed_mps, 0.0)[rows]
    along = np.cos(seen.pose_world[rows, 2] - motion.direction_rad[rows])
    related, flipped = _flips(seen, agent, rows, weight, along)
    if not flipped.any():
        return seen, []
    # Of each stretch without a gap the last observation says which way round.
    ends = np.concatenate([~related, [True]])
    way = np.concatenate([[0], np.cumsum(flipped)]) % 2
    stretch = np.cumsum(ends) - ends
    wrong = way != way[ends][stretch]
    if not wrong.any():
        return seen, []
    note = (
        f"{names_of(agent_ids, agent[wrong])} turned by more than 135° from one "
        "observation to the next: the headings before are turned by 180°, so that the agent is not seen to spin"
    )
    return _turned_by_180(seen, rows[wrong]), [note]


def _flips(seen: Observed, agent: Integers, rows: Integers, weight: Floats, along: Floats) -> tuple[Mask, Mask]:
    """(pairs,) of successive rows: of one agent within a turn's time; and those where the heading flips for no turn.

    Args:
        seen: what was observed.
        agent, rows: (rows,) of observations with a heading.
        weight, along: see :func:`_turned_round`.
    """
    related = (np.diff(agent) == 0) & (np.diff(seen.time_us[rows]) <= round(_TURN_WITHIN_S * 1e6))
    flipped = related & (np.abs(wrap_angle(np.diff(seen.pose_world[rows, 2]))) > _FLIP_RAD)
    if flipped.any():
        flipped &= ~_turned_round(flipped | ~related, weight, along)
    return related, flipped


def _turned_by_180(seen: Observed, rows: Integers) -> Observed:
    pose = seen.pose_world.copy()
    pose[rows, 2] += np.pi
    return replace(seen, pose_world=pose)


def _turned_round(ends: Mask, weight: Floats, along: Floats) -> Mask:
    """(pairs,) where the agent itself turned: it moved where it headed on both sides of the pair.

    Args:
        ends: (pairs,) where a stretch of headings ends that do not flip.
        weight: (rows,) how sure the motion is.
        along: (rows,) cosine between heading and motion.
    """
    stretch = np.concatenate([[0], np.cumsum(ends)])
    agreed = np.bincount(stretch, weight * along) > 0.5 * np.bincount(stretch, weight)
    turned: Mask = agreed[stretch[:-1]] & agreed[stretch[1:]]
    return turned


def with_headings(seen: Observed, motion: ObservedMotion, agent_ids: Sequence[Hashable]) -> tuple[Observed, list[str]]:
    """A heading for every observation."""
    heading = seen.pose_world[:, 2].copy()
    missing = np.isnan(heading)
    if not missing.any():
        return seen, []
    fast = missing & motion.forwards
    heading[fast] = motion.direction_rad[fast]
    heading = _from_earlier(heading, motion.agent)
    slow = np.isnan(heading) & motion.known & (motion.speed_mps > _MOVES_MPS)
    heading[slow] = motion.direction_rad[slow]
    heading = _from_earlier(heading, motion.agent)
    heading = _from_earlier(heading[::-1], motion.agent[::-1])[::-1].copy()
    notes = []
    nowhere = np.isnan(heading)
    if nowhere.any():
        heading[nowhere] = 0.0
        who = names_of(agent_ids, motion.agent[nowhere])
        notes = [f"the heading of {who} is unknown, and they do not move: taken as 0"]
    return replace(seen, pose_world=np.concatenate([seen.pose_world[:, :2], heading[:, None]], 1)), notes


def _from_earlier(values: Floats, agent: Integers) -> Floats:
    """Fill what is NaN from the row before, within each agent."""
    known = np.where(np.isnan(values), 0, np.arange(len(values)))
    last = np.maximum.accumulate(known)
    filled: Floats = np.where(agent[last] == agent, values[last], np.nan)
    return filled
