"""Displacement metrics of multimodal forecasts, per agent: minADE_k, minFDE_k, miss rate, Brier-minFDE, ADE-ML, FDE-ML.

All take ``modes_m`` (agents, modes, steps, 2) and ``truth_m`` (agents, steps, 2) in one frame, metres (float64 where
that frame is the world), ``probabilities`` (agents, modes), and ``valid`` (agents, steps), True where the truth is
known (default: where ``truth_m`` is finite). NumPy arrays, nested lists and torch tensors will do. A mode of NaN
positions or of NaN probability is one that the agent does not have. A mode that is NaN at a step which another mode of
the agent reaches ends early: it is compared with nothing, so that a forecast of one near point cannot win over
forecasts of the whole horizon. Where such a mode is among the k most probable ones, the others compete; where all of
them are, the agent does not count. Ties in probability go to the lower mode index.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import index
from typing import Any

import numpy as np

from forecast.core.shapes import Bool, Float64, Int64
from forecast.eval.results import Bools, Floats, Integers, PerItem, as_floats, per_item, shaped, steps_known

MISS_THRESHOLD_M = 2.0
_CHUNK = 64


def rank_modes(probabilities: Any) -> Int64[Integers, "agents modes"]:
    """(agents, modes) indices of the modes, most probable first; ties keep their order, absent modes come last."""
    wanted = as_floats(probabilities)
    return np.argsort(np.where(np.isnan(wanted), np.inf, -wanted), axis=-1, kind="stable")


def likeliest(probabilities: Any) -> Int64[Integers, "agents"]:
    """(agents,) index of the most probable mode, the lowest index among equals."""
    wanted = as_floats(probabilities)
    best: Integers = np.where(np.isnan(wanted), -np.inf, wanted).argmax(axis=-1)
    return best


def checked_k(k: int) -> int:
    """How many of the most probable modes to look at.

    Raises:
        ValueError: no whole number of 1 or more.
    """
    try:
        whole = index(k)
    except TypeError:
        whole = 0
    if whole < 1:
        raise ValueError(f"expected k >= 1, a whole number, got {k!r}")
    return whole


@dataclass(frozen=True)
class Displacements:
    """Distances of all modes to the truth, computed once and read by every displacement metric.

    Attributes:
        distance_m: (agents, modes, steps) float64; inf at steps that do not count.
        known: (agents, modes, steps) bool, where both mode and truth are known.
        reached: (agents, modes, steps) bool, where the mode has a position.
        probabilities: (agents, modes), NaN in absent modes.
    """

    distance_m: Float64[Floats, "agents modes steps"]
    known: Bool[Bools, "agents modes steps"]
    reached: Bool[Bools, "agents modes steps"]
    probabilities: Float64[Floats, "agents modes"]

    @cached_property
    def _order(self) -> Integers:
        return rank_modes(self.probabilities)

    @cached_property
    def ends_early(self) -> Bool[Bools, "agents modes"]:
        """(agents, modes) modes that lack a step which another mode of the agent reaches; they do not compete."""
        if self._everywhere:
            return np.zeros(self.probabilities.shape, dtype=bool)
        there = self.reached.any(-1) & ~np.isnan(self.probabilities)
        longest = (self.reached & there[..., None]).any(1, keepdims=True)
        early: Bools = there & (self.reached != longest).any(-1)
        return early

    @cached_property
    def _present(self) -> Bools:
        """(agents, modes) modes that are compared."""
        present: Bools = self.known.any(-1) & ~np.isnan(self.probabilities) & ~self.ends_early
        return present

    @cached_property
    def _everywhere(self) -> bool:
        return bool(self.known.all()) and not np.isnan(self.probabilities).any()

    @cached_property
    def ade_m(self) -> Float64[Floats, "agents modes"]:
        """(agents, modes) mean distance over the known steps; inf in modes that are absent or end early."""
        if self._everywhere:
            steps = self.distance_m.shape[-1]
            mean: Floats = self.distance_m @ np.full(steps, 1 / steps)
            return mean
        total = np.where(self.known, self.distance_m, 0.0).sum(-1)
        return np.where(self._present, total / np.maximum(self.known.sum(-1), 1), np.inf)

    @cached_property
    def worst_m(self) -> Float64[Floats, "agents modes"]:
        """(agents, modes) largest distance over the known steps; inf in modes that are absent or end early."""
        if self._everywhere:
            return reduce(np.maximum, np.moveaxis(self.distance_m, -1, 0))
        return np.where(self._present, np.where(self.known, self.distance_m, -np.inf).max(-1), np.inf)

    def fde_m(self, *, last_valid: bool = False) -> Float64[Floats, "agents modes"]:
        """(agents, modes) distance at the last step, or at the last known one; inf where unknown."""
        if self._everywhere:
            return self.distance_m[..., -1]
        if not last_valid:
            return np.where(self._present, self.distance_m[..., -1], np.inf)
        steps = self.known.shape[-1]
        last = steps - 1 - self.known[..., ::-1].argmax(-1)
        at_last = np.take_along_axis(self.distance_m, last[..., None], -1)[..., 0]
        return np.where(self._present, at_last, np.inf)

    def best_of(
        self, score: Float64[Floats, "agents modes"], k: int
    ) -> tuple[Float64[Floats, "agents"], Int64[Integers, "agents"]]:
        """Smallest score among the k most probable modes, and that mode; absent ones and short ones never win.

        Args:
            score: (agents, modes) e.g. metres.
            k: how many of the most probable modes compete.

        Returns:
            (agents,) scores, and (agents,) indices of modes.

        Raises:
            ValueError: k is less than 1.
        """
        order = self._order[:, : checked_k(k)]
        ranked = np.take_along_axis(np.where(self._present, score, np.inf), order, -1)
        place = ranked.argmin(-1)[:, None]
        return np.take_along_axis(ranked, place, -1)[:, 0], np.take_along_axis(order, place, -1)[:, 0]

    def _smallest(self, score: Floats, k: int) -> Floats:
        """(agents,) smallest score among the k most probable modes."""
        order = self._order[:, : checked_k(k)]
        present = score if self._everywhere else np.where(self._present, score, np.inf)
        ranked = present[np.arange(len(order))[:, None], order]
        return reduce(np.minimum, ranked.T)

    def min_ade_k(self, k: int) -> PerItem:
        """See :func:`min_ade_k`."""
        best = self._smallest(self.ade_m, k)
        return per_item(best, np.isfinite(best))

    def min_fde_k(self, k: int, *, last_valid: bool = False) -> PerItem:
        """See :func:`min_fde_k`."""
        best = self._smallest(self.fde_m(last_valid=last_valid), k)
        return per_item(best, np.isfinite(best))

    def miss_k(self, k: int, threshold_m: float = MISS_THRESHOLD_M) -> PerItem:
        """See :func:`miss_rate_k`."""
        if not (np.isfinite(threshold_m) and threshold_m >= 0):
            raise ValueError(f"threshold_m: expected finite metres, 0 or more, got {threshold_m}")
        best = self._smallest(self.worst_m, k)
        return per_item(best >= threshold_m, np.isfinite(best))

    def brier_min_fde_k(self, k: int, *, last_valid: bool = False) -> PerItem:
        """See :func:`brier_min_fde_k`."""
        best, mode = self.best_of(self.fde_m(last_valid=last_valid), k)
        total = np.nansum(self.probabilities, -1)
        share = np.take_along_axis(self.probabilities, mode[:, None], -1)[:, 0] / np.where(total > 0, total, 1.0)
        missing = 1.0 - share
        return per_item(best + missing**2, np.isfinite(best))

    def until(self, steps: int) -> Displacements:
        """The same up to and including a step, 1 … steps.

        Raises:
            ValueError: there are not that many steps.
        """
        available = self.distance_m.shape[-1]
        if not 1 <= steps <= available:
            raise ValueError(f"expected 1 to {available} steps, got {steps}")
        distance, known, reached = self.distance_m, self.known, self.reached
        return Displacements(distance[..., :steps], known[..., :steps], reached[..., :steps], self.probabilities)


def displacements(modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None) -> Displacements:
    """Measure all modes against the truth.

    Raises:
        ValueError: shapes do not fit each other.
    """
    modes = shaped("modes_m", modes_m, (None, None, None, 2))
    agents, _, steps, _ = modes.shape
    truth = shaped("truth_m", truth_m, (agents, steps, 2))
    wanted = shaped("probabilities", probabilities, modes.shape[:2])
    if (wanted < 0).any():
        raise ValueError(f"probabilities: expected 0 or more, got {np.nanmin(wanted):g}")
    distance = _distances(modes, truth)
    steps_valid = None if valid is None else steps_known(valid, truth.shape[:2], truth)
    if not np.isnan(distance.sum()) and (steps_valid is None or steps_valid.all()):
        everywhere = np.broadcast_to(np.True_, distance.shape)
        return Displacements(distance, everywhere, everywhere, wanted)
    known = ~np.isnan(distance)
    if steps_valid is not None:
        known &= steps_valid[:, None]
    distance[~known] = np.inf
    reached: Bools = ~np.isnan(modes).any(-1)
    return Displacements(distance, known, reached, wanted)


def _distances(modes: Floats, truth: Floats) -> Floats:
    """(agents, modes, steps), a few agents at a time: what is in between stays in the processor's cache."""
    distance = np.empty(modes.shape[:-1])
    for start in range(0, len(modes), _CHUNK):
        part = slice(start, start + _CHUNK)
        offset = modes[part] - truth[part, None]
        offset *= offset
        np.add(offset[..., 0], offset[..., 1], out=distance[part])
    return np.sqrt(distance, out=distance)


def min_ade_k(modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None, *, k: int) -> PerItem:
    """Smallest mean displacement over the k most probable modes (nuScenes ``MinADEK``); k beyond the modes uses all.

    The mean runs over the known steps; an agent with none does not count.
    """
    return displacements(modes_m, probabilities, truth_m, valid).min_ade_k(k)


def min_fde_k(
    modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None, *, k: int, last_valid: bool = False
) -> PerItem:
    """Smallest displacement at the last step over the k most probable modes (nuScenes ``MinFDEK``).

    An agent whose last step is unknown does not count, unless ``last_valid`` asks for the last known step.
    """
    return displacements(modes_m, probabilities, truth_m, valid).min_fde_k(k, last_valid=last_valid)


def miss_rate_k(
    modes_m: Any,
    probabilities: Any,
    truth_m: Any,
    valid: Any = None,
    *,
    k: int,
    threshold_m: float = MISS_THRESHOLD_M,
) -> PerItem:
    """1 where each of the k most probable modes is *somewhere* at least 2 m off (nuScenes ``MissRateTopK``), else 0."""
    return displacements(modes_m, probabilities, truth_m, valid).miss_k(k, threshold_m)


def brier_min_fde_k(
    modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None, *, k: int, last_valid: bool = False
) -> PerItem:
    """minFDE_k plus (1 − p)² of the mode that attains it (Argoverse 2's brier-minFDE), p normalised over the modes."""
    return displacements(modes_m, probabilities, truth_m, valid).brier_min_fde_k(k, last_valid=last_valid)


def ade_ml(
    modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None, *, horizon_steps: int | None = None
) -> PerItem:
    """Mean displacement of the most likely mode up to a step (CAB paper, table 1: ADE-ML); default: all steps."""
    found = displacements(modes_m, probabilities, truth_m, valid)
    return (found if horizon_steps is None else found.until(horizon_steps)).min_ade_k(1)


def fde_ml(
    modes_m: Any, probabilities: Any, truth_m: Any, valid: Any = None, *, horizon_steps: int | None = None
) -> PerItem:
    """Displacement of the most likely mode at a step (CAB paper, table 1: FDE-ML); default: the last one."""
    found = displacements(modes_m, probabilities, truth_m, valid)
    return (found if horizon_steps is None else found.until(horizon_steps)).min_fde_k(1)
