"""What a metric answers: one value per item with the items it holds for, and a mean that knows its count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Mean:
    """A mean and the number of items it was taken over; ``value`` is NaN where ``count`` is 0."""

    value: float
    count: int


@dataclass(frozen=True)
class PerItem:
    """One value per item (agent, point, pair), and which items count.

    Attributes:
        values: (items,) float64; NaN where ``valid`` is False.
        valid: (items,) bool, True where the metric is defined.
    """

    values: Floats
    valid: Bools

    @property
    def mean(self) -> Mean:
        """Mean over the valid items."""
        count = int(self.valid.sum())
        return Mean(float(self.values[self.valid].mean()) if count else float("nan"), count)


def per_item(values: Any, valid: Any) -> PerItem:
    """Pair values with their validity, NaN where invalid."""
    valid = np.asarray(valid, dtype=bool)
    return PerItem(np.where(valid, values, np.nan), valid)


def joined(parts: Sequence[PerItem]) -> PerItem:
    """The items of several parts, one after another."""
    return PerItem(np.concatenate([part.values for part in parts]), np.concatenate([part.valid for part in parts]))


def as_floats(array: Any) -> Floats:
    """Take a NumPy array, a nested list or a torch tensor (on any device) as float64."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
    return np.asarray(array, dtype=np.float64)


def as_bools(array: Any) -> Bools:
    """Take a NumPy array, a nested list or a torch tensor (on any device) as bool."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
    return np.asarray(array, dtype=bool)
