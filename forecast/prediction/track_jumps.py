"""Finds places of an agent that no motion connects, and begins the track anew after them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from forecast.prediction.observed_motion import FASTEST_MPS, SAME_PLACE_M, Mask, whose
from forecast.prediction.readings import Floats, named, shown
from forecast.prediction.resample import Integers, Observed

#: A velocity that changes by more than this within one step, and back, is no motion either: hard braking is 10 m/s² …
_HARDEST_MPS2 = 20.0
#: … but positions are so uncertain, too.
_UNCERTAIN_M = 6.0
#: Velocities further apart in time are not compared.
_RELATED_S = 1.5


def clash_notes(seen: Observed, agent_ids: Sequence[Hashable]) -> list[str]:
    """Say who was in two places at one time.

    Args:
        seen: what was observed.
        agent_ids: (agents,).
    """
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


def without_jumps(seen: Observed, agent_types: Integers, agent_ids: Sequence[Hashable]) -> tuple[Observed, list[str]]:
    """Leave out what came before an agent's last jump; of one observation off, there and back, that one alone.

    Args:
        seen: what was observed.
        agent_types, agent_ids: (agents,).

    Returns:
        What is connected to the newest observations, and a line on the rest.
    """
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
        f"{int((~kept).sum())} of the observations of {whose(agent_ids, jumped)} do not "
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
