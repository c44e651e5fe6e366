"""Discards impossible velocities of a tracker, and reports agents of unknown velocity."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from forecast.prediction.observed_motion import FASTEST_MPS, SLOW_M, ObservedMotion, names_of
from forecast.prediction.readings import shown
from forecast.prediction.resample import Integers, Observed

#: An agent slower than the first is standing; no vehicle brakes harder than the second.
STANDS_MPS, _BRAKES_MPS2 = 0.1, 10.0


def without_impossible_velocities(
    seen: Observed, agent_types: Integers, agent_ids: Sequence[Hashable]
) -> tuple[Observed, list[str]]:
    """Leave out velocities that are faster than anything.

    Args:
        seen: what was observed.
        agent_types, agent_ids: (agents,).

    Returns:
        The same with NaN for such velocities, and a line on them.
    """
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
        f"{names_of(agent_ids, agent[wrong])} are faster than anything and do "
        f"not count: {shown(agent_ids[agent[worst]])} is said "
        f"to move at {speed_mps[worst]:.1f} m/s; expected m/s in the world frame"
    )
    return replace(seen, velocity_world_mps=np.where(wrong[:, None], np.nan, given)), [note]


def without_false_rest(
    seen: Observed, motion: ObservedMotion, agent_ids: Sequence[Hashable]
) -> tuple[Observed, list[str]]:
    """Velocities of 0 are those of a tracker that has none yet, where no braking explains how far the agent came."""
    given = seen.velocity_world_mps
    rests = np.hypot(given[:, 0], given[:, 1]) < STANDS_MPS  # NaN is not less than anything
    rests &= ~motion.given & (motion.moved_m > SLOW_M)
    rests &= motion.speed_mps > _BRAKES_MPS2 / 2 * motion.elapsed_s
    if not rests.any():
        return seen, []
    fastest = int(np.flatnonzero(rests)[motion.speed_mps[rests].argmax()])
    note = (
        f"the velocities given of {names_of(agent_ids, motion.agent[rests])} say that they stand, and their "
        f"positions that they move: {shown(agent_ids[motion.agent[fastest]])} moved at "
        f"{motion.speed_mps[fastest]:.1f} m/s; the positions count: give NaN or None where a velocity is unknown"
    )
    return replace(seen, velocity_world_mps=np.where(rests[:, None], np.nan, given)), [note]


def unknown_velocity_notes(agents: Integers, agent_ids: Sequence[Hashable]) -> list[str]:
    """Say of whom nothing tells how they move.

    Args:
        agents: (n,) indices of those.
        agent_ids: of all.
    """
    if not len(agents):
        return []
    return [
        f"the velocity of {names_of(agent_ids, agents)} is unknown (none given; seen once "
        "or too briefly): forecast as if standing"
    ]
