"""Bootstrap confidence intervals of means, paired where two models are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.eval.results import Floats, Mean, PerItem


@dataclass(frozen=True)
class Interval:
    """A mean with its count and its percentile bootstrap interval; all NaN where ``count`` is 0.

    The interval is NaN, too, where all items are of one cluster: resampled, it is always itself, which says nothing
    about the spread.
    """

    value: float
    count: int
    low: float
    high: float


def bootstrap_mean(
    items: PerItem, *, clusters: Any = None, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Interval:
    """Confidence interval of a mean over the valid items.

    Args:
        items: one value an item.
        clusters: (items,) labels, e.g. scenes: whole clusters are resampled, since agents of a scene are not
            independent; default: every item on its own.
        level: share of resamples inside the interval.
        resamples: number of resamples.
        seed: the same seed gives the same interval.

    Raises:
        ValueError: ``level`` is not between 0 and 1, or there is not one label an item.
    """
    if not 0 < level < 1:
        raise ValueError(f"expected a level between 0 and 1, got {level}")
    if clusters is not None and np.shape(clusters) != items.valid.shape:
        raise ValueError(f"clusters: expected shape {items.valid.shape}, one label an item, got {np.shape(clusters)}")
    mean: Mean = items.mean
    if not mean.count:
        return Interval(mean.value, 0, float("nan"), float("nan"))
    values = items.values[items.valid]
    sums, counts = _by_cluster(values, None if clusters is None else np.asarray(clusters)[items.valid])
    if clusters is not None and len(sums) < 2:
        return Interval(mean.value, mean.count, float("nan"), float("nan"))
    means = _resampled_means(sums, counts, resamples, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean.value, mean.count, float(low), float(high))


def bootstrap_difference(
    first: PerItem,
    second: PerItem,
    *,
    clusters: Any = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Confidence interval of mean(first − second) over the items that count for both: a paired comparison.

    Raises:
        ValueError: the two do not hold the same number of items.
    """
    if first.values.shape != second.values.shape:
        raise ValueError(f"expected the same items on both sides, got {first.values.shape} and {second.values.shape}")
    valid = first.valid & second.valid
    difference = np.where(valid, first.values, 0.0) - np.where(valid, second.values, 0.0)
    paired = PerItem(np.where(valid, difference, np.nan), valid)
    return bootstrap_mean(paired, clusters=clusters, level=level, resamples=resamples, seed=seed)


def _by_cluster(values: Floats, labels: Any) -> tuple[Floats, Floats]:
    if labels is None:
        return values, np.ones(len(values))
    _, code = np.unique(labels, return_inverse=True)
    code = code.reshape(-1)
    sums: Floats = np.bincount(code, weights=values).astype(np.float64)
    return sums, np.bincount(code).astype(np.float64)


def _resampled_means(sums: Floats, counts: Floats, resamples: int, random: np.random.Generator) -> Floats:
    """One resample at a time: memory stays that of the items, whatever their number."""
    size = len(sums)
    means = np.empty(resamples)
    for number in range(resamples):
        drawn = random.integers(0, size, size)
        means[number] = sums[drawn].sum() / counts[drawn].sum()
    return means
