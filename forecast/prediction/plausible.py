"""Checks tracks before a model sees them: what cannot be true is left out or corrected, and reported.

- **Jumps.** Nobody moves faster than ``FASTEST_MPS``, nor changes his velocity as two agents under one id do. A
  track begins anew after its last jump; one single observation off, there and back, is left out alone.
- **Headings that point the wrong way**, of vehicles and cyclists. A heading that turns by more than 135° from one
  observation to the next (within 1 s) has flipped. Which way round is right is what the motion says, where the agent
  moves at more than ``FASTEST_REVERSE_MPS``: nobody reverses so fast; else what most observations say. The others
  are turned by 180°.
- **Pedestrians that turn round** from one observation to the next keep the heading that they have now; the earlier ones
  are turned by 180°, as no yaw rate can be taken from them. Who moved where it headed both before and after has turned
  round indeed, and stays as it is.
- **Headings that nobody knows** (NaN) are taken from the motion, else from the agent's other observations, else are 0.

All of it looks at the past alone, and leaves sound tracks as they are, to the last bit.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from forecast.core.agents import AgentType
from forecast.core.frames import wrap_angle
from forecast.core.horizon import Horizon
from forecast.prediction.given_velocities import STANDS_MPS, without_false_rest, without_impossible_velocities
from forecast.prediction.heading_repair import with_headings, with_headings_turned, without_spins
from forecast.prediction.observed_motion import SLOW_M, Mask, ObservedMotion, names_of
from forecast.prediction.readings import Floats, shown
from forecast.prediction.resample import Integers, Observed
from forecast.prediction.track_jumps import clash_notes, without_jumps

#: Slow motion tells a direction over so long, at that speed.
_SLOW_S, _SLOW_MPS = 1.5, 1.0
_ASIDE_RAD = np.deg2rad(60)
#: Headings need not be wrapped, but nobody turns round and round: these are degrees.
_TURNS_RAD = 4 * np.pi
#: A velocity that is given may differ from the positions' by so much, by type, and by that share; over less time than
#: that, the positions of a pedestrian say no more than a vehicle's.
_SPREAD_MPS, _SPREAD, _SPREAD_S = np.array([5.0, 1.5, 2.5, 5.0]), 0.5, 0.2


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
    notes = clash_notes(seen, agent_ids)
    for mend in (without_jumps, without_impossible_velocities):
        seen, told = mend(seen, agent_types, agent_ids)
        notes += told
    if not len(seen.time_us):
        return seen, notes
    motion = ObservedMotion(seen, agent_types, horizon)
    seen, told = without_false_rest(seen, motion, agent_ids)
    notes += told
    seen, told = with_headings_turned(seen, motion, agent_types, agent_ids)
    notes += told
    seen, told = without_spins(seen, motion, agent_ids)
    notes += told
    seen, told = with_headings(seen, motion, agent_ids)
    notes += told
    return seen, notes + _disagreement_notes(seen, motion, agent_types, agent_ids)


def _disagreement_notes(
    seen: Observed, motion: ObservedMotion, agent_types: Integers, agent_ids: Sequence[Hashable]
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
    moves = np.hypot(given[:, 0], given[:, 1]) >= STANDS_MPS
    off = ~motion.given[rows] & (apart > spread_mps + _SPREAD * motion.speed_mps[rows] * moves)
    notes = []
    largest_rad = float(np.abs(seen.pose_world[rows, 2]).max(initial=0.0))
    if largest_rad > _TURNS_RAD:
        notes.append(f"headings reach {largest_rad:.0f}: expected radians, counter-clockwise; are they degrees?")
    if aside.any():
        worst = int(np.flatnonzero(aside)[turned[aside].argmax()])
        notes.append(
            f"the headings of {names_of(agent_ids, there[aside])} are not where they move: "
            f"{shown(agent_ids[there[worst]])} heads {np.rad2deg(turned[worst]):.0f}° aside of its motion; expected "
            "radians, counter-clockwise from the world's x axis"
        )
    if off.any():
        worst = int(np.flatnonzero(off)[apart[off].argmax()])
        notes.append(
            f"the velocities given of {names_of(agent_ids, there[off])} are not those of "
            f"their positions: {shown(agent_ids[there[worst]])} is said to move at "
            f"{np.round(given[worst], 1).tolist()} m/s and moved at "
            f"{np.round(motion.velocity_mps[rows[worst]], 1).tolist()} m/s; expected m/s, world frame"
        )
    return notes


def _aside_slowly(seen: Observed, motion: ObservedMotion, rows: Integers) -> tuple[Mask, Floats]:
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
    sure = (moved_m > SLOW_M) & (moved_m > _SLOW_MPS * elapsed_s)
    sure &= np.where(kind == AgentType.PEDESTRIAN, elapsed_s >= 1.0, kind != AgentType.OTHER)
    direction = np.arctan2(moved[:, 1], moved[:, 0])
    now, before = (np.abs(wrap_angle(seen.pose_world[each, 2] - direction)) for each in (rows, earlier))
    aside = [
        np.where(kind == AgentType.PEDESTRIAN, turned, np.minimum(turned, np.pi - turned)) > _ASIDE_RAD
        for turned in (now, before)
    ]
    return sure & aside[0] & aside[1], now
