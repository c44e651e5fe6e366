"""The result of a metric: one value per item with the items it holds for, and a mean that knows its count."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Bool, Float64
from forecast.core.units import COARSE_M, spacing_of

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

    values: Float64[Floats, "items"]
    valid: Bool[Bools, "items"]

    @property
    def mean(self) -> Mean:
        """Mean over the valid items."""
        count = int(self.valid.sum())
        return Mean(float(self.values[self.valid].mean()) if count else float("nan"), count)

    def take(self, items: Integers | Bools) -> PerItem:
        """Some of the items: (chosen,) indices in the order given, or (items,) True for those to keep."""
        return PerItem(self.values[items], self.valid[items])


def per_item(values: Any, valid: Any) -> PerItem:
    """Pair values with their validity, NaN where invalid."""
    valid = np.asarray(valid, dtype=bool)
    return PerItem(np.where(valid, values, np.nan), valid)


def joined(parts: Sequence[PerItem]) -> PerItem:
    """The items of several parts, one after another."""
    return PerItem(np.concatenate([part.values for part in parts]), np.concatenate([part.valid for part in parts]))


def as_floats(array: Any) -> Floats:
    """Take a NumPy array, a nested list or a torch tensor (any type, on any device) as float64.

    What is masked in a masked array is unknown: NaN, never the number that lies under the mask.
    """
    return np.asarray(_plain(array, np.nan), dtype=np.float64)


def as_bools(array: Any) -> Bools:
    """Take a NumPy array, a nested list or a torch tensor (any shape, on any device) as bool; what is masked is False.

    Raises:
        ValueError: it holds something else than booleans or numbers, NaN included.
    """
    found = np.asarray(_plain(array, False))
    if found.size and (found.dtype.kind not in "biuf" or (found.dtype.kind == "f" and np.isnan(found).any())):
        raise ValueError(f"expected True and False, got {found.dtype}{' with NaN' * (found.dtype.kind == 'f')}")
    return found.astype(bool)


def _plain(array: Any, masked: float) -> Any:
    """What NumPy reads without losing a mask, a device or a type that it does not know."""
    if hasattr(array, "detach"):
        tensor = array.detach().cpu()
        return tensor.double() if tensor.is_floating_point() else tensor
    if isinstance(array, np.ma.MaskedArray):
        numbers: Any = array if array.dtype.kind == "b" else array.astype(np.float64)
        return numbers.filled(masked)
    if isinstance(array, (list, tuple)) and not all(_of_numbers(part) for part in array):
        return [_plain(part, masked) for part in array]
    return array


def _of_numbers(part: Any) -> bool:
    """Whether this is a number, or nested lists of them as far as the first one tells: nothing to look through."""
    while isinstance(part, (list, tuple)) and part:
        part = part[0]
    return isinstance(part, (bool, int, float, str)) or (isinstance(part, (list, tuple)) and not part)


def shaped(name: str, array: Any, shape: tuple[int | None, ...]) -> Floats:
    """Read an array whose shape is known, so that nothing is broadcast by accident.

    Warns where positions (a name that ends in ``_m``) come in a type too coarse for how large they are.

    Args:
        name: of the argument, for messages.
        array: see :func:`as_floats`.
        shape: lengths; None stands for any.

    Raises:
        ValueError: naming the argument, what was found and what was expected.
    """
    found = as_floats(array)
    if found.ndim != len(shape) or any(want not in (None, size) for want, size in zip(shape, found.shape, strict=True)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name}: expected shape ({wanted}), got {found.shape}")
    if name.endswith("_m"):
        _warn_of_coarse(name, str(getattr(array, "dtype", "")).rpartition(".")[2], found)
    return found


def _warn_of_coarse(name: str, dtype: str, found: Floats) -> None:
    if dtype == "float64" or not dtype:
        return
    largest = float(np.max(np.abs(found), initial=0.0, where=np.isfinite(found)))
    apart_m = spacing_of(dtype, largest)
    if apart_m > COARSE_M:
        warnings.warn(
            f"{name}: {dtype} holds positions {largest:.6g} m from the origin in steps of {apart_m:.3g} m; "
            "give float64, or positions relative to somewhere near",
            stacklevel=4,
        )


def steps_known(valid: Any, shape: tuple[int, ...], unless_given: Any) -> Bools:
    """Which steps count: as given, else where ``unless_given`` (an array of numbers, its last axis x and y) is finite.

    Raises:
        ValueError: ``valid`` is not of this shape.
    """
    if valid is None:
        finite: Bools = np.isfinite(unless_given).all(-1)
        return finite
    found = as_bools(valid)
    if found.shape != shape:
        raise ValueError(f"valid: expected shape {shape}, got {found.shape}")
    return found
