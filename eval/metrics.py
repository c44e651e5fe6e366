"""torchmetrics classes: they only add up sums and counts, so any batch split and any number of processes agree.

Each class wraps one function of this package; ``compute`` gives the mean, ``count`` says over how many items.
Sums are float64, whatever the default type. :func:`metric_of` gives the class of a key of ``report.json``.

Arrays are NumPy arrays, nested lists or tensors on any device, in one frame, metres:

* ``modes_m`` (agents, modes, steps, 2), NaN in absent modes; ``probabilities`` (agents, modes)
* ``truth_m`` (agents, steps, 2); ``valid`` (agents, steps), True where it is known (default: where it is finite)
* ``covariances_m2`` (agents, modes, steps, 2, 2); ``samples_m`` (agents, samples, steps, 2)
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
from forecast.eval.evidence import AgentEvidence
from forecast.eval.metric_list import metric
from forecast.eval.offroad import off_road_ml, off_road_rate
from forecast.eval.results import PerItem


class MeanMetric(Metric):
    """Mean of per-item values; a subclass names in ``update`` what it takes, and calls :meth:`add`."""

    full_state_update = False
    total: torch.Tensor
    items_seen: torch.Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("items_seen", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def add(self, found: PerItem) -> None:
        """Add the values of a batch, one an item."""
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


class ModesMetric(MeanMetric):
    """A metric of modes beside the truth; subclasses say in ``measure`` which."""

    def measure(self, modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None) -> PerItem:
        """One value an agent."""
        raise NotImplementedError

    def update(self, modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None) -> None:
        """Add a batch.

        Args:
            modes_m: (agents, modes, steps, 2) metres; NaN in absent modes.
            probabilities: (agents, modes); NaN in absent modes.
            truth_m: (agents, steps, 2) metres, in the same frame; NaN where unknown.
            valid: (agents, steps), True where the truth is known; default: where it is finite.
        """
        self.add(self.measure(modes_m, probabilities, truth_m, valid))


class _TopK(ModesMetric):
    def __init__(self, k: int, **options: Any) -> None:
        super().__init__(**options)
        self.k = checked_k(k)


class MinADE(_TopK):
    """Mean of :func:`~forecast.eval.displacement.min_ade_k`, metres."""

    def measure(self, modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None) -> PerItem:
        """See :func:`~forecast.eval.displacement.min_ade_k`."""
        return min_ade_k(modes_m, probabilities, truth_m, valid, k=self.k)


class MinFDE(_TopK):
    """Mean of :func:`~forecast.eval.displacement.min_fde_k`, metres."""

    def measure(self, modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None) -> PerItem:
        """See :func:`~forecast.eval.displacement.min_fde_k`."""
        return min_fde_k(modes_m, probabilities, truth_m, valid, k=self.k)


class BrierMinFDE(_TopK):
    """Mean of :func:`~forecast.eval.displacement.brier_min_fde_k`, metres."""

    def measure(self, modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None) -> PerItem:
        """See :func:`~forecast.eval.displacement.brier_min_fde_k`."""
        return brier_min_fde_k(modes_m, probabilities, truth_m, valid, k=self.k)


class MissRate(_TopK):
    """Mean of :func:`~forecast.eval.displacement.miss_rate_k`, a share."""

    def __init__(self, k: int, threshold_m: float = MISS_THRESHOLD_M, **options: Any) -> None:
        super().__init__(k, **options)
        self.threshold_m = threshold_m

    def measure(self, modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None) -> PerItem:
        """See :func:`~forecast.eval.displacement.miss_rate_k`."""
        return miss_rate_k(modes_m, probabilities, truth_m, valid, k=self.k, threshold_m=self.threshold_m)


class OffRoadRate(MeanMetric):
    """Mean of :func:`~forecast.eval.offroad.off_road_rate`, a share."""

    def update(self, modes_m: Any, area: Any) -> None:
        """Add agents that are all on one map: modes in its frame, and the map or its :class:`DrivableArea`."""
        self.add(off_road_rate(modes_m, _area(area)))


class OffRoadML(MeanMetric):
    """Mean of :func:`~forecast.eval.offroad.off_road_ml`, a share."""

    def update(self, modes_m: Any, probabilities: Any, area: Any) -> None:
        """Add agents that are all on one map: modes in its frame, and the map or its :class:`DrivableArea`."""
        self.add(off_road_ml(modes_m, probabilities, _area(area)))


def _area(area: Any) -> DrivableArea:
    return area if isinstance(area, DrivableArea) else DrivableArea.of(area)


class NLL(MeanMetric):
    """Mean of :func:`~forecast.eval.distribution.nll`, nats."""

    def update(self, modes_m: Any, probabilities: Any, covariances_m2: Any, truth_m: Any, valid: Any = None) -> None:
        """Add a batch; the arguments are those of :func:`~forecast.eval.distribution.nll`."""
        self.add(nll(modes_m, probabilities, covariances_m2, truth_m, valid))


class SampleADE(MeanMetric):
    """Mean of :func:`~forecast.eval.distribution.sample_ade`, metres."""

    def update(self, samples_m: Any, truth_m: Any, valid: Any = None) -> None:
        """Add a batch; the arguments are those of :func:`~forecast.eval.distribution.sample_ade`."""
        self.add(sample_ade(samples_m, truth_m, valid))


class SampleFDE(MeanMetric):
    """Mean of :func:`~forecast.eval.distribution.sample_fde`, metres."""

    def update(self, samples_m: Any, truth_m: Any, valid: Any = None) -> None:
        """Add a batch; the arguments are those of :func:`~forecast.eval.distribution.sample_fde`."""
        self.add(sample_fde(samples_m, truth_m, valid))


class ContextKL(MeanMetric):
    """Mean of :func:`~forecast.eval.context.kl_divergence`, nats."""

    def update(self, with_context: Any, without_context: Any) -> None:
        """Add a batch: (agents, modes) probabilities of the same modes."""
        self.add(kl_divergence(with_context, without_context))


class Dispersion(MeanMetric):
    """Mean of :func:`~forecast.eval.consistency.dispersion_of`, metres."""

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

    def update(self, predicted_m: Any, valid: Any = None) -> None:
        """Add points: (points, steps, 2) metres, what forecasts issued 1, 2, … steps before predicted for each."""
        self.add(dispersion_of(predicted_m, valid, reading=self.reading, window=self.window, minimum=self.minimum))


class ConvergenceToRange(MeanMetric):
    """Mean of :func:`~forecast.eval.consistency.convergence_of`, seconds."""

    def __init__(
        self, tau_m: float, *, step_s: float = 0.5, window: Window = "full", minimum: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.tau_m, self.step_s, self.window, self.minimum = tau_m, step_s, window, minimum

    def update(self, predicted_m: Any, truth_m: Any, valid: Any = None) -> None:
        """Add points: (points, steps, 2) metres as for :class:`Dispersion`, and where each really was, (points, 2)."""
        options: dict[str, Any] = {"window": self.window, "minimum": self.minimum}
        self.add(convergence_of(predicted_m, truth_m, valid, tau_m=self.tau_m, step_s=self.step_s, **options))


class ListedMetric(ModesMetric):
    """Any metric of the report that modes and truth are enough for: see :func:`metric_of`."""

    def __init__(self, key: str, **options: Any) -> None:
        super().__init__(**options)
        self.key = metric(key).key

    def measure(self, modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None) -> PerItem:
        """What the report measures."""
        return metric(self.key).measure(AgentEvidence(modes_m, probabilities, truth_m, valid))


def metric_of(key: str) -> ListedMetric:
    """A metric of modes beside the truth by its key in report.json, e.g. ``metric_of("min_ade_5")``.

    Raises:
        KeyError: there is no such metric, or it takes more than modes and truth.
    """
    spec = metric(key)
    if spec.source == "agents" and not spec.needs:
        return ListedMetric(key)
    instead = f"use forecast.eval.metrics.{spec.torch_class}" if spec.torch_class else "it has no class"
    raise KeyError(f"{key}: takes more than modes and truth; {instead}")
