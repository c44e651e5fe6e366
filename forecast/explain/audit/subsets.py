"""Part 1: the eight sets of inputs: Shapley values and interactions of history, map and neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.forecast import Forecast
from forecast.eval.context import INPUTS, coalitions, shapley, shapley_interactions, travelled_m
from forecast.eval.results import PerItem
from forecast.explain.audit.asked import Agents, ask, error_m, told
from forecast.explain.null_inputs import MAP_NULLS, MapNull, coasting, null_map, without_neighbours
from forecast.prediction.predictor import BatchPredictor


def with_inputs(
    batch: AgentBatch, kept: frozenset[str], spec: CropSpec, map_null: MapNull, step_s: float
) -> AgentBatch:
    """A batch with some of its inputs alone; the others are replaced as :mod:`forecast.explain.null_inputs` says.

    Args:
        batch: with crops.
        kept: of :data:`forecast.eval.context.INPUTS`.
        spec: of the crops.
        map_null: what stands in for the map.
        step_s: seconds between two key frames.
    """
    assert batch.crop is not None
    if "history" not in kept:
        batch = replace(batch, history=coasting(batch.history, batch.history_valid, step_s))
    if "map" not in kept:
        assert batch.crop is not None
        batch = replace(batch, crop=null_map(batch.crop, spec, map_null))
    if "neighbours" not in kept:
        batch = without_neighbours(batch, torch.ones_like(batch.neighbour_types, dtype=torch.bool))
    return batch


def subsets(model: BatchPredictor, agents: Agents) -> dict[str, Any]:
    """Shapley values and interactions on the error and on the length of the most likely path, metres."""
    spec, step_s = model.config.crop, model.config.horizon.step_s
    found: dict[str, Any] = {}
    with_map: dict[frozenset[str], Forecast] = {}  # the same, whatever stands in for the map
    for null in MAP_NULLS:
        errors: dict[frozenset[str], PerItem] = {}
        lengths: dict[frozenset[str], PerItem] = {}
        for kept in coalitions():
            forecast = with_map.get(kept) or ask(model, with_inputs(agents.batch, kept, spec, null, step_s))
            if "map" in kept:
                with_map[kept] = forecast
            errors[kept] = error_m(forecast, agents.batch)
            lengths[kept] = travelled_m(forecast.positions_m, forecast.probabilities)
        found[null] = {
            measure: {
                "shapley": {name: told(value, agents.scenes) for name, value in shapley(outcome).items()},
                "interaction": {
                    " × ".join(pair): told(value, agents.scenes)
                    for pair, value in shapley_interactions(outcome).items()
                },
                "without_context": told(outcome[frozenset({"history"})], agents.scenes),
                "with_all": told(outcome[frozenset(INPUTS)], agents.scenes),
            }
            for measure, outcome in (("fde_m", errors), ("travelled_m", lengths))
        }
    return found
