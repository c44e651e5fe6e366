"""Finds what cannot be true of tracks before a model sees it, leaves it out or puts it right, and says so.

- **Jumps.** Nobody moves faster than :data:`FASTEST_MPS`, nor changes his velocity as two agents under one id do. A
  track begins anew after its last jump; one single observation off, there and back, is left out alone.
- **Headings that point the wrong way**, of vehicles and cyclists. A heading that turns by more than 135° from one
  observation to the next (within 1 s) has flipped. Which way round is right is what the motion says, where the agent
  moves at more than :data:`FASTEST_REVERSE_MPS`: nobody reverses so fast; else what most observations say. The others
  are turned by 180°.
- **Pedestrians that turn round** from one observation to the next keep the heading that they have now; the earlier ones
  are turned by 180°, as no yaw rate can be taken from them. Who moved where it headed both before and after has turned
  round indeed, and stays as it is.
- **Headings that nobody knows** (NaN) are taken from the motion, else from the agent's other observations, else are 0.

All of it looks at the past alone, and leaves sound tracks as they are, to the last bit.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.frames import wrap_angle
from forecast.core.horizon import Horizon
from forecast.prediction.readings import Floats, named, shown
from forecast.prediction.resample import Integers, Observed, rates

Mask = NDArray[np.bool_]

#: Faster than this is no motion, by :class:`~forecast.core.agents.AgentType`: 80 m/s are 288 km/h.
FASTEST_MPS = np.array([80.0, 20.0, 40.0, 80.0])
#: Two places of one agent may differ by this at any time: two sensors, two corners of a box.
SAME_PLACE_M = 2.0
#: A velocity that changes by more than this within one step, and back, is no motion either: hard braking is 10 m/s² …
_HARDEST_MPS2 = 20.0
#: … but positions are so uncertain, too.
_UNCERTAIN_M = 6.0
#: Velocities further apart in time are not compared, nor headings.
_RELATED_S, _TURN_WITHIN_S = 1.5, 1.0
#: Reversing is slower than this, by type; what walks backwards is not looked at.
FASTEST_REVERSE_MPS = np.array([4.0, 4.0, 1.0, 4.0])
#: Less is no direction: distance for motion that must overrule a heading (nobody rides a bicycle backwards), and
#: speed for one that stands in for one.
_SURE_M, _MOVES_MPS = np.array([1.5, 1.5, 0.75, 1.5]), 0.5
#: Slow motion tells a direction over so long, at that speed, over that distance.
_SLOW_S, _SLOW_MPS, _SLOW_M = 1.5, 1.0, 1.5
_FLIP_RAD, _ASIDE_RAD = np.deg2rad(135), np.deg2rad(60)
#: Headings need not be wrapped, but nobody turns round and round: these are degrees.
_TURNS_RAD = 4 * np.pi
#: A velocity that is given may differ from the positions' by so much, by type, and by that share; over less time than
#: that, the positions of a pedestrian say no more than a vehicle's.
_SPREAD_MPS, _SPREAD, _SPREAD_S = np.array([5.0, 1.5, 2.5, 5.0]), 0.5, 0.2
#: A velocity of less is said to stand; and nobody stops by braking harder than this.
_STANDS_MPS, _BRAKES_MPS2 = 0.1, 10.0


def plausible(
    seen: Observed, agent_types: Integers, agent_ids: Sequence[Hashable], horizon: Horizon
) -> tuple[Observed, list[str]]:
    """Leave out, or put right, what cannot be true.

    Args:
        seen: what was observed.
        agent_types, agent_ids: (agents,).
        horizon: of the model.

    Returns:
        What may be true; and a line on each kind of what was not.
    """
    notes = _of_clashes(seen, agent_ids)
    for mend in (_without_jumps, _without_impossible_velocities):
        seen, told = mend(seen, agent_types, agent_ids)
        notes += told
    if not len(seen.time_us):
        return seen, notes
    motion = _Motion(seen, agent_types, horizon)
    seen, told = _without_false_rest(seen, motion, agent_ids)
    notes += told
    seen, told = _turned(seen, motion, agent_types, agent_ids)
    notes += told
    seen, told = _without_spins(seen, motion, agent_ids)
    notes += told
    seen, told = _with_headings(seen, motion, agent_ids)
    notes += told
    return seen, notes + _of_disagreement(seen, motion, agent_types, agent_ids)


class _Motion:
    """Velocity at each observation, from the positions until then, where these say one; else as given."""

    def __init__(self, seen: Observed, agent_types: Integers, horizon: Horizon) -> None:
        rows = np.arange(len(seen.time_us))
        found = rates(seen, rows, horizon, given=False)
        given = found.elapsed_s == 0
        velocity = np.where(given[:, None], seen.velocity_world_mps, found.rate[:, :2])
        self.seen, self.given, self.velocity_mps = seen, given, velocity
        self.known = np.isfinite(velocity).all(1)
        self.velocity_mps[~self.known] = 0.0
        self.speed_mps = np.hypot(velocity[:, 0], velocity[:, 1])
        self.elapsed_s = found.elapsed_s
        self.moved_m = np.where(given, np.inf, self.speed_mps * found.elapsed_s)
        self.direction_rad = np.arctan2(velocity[:, 1], velocity[:, 0])
        self.agent = seen.row_agent
        self.kind = agent_types[self.agent]

    @property
    def forwards(self) -> Mask:
        """Where it can only be forwards."""
        fast = self.speed_mps > FASTEST_REVERSE_MPS[self.kind]
        sure: Mask = self.known & fast & (self.moved_m > _SURE_M[self.kind])
        return sure


def _whose(agent_ids: Sequence[Hashable], agents: Integers) -> str:
    """Names of agents, each once, in the order of the scene."""
    return named(agent_ids[number] for number in np.unique(agents).tolist())


def _of_clashes(seen: Observed, agent_ids: Sequence[Hashable]) -> list[str]:
    clashes = seen.clashes
    if not len(clashes):
        return []
    apart_m = np.hypot(*(clashes[:, 2:4] - clashes[:, 4:6]).T)
    far = clashes[apart_m > SAME_PLACE_M]
    if not len(far):
        return []
    agent, time_us, x, y, x_kept, y_kept = far[-1].tolist()
    who = named(agent_ids[int(each)] for each in dict.fromkeys(far[:, 0].tolist()))
    return [
        f"two places at one time of {who}: {shown(agent_ids[int(agent)])} at ({x:.1f}, {y:.1f}) m and at "
        f"({x_kept:.1f}, {y_kept:.1f}) m, {abs(time_us) * 1e-6:.3f} s before now; the last one counts: do two agents "
        "have one id?"
    ]


def _without_jumps(seen: Observed, agent_types: Integers, agent_ids: Sequence[Hashable]) -> tuple[Observed, list[str]]:
    agents = len(seen.first) - 1
    if len(seen.time_us) < 2:
        return seen, []
    agent = seen.row_agent
    same = agent[1:] == agent[:-1]
    elapsed_s = np.diff(seen.time_us) * 1e-6
    moved = np.diff(seen.pose_world[:, :2], axis=0)
    moved_m = np.hypot(moved[:, 0], moved[:, 1])
    jump = same & (moved_m > FASTEST_MPS[agent_types[agent[1:]]] * elapsed_s + SAME_PLACE_M)
    jump |= _sudden(same & (elapsed_s <= _RELATED_S), moved, elapsed_s)
    if not jump.any():
        return seen, []
    kept = np.ones(len(agent), np.bool_)
    jumped = np.unique(agent[1:][jump])
    for number in jumped.tolist():
        first, end = seen.first[number], seen.first[number + 1]
        kept[first:end] = _since_the_jump(seen.pose_world[first:end, :2], jump[first : end - 1])
    pair = np.flatnonzero(jump)[-1]
    note = (
        f"{int((~kept).sum())} of the observations of {_whose(agent_ids, jumped)} do not "
        f"fit the newest ones and are left out: {shown(agent_ids[agent[pair]])} moved "
        f"{moved_m[pair]:.1f} m in {elapsed_s[pair]:.3f} s, until {abs(seen.time_us[pair + 1]) * 1e-6:.3f} s before "
        "now; such a track begins anew: do two agents have one id, and are times in seconds?"
    )
    first = np.concatenate([[0], np.cumsum(np.bincount(agent[kept], minlength=agents))])
    return (
        replace(
            seen,
            first=first,
            time_us=seen.time_us[kept],
            pose_world=seen.pose_world[kept],
            velocity_world_mps=seen.velocity_world_mps[kept],
        ),
        [note],
    )


def _sudden(related: Mask, moved: Floats, elapsed_s: Floats) -> Mask:
    """(pairs,) whose velocity is quite another one than both before and after, as far as there are such."""
    velocity = moved / np.maximum(elapsed_s, 1e-6)[:, None]
    change = np.hypot(*np.diff(velocity, axis=0).T)
    shorter_s = np.maximum(np.minimum(elapsed_s[1:], elapsed_s[:-1]), 1e-6)
    both = related[1:] & related[:-1]
    # Pairs that follow each other are of one agent: they share an observation.
    differs = change > _HARDEST_MPS2 * (elapsed_s[1:] + elapsed_s[:-1]) / 2 + _UNCERTAIN_M / shorter_s
    found = np.zeros((2, len(elapsed_s)), np.bool_)
    there = np.zeros((2, len(elapsed_s)), np.bool_)
    # Of a pair that jumps and one beside it that does not, the slower one is sound.
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    found[0, 1:] = differs & both & (speed[1:] > 0.5 * speed[:-1])
    found[1, :-1] = differs & both & (speed[:-1] > 0.5 * speed[1:])
    there[0, 1:], there[1, :-1] = both, both
    sudden: Mask = related & there.any(0) & (found | ~there).all(0)
    return sudden


def _since_the_jump(place: Floats, jump: Mask) -> Mask:
    """(rows,) which observations of one track count."""
    kept = np.zeros(len(place), np.bool_)
    at = len(place) - 1
    kept[at] = True
    while at > 0:
        if not jump[at - 1]:
            at -= 1
        elif at > 1 and jump[at - 2] and _there_and_back(place[at - 2 : at + 1]):
            at -= 2
        else:
            break
        kept[at] = True
    return kept


def _there_and_back(place: Floats) -> bool:
    there, back, away = (float(np.hypot(*(place[i] - place[j]))) for i, j in ((0, 1), (1, 2), (0, 2)))
    return away < 0.5 * min(there, back)


def _without_impossible_velocities(
    seen: Observed, agent_types: Integers, agent_ids: Sequence[Hashable]
) -> tuple[Observed, list[str]]:
    given = seen.velocity_world_mps
    if np.isnan(given).all():
        return seen, []
    agent = seen.row_agent
    speed_mps = np.hypot(given[:, 0], given[:, 1])
    wrong = speed_mps > FASTEST_MPS[agent_types[agent]]
    if not wrong.any():
        return seen, []
    worst = int(np.flatnonzero(wrong)[speed_mps[wrong].argmax()])
    note = (
        f"{int(wrong.sum())} of the velocities of "
        f"{_whose(agent_ids, agent[wrong])} are faster than anything and do "
        f"not count: {shown(agent_ids[agent[worst]])} is said "
        f"to move at {speed_mps[worst]:.1f} m/s; expected m/s in the world frame"
    )
    return replace(seen, velocity_world_mps=np.where(wrong[:, None], np.nan, given)), [note]


def _without_false_rest(seen: Observed, motion: _Motion, agent_ids: Sequence[Hashable]) -> tuple[Observed, list[str]]:
    """Velocities of 0 are those of a tracker that has none yet, where no braking explains how far the agent came."""
    given = seen.velocity_world_mps
    rests = np.hypot(given[:, 0], given[:, 1]) < _STANDS_MPS  # NaN is not less than anything
    rests &= ~motion.given & (motion.moved_m > _SLOW_M)
    rests &= motion.speed_mps > _BRAKES_MPS2 / 2 * motion.elapsed_s
    if not rests.any():
        return seen, []
    fastest = int(np.flatnonzero(rests)[motion.speed_mps[rests].argmax()])
    note = (
        f"the velocities given of {_whose(agent_ids, motion.agent[rests])} say that they stand, and their "
        f"positions that they move: {shown(agent_ids[motion.agent[fastest]])} moved at "
        f"{motion.speed_mps[fastest]:.1f} m/s; the positions count: give NaN or None where a velocity is unknown"
    )
    return replace(seen, velocity_world_mps=np.where(rests[:, None], np.nan, given)), [note]


def _turned(
    seen: Observed, motion: _Motion, agent_types: Integers, agent_ids: Sequence[Hashable]
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
        f"the headings of {_whose(agent_ids, whose)} pointed the wrong way in "
        f"{int(wrong.sum())} of {int(np.isin(agent, whose).sum())} observations (against the motion, or flipped from "
        "one to the next): turned by 180°"
    )
    return _turned_by_180(seen, rows[wrong]), [note]


def _without_spins(seen: Observed, motion: _Motion, agent_ids: Sequence[Hashable]) -> tuple[Observed, list[str]]:
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
        f"{_whose(agent_ids, agent[wrong])} turned by more than 135° from one "
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


def _with_headings(seen: Observed, motion: _Motion, agent_ids: Sequence[Hashable]) -> tuple[Observed, list[str]]:
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
        who = _whose(agent_ids, motion.agent[nowhere])
        notes = [f"the heading of {who} is unknown, and they do not move: taken as 0"]
    return replace(seen, pose_world=np.concatenate([seen.pose_world[:, :2], heading[:, None]], 1)), notes


def _from_earlier(values: Floats, agent: Integers) -> Floats:
    """Fill what is NaN from the row before, within each agent."""
    known = np.where(np.isnan(values), 0, np.arange(len(values)))
    last = np.maximum.accumulate(known)
    filled: Floats = np.where(agent[last] == agent, values[last], np.nan)
    return filled


def _of_disagreement(
    seen: Observed, motion: _Motion, agent_types: Integers, agent_ids: Sequence[Hashable]
) -> list[str]:
    """Of headings and velocities, as they are now, that are not those of the motion: other units, or another frame?"""
    there = np.flatnonzero(seen.first[1:] > seen.first[:-1])
    rows = seen.first[1:][there] - 1
    kind = agent_types[there]
    road = (kind == AgentType.VEHICLE) | (kind == AgentType.CYCLIST)
    turned = np.abs(wrap_angle(seen.pose_world[rows, 2] - motion.direction_rad[rows]))
    aside = road & motion.forwards[rows] & (turned > _ASIDE_RAD)
    slowly, slowly_turned = _aside_slowly(seen, motion, rows)
    turned, aside = np.where(aside, turned, slowly_turned), aside | slowly
    given = seen.velocity_world_mps[rows]
    apart = np.hypot(*(given - motion.velocity_mps[rows]).T)
    # NaN is not greater than anything.
    spread_mps = np.where(motion.elapsed_s[rows] < _SPREAD_S, _SPREAD_MPS[AgentType.VEHICLE], _SPREAD_MPS[kind])
    moves = np.hypot(given[:, 0], given[:, 1]) >= _STANDS_MPS
    off = ~motion.given[rows] & (apart > spread_mps + _SPREAD * motion.speed_mps[rows] * moves)
    notes = []
    largest_rad = float(np.abs(seen.pose_world[rows, 2]).max(initial=0.0))
    if largest_rad > _TURNS_RAD:
        notes.append(f"headings reach {largest_rad:.0f}: expected radians, counter-clockwise; are they degrees?")
    if aside.any():
        worst = int(np.flatnonzero(aside)[turned[aside].argmax()])
        notes.append(
            f"the headings of {_whose(agent_ids, there[aside])} are not where they move: "
            f"{shown(agent_ids[there[worst]])} heads {np.rad2deg(turned[worst]):.0f}° aside of its motion; expected "
            "radians, counter-clockwise from the world's x axis"
        )
    if off.any():
        worst = int(np.flatnonzero(off)[apart[off].argmax()])
        notes.append(
            f"the velocities given of {_whose(agent_ids, there[off])} are not those of "
            f"their positions: {shown(agent_ids[there[worst]])} is said to move at "
            f"{np.round(given[worst], 1).tolist()} m/s and moved at "
            f"{np.round(motion.velocity_mps[rows[worst]], 1).tolist()} m/s; expected m/s, world frame"
        )
    return notes


def _aside_slowly(seen: Observed, motion: _Motion, rows: Integers) -> tuple[Mask, Floats]:
    """Whose headings lie aside of slow motion, both now and a while ago; and by how much now, radians.

    Reversing is no fault of a vehicle's. Pedestrians turn on the spot, but do not walk sideways for a second.
    """
    kind = motion.kind[rows]
    # Sorted by agent, then time: the first row that is not longer ago.
    moment = (motion.agent << 40) + seen.time_us
    earlier = np.searchsorted(moment, moment[rows] - round(_SLOW_S * 1e6))
    elapsed_s = (seen.time_us[rows] - seen.time_us[earlier]) * 1e-6
    moved = seen.pose_world[rows, :2] - seen.pose_world[earlier, :2]
    moved_m = np.hypot(moved[:, 0], moved[:, 1])
    sure = (moved_m > _SLOW_M) & (moved_m > _SLOW_MPS * elapsed_s)
    sure &= np.where(kind == AgentType.PEDESTRIAN, elapsed_s >= 1.0, kind != AgentType.OTHER)
    direction = np.arctan2(moved[:, 1], moved[:, 0])
    now, before = (np.abs(wrap_angle(seen.pose_world[each, 2] - direction)) for each in (rows, earlier))
    aside = [
        np.where(kind == AgentType.PEDESTRIAN, turned, np.minimum(turned, np.pi - turned)) > _ASIDE_RAD
        for turned in (now, before)
    ]
    return sure & aside[0] & aside[1], now


def unknown_velocity_notes(agents: Integers, agent_ids: Sequence[Hashable]) -> list[str]:
    """Say of whom nothing tells how they move.

    Args:
        agents: (n,) indices of those.
        agent_ids: of all.
    """
    if not len(agents):
        return []
    return [
        f"the velocity of {_whose(agent_ids, agents)} is unknown (none given; seen once "
        "or too briefly): forecast as if standing"
    ]
