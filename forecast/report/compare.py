"""Paired comparisons of several files of forecasts on the agents that they share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.eval.bootstrap import bootstrap_difference
from forecast.eval.results import PerItem

if TYPE_CHECKING:
    from forecast.report.scores import Scores


def compare(scores: Sequence[Scores]) -> list[dict[str, Any]]:
    """Every pair of models, metric by metric: mean difference (second minus first) on shared agents, with interval."""
    return [
        {"first": one.name, "second": two.name, "metrics": _differences(one, two)}
        for one, two in combinations(scores, 2)
    ]


def _differences(one: Scores, two: Scores) -> dict[str, Any]:
    _, first, second = np.intersect1d(one.agent_keys, two.agent_keys, return_indices=True)
    found = {}
    for name in sorted(one.agents.keys() & two.agents.keys()):
        paired = bootstrap_difference(
            _part(two.agents[name], second), _part(one.agents[name], first), clusters=one.agent_track[first]
        )
        found[name] = {
            "difference": paired.value,
            "count": paired.count,
            "ci_low": paired.low,
            "ci_high": paired.high,
        }
    return found


def _part(values: PerItem, chosen: Any) -> PerItem:
    return PerItem(values.values[chosen], values.valid[chosen])
