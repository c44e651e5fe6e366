"""How much a forecaster uses its context: context gap, KL of the modes, Shapley values of the inputs.

All take *paired* results: the same agents, with and without an input, by the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np

from forecast.eval.displacement import likeliest
from forecast.eval.results import Floats, PerItem, per_item, shaped

INPUTS = ("history", "map", "neighbours")


def context_gap(with_context: PerItem, without_context: PerItem) -> PerItem:
    """Metric with context minus metric with the context nulled, over the agents that count for both.

    Negative values of an error metric mean that the context helps.
    """
    valid = with_context.valid & without_context.valid
    return per_item(with_context.values - without_context.values, valid)


#: The name of :func:`context_gap` before 0.2.0, kept for this version.
blind_gap = context_gap


def kl_divergence(with_context: Any, without_context: Any) -> PerItem:
    """KL(p(z|X,C) ‖ p(z|X,C̃)) of each agent, nats; infinite where nulling the context rules out a possible mode.

    Args:
        with_context, without_context: (agents, modes) probabilities of the *same* modes; each row is normalised first.
    """
    p = _normalised(shaped("with_context", with_context, (None, None)))
    q = _normalised(shaped("without_context", without_context, p.shape))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * (np.log(p) - np.log(q)), 0.0)
    valid = np.isfinite(p).all(-1) & np.isfinite(q).all(-1)
    # Rounding may leave a tiny negative sum for equal distributions.
    return per_item(np.maximum(terms.sum(-1), 0.0), valid)


def _normalised(table: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: Floats = table / table.sum(-1, keepdims=True)
    return shares


def travelled_m(modes_m: Any, probabilities: Any) -> PerItem:
    """‖y_T − y_1‖ of the most likely mode: what the CAB paper's figure 3 attributes to the inputs, metres."""
    modes = shaped("modes_m", modes_m, (None, None, None, 2))
    chosen = modes[np.arange(len(modes)), likeliest(shaped("probabilities", probabilities, modes.shape[:2]))]
    length = np.linalg.norm(chosen[:, -1] - chosen[:, 0], axis=-1)
    return per_item(length, np.isfinite(length))


def coalitions(inputs: tuple[str, ...] = INPUTS) -> tuple[frozenset[str], ...]:
    """All sets of inputs to evaluate, the empty one first: 8 for three inputs."""
    return tuple(frozenset(chosen) for size in range(len(inputs) + 1) for chosen in combinations(inputs, size))


def shapley(
    outcome: Mapping[frozenset[str], PerItem] | Callable[[frozenset[str]], PerItem],
    inputs: tuple[str, ...] = INPUTS,
) -> dict[str, PerItem]:
    """Exact Shapley value of each input, per agent; they sum to outcome(all inputs) − outcome(none).

    Args:
        outcome: the per-agent result for each set of inputs that was *not* nulled (see :func:`coalitions`); agents
            count where all of them do.
        inputs: names of the inputs.

    Raises:
        ValueError: a set of inputs was not evaluated.
    """
    sets = coalitions(inputs)
    if not callable(outcome):
        missing = [" + ".join(sorted(chosen)) or "(none)" for chosen in sets if chosen not in outcome]
        if missing:
            raise ValueError(f"no result for these sets of inputs: {', '.join(missing)}")
    results = {chosen: outcome(chosen) if callable(outcome) else outcome[chosen] for chosen in sets}
    valid = np.logical_and.reduce([result.valid for result in results.values()])
    return {name: per_item(_value_of(name, results, len(inputs)), valid) for name in inputs}


def _value_of(name: str, results: Mapping[frozenset[str], PerItem], inputs: int) -> Floats:
    """Mean gain of adding an input, over all orders in which the inputs may arrive (Shapley, 1953)."""
    total = np.zeros_like(next(iter(results.values())).values)
    for chosen, result in results.items():
        if name not in chosen:
            weight = factorial(len(chosen)) * factorial(inputs - len(chosen) - 1) / factorial(inputs)
            total = total + weight * (results[chosen | {name}].values - result.values)
    return total


def shapley_interactions(
    outcome: Mapping[frozenset[str], PerItem], inputs: tuple[str, ...] = INPUTS
) -> dict[tuple[str, str], PerItem]:
    """Shapley interaction index of each pair of inputs, per agent (Grabisch and Roubens, 1999); 0 where they add up.

    Args:
        outcome: as for :func:`shapley`.
        inputs: names of the inputs.

    Raises:
        KeyError: a set of inputs was not evaluated.
    """
    valid = np.logical_and.reduce([outcome[chosen].valid for chosen in coalitions(inputs)])
    found = {}
    for one, other in combinations(inputs, 2):
        total = np.zeros(len(valid))
        for chosen in coalitions(tuple(name for name in inputs if name not in (one, other))):
            weight = factorial(len(chosen)) * factorial(len(inputs) - len(chosen) - 2) / factorial(len(inputs) - 1)
            both, first, second = chosen | {one, other}, chosen | {one}, chosen | {other}
            change = outcome[both].values - outcome[first].values - outcome[second].values + outcome[chosen].values
            total = total + weight * change
        found[one, other] = per_item(total, valid)
    return found
