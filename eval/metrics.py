"""torchmetrics classes: they only add up sums and counts, so any batch split and any number of processes agree.

Each class wraps one function of this package; ``compute`` gives the mean, ``count`` says over how many items.
Sums are float64, whatever the default type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torchmetrics import Metric

from forecast.eval.consistency import Reading, Window, convergence_of, dispersion_of
from forecast.eval.context import kl_divergence
from forecast.eval.displacement import (
    MISS_THRESHOLD_M,
    brier_min_fde_k,
    checked_k,
    min_ade_k,
    min_fde_k,
    miss_rate_k,
)
from forecast.eval.distribution import nll, sample_ade, sample_fde
from forecast.eval.drivable import DrivableArea
from forecast.eval.offroad import off_road_ml, off_road_rate
from forecast.eval.results import PerItem


class MeanMetric(Metric):
    """Mean of per-item values; subclasses say in ``items`` how to get these from a batch."""

    full_state_update = False
    total: torch.Tensor
    items_seen: torch.Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("items_seen", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def items(self, *batch: Any) -> PerItem:
        """Values of a batch, one an item."""
        raise NotImplementedError

    def update(self, *batch: Any) -> None:
        """Add a batch; its arguments are those of ``items``."""
        found = self.items(*batch)
        self.total += float(found.values[found.valid].sum())
        self.items_seen += int(found.valid.sum())

    def compute(self) -> torch.Tensor:
        """Mean over all items so far; NaN without any."""
        return self.total / self.items_seen

    @property
    def count(self) -> int:
        """Items seen by this process since the last reset."""
        return int(self.items_seen)

    def set_dtype(self, dst_type: Any) -> MeanMetric:
        """Leave the sums in float64."""
        return self

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], exclude_state: Sequence[str] = "") -> torch.nn.Module:
        """Follow the module that holds this metric to another device, never to another precision.

        A trainer of true half precision casts all it holds, and sums of half precision stop growing.
        """

        def moved(tensor: torch.Tensor) -> torch.Tensor:
            there = fn(tensor)
            return there if there.dtype == tensor.dtype else tensor.to(there.device)

        return super()._apply(moved, exclude_state)


class _TopK(MeanMetric):
    def __init__(self, k: int, **options: Any) -> None:
        super().__init__(**options)
        self.k = checked_k(k)


class MinADE(_TopK):
    """:func:`~forecast.eval.displacement.min_ade_k`: update(modes_m, probabilities, truth_m, valid=None)."""

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.displacement.min_ade_k`."""
        return min_ade_k(*batch, k=self.k)


class MinFDE(_TopK):
    """:func:`~forecast.eval.displacement.min_fde_k`: update(modes_m, probabilities, truth_m, valid=None)."""

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.displacement.min_fde_k`."""
        return min_fde_k(*batch, k=self.k)


class BrierMinFDE(_TopK):
    """:func:`~forecast.eval.displacement.brier_min_fde_k`: update(modes_m, probabilities, truth_m, valid=None)."""

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.displacement.brier_min_fde_k`."""
        return brier_min_fde_k(*batch, k=self.k)


class MissRate(_TopK):
    """:func:`~forecast.eval.displacement.miss_rate_k`: update(modes_m, probabilities, truth_m, valid=None)."""

    def __init__(self, k: int, threshold_m: float = MISS_THRESHOLD_M, **options: Any) -> None:
        super().__init__(k, **options)
        self.threshold_m = threshold_m

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.displacement.miss_rate_k`."""
        return miss_rate_k(*batch, k=self.k, threshold_m=self.threshold_m)


class OffRoadRate(MeanMetric):
    """:func:`~forecast.eval.offroad.off_road_rate`: update(modes_m, area), one map at a time."""

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.offroad.off_road_rate`."""
        modes_m, area = batch
        return off_road_rate(modes_m, _area(area))


class OffRoadML(MeanMetric):
    """:func:`~forecast.eval.offroad.off_road_ml`: update(modes_m, probabilities, area), one map at a time."""

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.offroad.off_road_ml`."""
        modes_m, probabilities, area = batch
        return off_road_ml(modes_m, probabilities, _area(area))


def _area(area: Any) -> DrivableArea:
    return area if isinstance(area, DrivableArea) else DrivableArea.of(area)


class NLL(MeanMetric):
    """:func:`~forecast.eval.distribution.nll`: update(modes_m, probabilities, covariances_m2, truth_m, valid=None)."""

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.distribution.nll`."""
        return nll(*batch)


class SampleADE(MeanMetric):
    """:func:`~forecast.eval.distribution.sample_ade`: update(samples_m, truth_m, valid=None)."""

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.distribution.sample_ade`."""
        return sample_ade(*batch)


class SampleFDE(MeanMetric):
    """:func:`~forecast.eval.distribution.sample_fde`: update(samples_m, truth_m, valid=None)."""

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.distribution.sample_fde`."""
        return sample_fde(*batch)


class ContextKL(MeanMetric):
    """:func:`~forecast.eval.context.kl_divergence`: update(with_context, without_context)."""

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.context.kl_divergence`."""
        return kl_divergence(*batch)


class Dispersion(MeanMetric):
    """:func:`~forecast.eval.consistency.dispersion_of`: update(said_m, valid=None)."""

    def __init__(
        self,
        *,
        reading: Reading = "mean_distance",
        window: Window = "full",
        minimum: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.reading, self.window, self.minimum = reading, window, minimum

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.consistency.dispersion_of`."""
        return dispersion_of(*batch, reading=self.reading, window=self.window, minimum=self.minimum)


class ConvergenceToRange(MeanMetric):
    """:func:`~forecast.eval.consistency.convergence_of`: update(said_m, truth_m, valid=None)."""

    def __init__(
        self, tau_m: float, *, step_s: float = 0.5, window: Window = "full", minimum: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.tau_m, self.step_s, self.window, self.minimum = tau_m, step_s, window, minimum

    def items(self, *batch: Any) -> PerItem:
        """See :func:`~forecast.eval.consistency.convergence_of`."""
        return convergence_of(*batch, tau_m=self.tau_m, step_s=self.step_s, window=self.window, minimum=self.minimum)
