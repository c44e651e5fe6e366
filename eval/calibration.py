"""Whether a mode said to have probability p is the best one in a share p of the cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.eval.displacement import Displacements
from forecast.eval.results import Floats, Integers


@dataclass(frozen=True)
class Calibration:
    """Reliability of the mode probabilities, in bins of equal width on 0…1.

    Attributes:
        edges: (bins + 1,).
        stated: (bins,) mean probability of the modes in each bin; NaN where empty.
        observed: (bins,) share of them that were the closest to the truth; NaN where empty.
        count: (bins,) modes.
        error: expected calibration error: mean of |stated − observed|, weighted by count; NaN without modes.
    """

    edges: Floats
    stated: Floats
    observed: Floats
    count: Integers
    error: float


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
    with np.errstate(invalid="ignore"):
        stated = np.bincount(place, weights=share, minlength=bins) / count
        observed = np.bincount(place, weights=hit, minlength=bins) / count
    gap = np.abs(stated - observed)[count > 0]
    error = float((gap * count[count > 0]).sum() / count.sum()) if count.sum() else float("nan")
    return Calibration(edges, stated, observed, count.astype(np.int64), error)
