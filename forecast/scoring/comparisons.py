"""Paired comparisons of several files of forecasts: on the agents, and on the target points, that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.rows import keys_of
from forecast.eval.bootstrap import bootstrap_difference
from forecast.eval.results import PerItem
from forecast.scoring.scores import Scores

Strings = NDArray[np.str_]
Integers = NDArray[np.int64]


def compare(scores: Sequence[Scores]) -> list[dict[str, Any]]:
    """Every pair of models, metric by metric: mean difference (second minus first) on what both share, with interval.

    Accuracy is compared on shared agent-samples (``metrics``), D and C on shared target points (``temporal``).
    """
    keyed = [(one, {"metrics": _agents(one), "temporal": _points(one)}) for one in scores]
    return [
        {"first": one.name, "second": two.name}
        | {kind: _differences(of_one[kind], of_two[kind]) if same_leads(one, two) else {} for kind in of_one}
        for (one, of_one), (two, of_two) in combinations(keyed, 2)
    ]


def same_leads(one: Scores, two: Scores) -> bool:
    """Whether two files forecast the same seconds ahead, in the same steps: else their figures are not of one thing."""
    return len(one.horizon_s) == len(two.horizon_s) and bool(
        np.allclose(one.horizon_s, two.horizon_s, rtol=0, atol=_SAME_LEAD_STEPS * one.horizon_s[0])
    )


def about_leads(scores: Sequence[Scores]) -> list[str]:
    """For each file what to say of its leads beside those of the first; empty where they are the same."""
    first = scores[0]
    return [
        ""
        if same_leads(first, one)
        else (
            f"its leads ({len(one.horizon_s)} up to {one.horizon_s[-1]:g} s) are not those of {first.name} "
            f"({len(first.horizon_s)} up to {first.horizon_s[-1]:g} s): figures of the two are not comparable, and no "
            "differences are given"
        )
        for one in scores
    ]


def shared_rows(scores: Sequence[Scores]) -> list[Integers | None]:
    """Rows of each file's target points that count in all files, in one order, so that figures are of the same points.

    A file without any point that counts is left out, None, and takes nothing from the others. Where files have other
    leads than each other, nothing is shared.
    """
    if not all(same_leads(scores[0], one) for one in scores):
        return [None] * len(scores)
    keyed = [_points(one) for one in scores]
    counted = [keys[values["dispersion_m"].valid] for keys, _, values in keyed]
    some = [keys for keys in counted if len(keys)]
    shared: Strings = reduce(np.intersect1d, some) if some else np.zeros(0, dtype=np.str_)
    return [
        np.intersect1d(shared, keys, return_indices=True)[2] if len(own) else None
        for (keys, _, _), own in zip(keyed, counted, strict=True)
    ]


def on_shared_points(scores: Sequence[Scores]) -> list[tuple[dict[str, PerItem], Integers] | None]:
    """D and C of each file on the points of :func:`shared_rows`, with the track of each point as a number."""
    return [
        None
        if rows is None
        else (
            {name: values.take(rows) for name, values in one.points.items()},
            codes(one.successive.track[rows]),
        )
        for one, rows in zip(scores, shared_rows(scores), strict=True)
    ]


def codes(names: Strings) -> Integers:
    """A number for each name, the same for equal ones: quicker to resample by."""
    return np.unique(names, return_inverse=True)[1].reshape(-1).astype(np.int64)


#: Leads are the same up to this share of the first.
_SAME_LEAD_STEPS = 0.1
_Keyed = tuple[Strings, Strings, Mapping[str, PerItem]]


def _agents(scores: Scores) -> _Keyed:
    return scores.agent_keys, scores.agent_track, scores.agents


def _points(scores: Scores) -> _Keyed:
    points = scores.successive
    return keys_of(points.track, points.time_s), points.track, scores.points


def _differences(one: _Keyed, two: _Keyed) -> dict[str, Any]:
    _, first, second = np.intersect1d(one[0], two[0], return_indices=True)
    clusters = codes(one[1][first])
    return {
        name: _difference(two[2][name].take(second), one[2][name].take(first), clusters)
        for name in sorted(one[2].keys() & two[2].keys())
    }


def _difference(second: PerItem, first: PerItem, clusters: Integers) -> dict[str, Any]:
    paired = bootstrap_difference(second, first, clusters=clusters)
    tracks = len(np.unique(clusters[second.valid & first.valid]))
    return {
        "difference": paired.value,
        "count": paired.count,
        "tracks": tracks,
        "ci_low": paired.low,
        "ci_high": paired.high,
    }
