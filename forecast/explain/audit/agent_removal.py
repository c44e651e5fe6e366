"""Part 4: agents taken away and added (CausalAgents, Roelofs and others, arXiv 2207.03586).

A neighbour is *causal* where its true future and the target's come within 4 m of each other within 3 s, or where it
drives or stands ahead in the same lane. Those that are not should not matter. To take away distant ones proves nothing,
as a gate on distance passes it by construction: so there are also ones that are as near as the causal ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.batch import AgentBatch
from forecast.core.shapes import Bool, Float64
from forecast.eval.context import context_gap
from forecast.eval.results import per_item
from forecast.explain.audit.asked import Agents, ask, error_m, moved_m, told
from forecast.explain.null_inputs import without_neighbours
from forecast.explain.outcomes import true_paths_m
from forecast.explain.track_edits import neighbour_placed
from forecast.prediction.predictor import BatchPredictor

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_CONFLICT_M, _CONFLICT_S = 4.0, 3.0
#: A leader is at most so far ahead and aside, and heads within 45° of the target.
_LEADER_M, _LANE_M = 30.0, 2.0
#: Where a standing car is put: beside the road behind, which nothing follows from; and in the lane ahead.
PARKED_M, AHEAD_M = (-12.0, -9.0), (12.0, 0.0)


def causal(agents: Agents, step_s: float) -> Bool[Bools, "agents neighbours"]:
    """Which neighbours meet the target in space and time, or lead it.

    Args:
        agents: with their own and their neighbours' true futures, agent frame, metres.
        step_s: seconds between two steps.
    """
    own, others = true_paths_m(agents.batch), agents.neighbour_futures_m
    steps = own.shape[1]
    found = np.zeros(others.shape[:2], dtype=bool)
    reach = round(_CONFLICT_S / step_s)
    for shift in range(-reach, reach + 1):
        a, b = max(0, shift), min(steps, steps + shift)
        away = np.linalg.norm(own[:, None, a:b] - others[:, :, a - shift : b - shift], axis=-1)
        found |= (np.nan_to_num(away, nan=np.inf) < _CONFLICT_M).any(-1)
    state = agents.batch.neighbours[:, :, -1].double().numpy()
    leads = (state[..., 0] > 0) & (state[..., 0] < _LEADER_M) & (np.abs(state[..., 1]) < _LANE_M)
    leads &= np.cos(state[..., 6]) > np.cos(np.pi / 4)
    return np.asarray((found | leads) & agents.batch.neighbours_valid[:, :, -1].numpy())


def matched(
    distance_m: Float64[Floats, "agents neighbours"],
    chosen: Bool[Bools, "agents neighbours"],
    among: Bool[Bools, "agents neighbours"],
) -> Bool[Bools, "agents neighbours"]:
    """For each chosen neighbour the one of ``among`` whose distance is nearest to its own, each at most once."""
    found = np.zeros_like(chosen)
    for agent in np.flatnonzero(chosen.any(1) & among.any(1)):
        left = np.flatnonzero(among[agent]).tolist()
        for one in np.flatnonzero(chosen[agent]):
            if left:
                best = min(left, key=lambda other: abs(distance_m[agent, other] - distance_m[agent, one]))
                found[agent, best] = True
                left.remove(best)
    return found


def _as_many(chosen: Bools, among: Bools, seed: int) -> Bools:
    """A random choice of neighbours, as many an agent as are chosen."""
    rank = np.where(among, np.random.default_rng(seed).random(among.shape), np.inf).argsort(1).argsort(1)
    return np.asarray((rank < chosen.sum(1, keepdims=True)) & among)


def agent_removal(model: BatchPredictor, agents: Agents, *, seed: int = 0) -> dict[str, Any]:
    """How far the mean path's end moves and the error rises, metres, for each kind of neighbours taken away or added.

    Agents count for which such neighbours exist; for random and matched ones those that have both kinds.
    """
    batch = agents.batch
    there = batch.neighbours_valid[:, :, -1].numpy()
    deciding = causal(agents, model.config.horizon.step_s)
    others = there & ~deciding
    distance_m = np.linalg.norm(batch.neighbours[:, :, -1, :2].double().numpy(), axis=-1)
    kinds = {
        "causal": deciding,
        "not causal": others,
        "random, as many as causal": _as_many(deciding, there, seed),
        "not causal, as far as the causal": matched(distance_m, deciding, others),
    }
    before = ask(model, batch)
    wrong = error_m(before, agents.batch)
    found: dict[str, Any] = {"agents": len(agents), "neighbours": int(there.sum()), "causal": int(deciding.sum())}
    for name, gone in kinds.items():
        counted = gone.any(1) if name in ("causal", "not causal") else gone.any(1) & deciding.any(1) & others.any(1)
        found[f"without {name}"] = _changed(
            model, agents, without_neighbours(batch, torch.from_numpy(gone)), before, wrong, counted
        )
    for name, (x_m, y_m) in (("a parked car aside", PARKED_M), ("a standing car ahead", AHEAD_M)):
        free = ~((distance_of(batch, x_m, y_m) < 6.0) & there).any(1)
        found[f"with {name}"] = _changed(model, agents, neighbour_placed(batch, x_m, y_m), before, wrong, free)
    return found


def distance_of(batch: AgentBatch, x_m: float, y_m: float) -> Float64[Floats, "agents neighbours"]:
    """Distance of all neighbours from a place in each target's frame, metres."""
    places = batch.neighbours[:, :, -1, :2].double().numpy()
    return np.asarray(np.linalg.norm(places - [x_m, y_m], axis=-1))


def _changed(
    model: BatchPredictor, agents: Agents, batch: AgentBatch, before: Any, wrong: Any, counted: Bools
) -> dict[str, Any]:
    after = ask(model, batch)
    moved, rises = moved_m(after, before), context_gap(error_m(after, agents.batch), wrong)
    return {
        "end_moves_m": told(per_item(moved.values, moved.valid & counted), agents.scenes),
        "fde_rises_m": told(per_item(rises.values, rises.valid & counted), agents.scenes),
    }
