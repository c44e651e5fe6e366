"""How much each part of an agent's inputs moves a forecast: total-order Sobol indices, and Shapley values of all three.

``docs/why.md`` says how to read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from forecast.core.batch import AgentBatch
from forecast.core.json_files import finite
from forecast.eval.context import INPUTS, coalitions, shapley, travelled_m
from forecast.eval.displacement import min_fde_k
from forecast.eval.results import Floats, PerItem
from forecast.eval.sobol import SobolIndices, sobol_design, sobol_indices
from forecast.explain.input_groups import InputGroup, quarters, whole_inputs
from forecast.explain.masked_scene import MaskedScene
from forecast.explain.null_inputs import MapNull, jittered
from forecast.explain.outcomes import OUTCOMES, Outcome
from forecast.prediction.predictor import BatchPredictor

_BLOCK = 256
#: Of the largest answer. The same inputs in another row of a batch give answers that differ in their last bits.
_LAST_BITS = 2e-5


@dataclass(frozen=True)
class AttributionSettings:
    """How an attribution is made.

    Attributes:
        outcome: what of the forecast, a key of :data:`~forecast.explain.outcomes.OUTCOMES`.
        map_null: what stands in for the map.
        draws: rows of each of the two samples, a power of 2; ``draws · (groups + 2)`` forecasts are made.
        seed: of the samples and the jitter.
    """

    outcome: str = "mean path"
    map_null: MapNull = "empty"
    draws: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome: expected one of {', '.join(OUTCOMES)}, got {self.outcome!r}")


@dataclass(frozen=True)
class Attribution:
    """Which groups of inputs move a forecast.

    Attributes:
        groups: of inputs.
        indices: of the groups, in the same order.
        noise: the index that a jitter of all tracked poses by 5 cm and 1° has: what is below it is nothing. NaN where
            nothing moved the forecast.
        settings: how it was made.
        forecasts: how many were asked for.
    """

    groups: tuple[InputGroup, ...]
    indices: SobolIndices
    noise: float
    settings: AttributionSettings
    forecasts: int

    def ranked(self) -> list[int]:
        """Places of the groups, the largest total index first; NaN last, equal ones in order."""
        order: list[int] = np.argsort(-np.nan_to_num(self.indices.total, nan=-1.0), kind="stable").tolist()
        return order


def attribute(
    model: BatchPredictor,
    batch: AgentBatch,
    groups: Sequence[InputGroup],
    settings: AttributionSettings = AttributionSettings(),
) -> Attribution:
    """Estimate the Sobol indices of groups of one agent's inputs.

    Args:
        model: the forecaster.
        batch: one agent, with its crop.
        groups: of its inputs; what none of them names stays as it is.
        settings: see there.

    Raises:
        ValueError: not one agent with a crop, no groups, or ``draws`` is not a power of 2.
    """
    outcome, draws = OUTCOMES[settings.outcome], settings.draws
    design = sobol_design(len(groups), draws, seed=settings.seed)
    scene = MaskedScene(batch, groups, model.config.crop, settings.map_null, model.config.horizon.step_s)
    masks = torch.from_numpy(design.masks)
    answers = _answers(model, map(scene.batch, torch.split(masks, _BLOCK)), outcome)
    answers = _settled(answers, answers[:1])
    a = answers[:draws]
    answers = _settled(answers.reshape(-1, draws, answers.shape[-1]), a).reshape(answers.shape)
    indices = sobol_indices(answers, len(groups), seed=settings.seed)
    # The floor is what a swap of all inputs with hardly different ones does, over the same variance.
    generator = torch.Generator().manual_seed(settings.seed)
    shaken = (jittered(scene.batch(part), generator) for part in torch.split(masks[:draws], _BLOCK))
    moved = np.square(_settled(_answers(model, shaken, outcome), a) - a).sum(-1).mean() / 2
    noise = float(moved / indices.variance) if np.isfinite(indices.total).any() else float("nan")
    return Attribution(tuple(groups), indices, noise, settings, len(masks) + draws)


def refined(model: BatchPredictor, batch: AgentBatch, found: Attribution, cells: int) -> Attribution:
    """The same again with the cells that matter most cut into quarters.

    Args:
        model, batch: as for :func:`attribute`.
        found: with cells of the map among its groups.
        cells: how many to cut.
    """
    spec = model.config.crop
    ranked = [place for place in found.ranked() if found.groups[place].box_px is not None][:cells]
    groups = [
        part
        for place, group in enumerate(found.groups)
        for part in (quarters(group, spec) if place in ranked else [group])
    ]
    again = attribute(model, batch, groups, found.settings)
    return replace(again, forecasts=again.forecasts + found.forecasts)


def input_shares(model: BatchPredictor, batch: AgentBatch, map_null: MapNull = "empty") -> dict[str, dict[str, float]]:
    """Exact Shapley values of history, map and neighbours, by the eight sets of them.

    Args:
        model: the forecaster.
        batch: one agent, with its crop.
        map_null: what stands in for the map.

    Returns:
        Measure → input → value, metres: ``travelled_m``, the length of the most likely path from its first step to its
        last (figure 3 of the CAB paper); ``fde_m``, its error at the last known step of the truth, where there is one.
    """
    spec, sets = model.config.crop, coalitions()
    masks = torch.tensor([[float(name in kept) for name in INPUTS] for kept in sets])
    scene = MaskedScene(batch, whole_inputs(batch, spec), spec, map_null, model.config.horizon.step_s)
    with torch.inference_mode():
        forecast = model.predict(scene.batch(masks).to(model.device))
    modes, odds = forecast.positions_m.cpu(), forecast.probabilities.cpu()
    measures = {"travelled_m": travelled_m(modes, odds)}
    if batch.future_valid.any():
        truth = batch.future.expand(len(sets), -1, -1), batch.future_valid.expand(len(sets), -1)
        measures["fde_m"] = min_fde_k(modes, odds, *truth, k=1, last_valid=True)
    return {name: _shapley_of(measure, sets) for name, measure in measures.items()}


def _shapley_of(measure: PerItem, sets: Sequence[frozenset[str]]) -> dict[str, float]:
    values = shapley({kept: measure.take(np.array([row])) for row, kept in enumerate(sets)})
    return {name: float(value.values[0]) for name, value in values.items()}


def _answers(model: BatchPredictor, batches: Iterable[AgentBatch], outcome: Outcome) -> Floats:
    """(rows, numbers) what is asked of the forecasts of some batches, one after another."""
    with torch.inference_mode():
        return np.concatenate([outcome(model.predict(batch.to(model.device))) for batch in batches])


def _settled(answers: Floats, before: Floats) -> Floats:
    """(…, numbers) answers, but ``before`` where they differ from it in their last bits alone."""
    limit = _LAST_BITS * float(np.abs(before).max())
    same = np.abs(answers - before).max(-1, keepdims=True) <= limit
    return np.where(same, before, answers)


def told(found: Attribution, model: BatchPredictor) -> dict[str, Any]:
    """An attribution as JSON holds it; NaN as None. ``docs/why.md`` lists the keys."""
    spec, indices = model.config.crop, found.indices

    def rows() -> Iterator[dict[str, Any]]:
        for place in found.ranked():
            group = found.groups[place]
            yield {
                "kind": group.kind,
                "name": group.name,
                "bounds_m": None if group.channels else group.bounds_m(spec),
                "total": float(indices.total[place]),
                "total_interval": indices.total_interval[place].tolist(),
                "first": float(indices.first[place]),
                "first_interval": indices.first_interval[place].tolist(),
            }

    settings = found.settings
    document: dict[str, Any] = {
        "outcome": settings.outcome,
        "map_null": settings.map_null,
        "draws": settings.draws,
        "seed": settings.seed,
        "forecasts": found.forecasts,
        "variance": found.indices.variance,
        "noise": found.noise,
        "groups": list(rows()),
    }
    told_finite: dict[str, Any] = finite(document)
    return told_finite
