"""Bootstrap intervals of means, and paired comparisons of two models on the same agents."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.eval.results import Floats, PerItem

if TYPE_CHECKING:
    from forecast.report.scores import Scores

RESAMPLES = 1000
LEVEL = 0.95


def interval(values: PerItem, groups: Any = None, *, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean.

    Args:
        values: one value per item.
        groups: (items,) what to resample as a whole, e.g. the track of each point; default: single items.
        seed: of the resampling; the same input gives the same interval.

    Returns:
        Low and high; NaN where fewer than two groups hold a value.
    """
    kept = values.values[values.valid]
    names = np.arange(len(kept)) if groups is None else np.asarray(groups)[values.valid]
    _, group = np.unique(names, return_inverse=True)
    total, count = np.bincount(group, kept), np.bincount(group).astype(np.float64)
    if len(total) < 2:
        return float("nan"), float("nan")
    means = _resampled_means(total, count, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _resampled_means(total: Floats, count: Floats, random: np.random.Generator) -> Floats:
    means = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        chosen = random.integers(0, len(total), len(total))
        means[number] = total[chosen].sum() / count[chosen].sum()
    return means


def compare(scores: Sequence[Scores]) -> list[dict[str, Any]]:
    """Every pair of models, metric by metric: mean difference (second minus first) on shared agents, with interval."""
    return [
        {"first": one.name, "second": two.name, "metrics": _differences(one, two)}
        for one, two in combinations(scores, 2)
    ]


def _differences(one: Scores, two: Scores) -> dict[str, Any]:
    _, first, second = np.intersect1d(one.agent_keys, two.agent_keys, return_indices=True)
    found = {}
    for name in one.agents.keys() & two.agents.keys():
        left, right = one.agents[name], two.agents[name]
        valid = left.valid[first] & right.valid[second]
        paired = PerItem(np.where(valid, right.values[second] - left.values[first], np.nan), valid)
        low, high = interval(paired)
        found[name] = {"difference": paired.mean.value, "count": paired.mean.count, "ci_low": low, "ci_high": high}
    return dict(sorted(found.items()))
