"""Calibration of mode probabilities: modes of predicted probability p should be the best one in a share p of cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.core.shapes import Float64, Int64
from forecast.eval.displacement import Displacements
from forecast.eval.mergeable import add, column, same
from forecast.eval.results import Floats, Integers


@dataclass(frozen=True)
class Calibration:
    """Reliability of the mode probabilities, in bins of equal width on 0…1.

    Attributes:
        edges: (bins + 1,) of the bins, 0 to 1.
        stated_sum: (bins,) sum of the predicted probabilities of the modes in each bin.
        hits: (bins,) how many of them were the closest to the truth.
        count: (bins,) modes.
    """

    edges: Float64[Floats, "edges"] = column(same)
    stated_sum: Float64[Floats, "bins"] = column(add)
    hits: Float64[Floats, "bins"] = column(add)
    count: Int64[Integers, "bins"] = column(add)

    @property
    def stated(self) -> Float64[Floats, "bins"]:
        """(bins,) mean predicted probability of the modes in each bin; NaN where empty."""
        return self._per_mode(self.stated_sum)

    @property
    def observed(self) -> Float64[Floats, "bins"]:
        """(bins,) share of them that were the closest to the truth; NaN where empty."""
        return self._per_mode(self.hits)

    @property
    def error(self) -> float:
        """Expected calibration error: mean of abs(stated − observed), weighted by count; NaN without modes."""
        some = self.count > 0
        if not some.any():
            return float("nan")
        gap = np.abs(self.stated - self.observed)[some]
        return float((gap * self.count[some]).sum() / self.count.sum())

    def _per_mode(self, total: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            mean: Floats = total / self.count
        return mean


def calibration(found: Displacements, *, bins: int = 10) -> Calibration:
    """Compare each mode's (normalised) probability with how often it is the one of smallest mean displacement.

    Agents without a known step do not count, nor do modes of probability 0: another stands for them, or nothing is
    claimed of them. Of equally close modes the most probable one is the best.
    """
    claimed = found.probabilities > 0
    best_m, best = found.best_of(np.where(claimed, found.ade_m, np.inf), found.probabilities.shape[1])
    present = np.isfinite(best_m)[:, None] & claimed
    total = np.nansum(found.probabilities, -1, keepdims=True)
    share = (found.probabilities / np.where(total > 0, total, 1.0))[present]
    hit = (np.arange(found.probabilities.shape[1]) == best[:, None])[present]
    edges = np.linspace(0, 1, bins + 1)
    # 0.3 and 3/10 belong together, whichever is larger by rounding.
    place = np.clip(np.floor(share * bins + 1e-9).astype(np.int64), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    stated = np.bincount(place, weights=share, minlength=bins).astype(np.float64)
    hits = np.bincount(place, weights=hit, minlength=bins).astype(np.float64)
    return Calibration(edges, stated, hits, count.astype(np.int64))
