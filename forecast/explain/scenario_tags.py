"""What kind of scenario an agent-sample is: manoeuvre, speed, junction, leader, side of traffic."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.progress import progress
from forecast.eval.strata import SPEEDS, SPEEDS_MPS
from forecast.explain.arms import find_arms
from forecast.explain.map_edits import road_channel
from forecast.explain.outcomes import manoeuvre_of, true_paths_m

Labels = dict[str, NDArray[np.str_]]

_LEADER_M, _LANE_M = 30.0, 2.0
#: Word of ``--but`` → tag and its value.
WORDS: Mapping[str, tuple[str, str]] = {
    "turning_left": ("manoeuvre", "left"),
    "turning_right": ("manoeuvre", "right"),
    "going_straight": ("manoeuvre", "straight"),
    "stopping": ("manoeuvre", "stops"),
    "standing": ("manoeuvre", "stationary"),
    "slow": ("speed", SPEEDS[1]),
    "medium": ("speed", SPEEDS[2]),
    "fast": ("speed", SPEEDS[3]),
    "on_a_road": ("junction", "none"),
    "at_a_fork": ("junction", "fork"),
    "at_a_crossroads": ("junction", "crossroads"),
    "with_leader": ("leader", "yes"),
    "without_leader": ("leader", "no"),
    "left_hand_traffic": ("traffic", "left"),
    "right_hand_traffic": ("traffic", "right"),
}


def scenario_tags(batch: AgentBatch, maps: NDArray[np.str_], spec: CropSpec, step_s: float) -> Labels:
    """Tags of agents, by what happened, what the map shows and who is ahead.

    Args:
        batch: with crops and true futures.
        maps: (agents,) names of their maps: Singapore's drive on the left, all others on the right.
        spec: of the crops.
        step_s: seconds between two steps.

    Returns:
        Tag → (agents,) values. ``manoeuvre`` is ``unknown`` where the future is.
    """
    speed = batch.history[:, -1, 2:4].norm(dim=-1).numpy()
    states, there = batch.neighbours[:, :, -1].numpy(), batch.neighbours_valid[:, :, -1].numpy()
    ahead = (states[..., 0] > 0) & (states[..., 0] < _LEADER_M) & (np.abs(states[..., 1]) < _LANE_M) & there
    left = np.char.startswith(maps.astype(str), "singapore")
    return {
        "manoeuvre": manoeuvre_of(true_paths_m(batch), step_s),
        "speed": np.array(SPEEDS)[np.searchsorted(SPEEDS_MPS, speed, side="right")],
        "junction": _junctions(batch, spec),
        "leader": np.where(ahead.any(1), "yes", "no"),
        "traffic": np.where(left, "left", "right"),
    }


def _junctions(batch: AgentBatch, spec: CropSpec) -> NDArray[np.str_]:
    """(agents,) how many arms of the road lie ahead."""
    assert batch.crop is not None
    roads = batch.crop[:, road_channel(spec)].numpy()
    arms = [len(find_arms(road, spec)) for road in progress(roads, "looking at roads", total=len(roads))]
    return np.asarray(np.array(["none", "none", "fork", "crossroads"])[np.minimum(arms, 3)])
