"""Revision efficiency: do the changes from forecast to forecast say what the next change will be?

A rational forecaster cannot know how it will change its mind (Nordhaus 1987, Forecasting efficiency: concepts and
applications, The Review of Economics and Statistics 69(4)): successive revisions of the mean forecast are uncorrelated.
They are negatively correlated where forecasts flicker, positively where they are stubborn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.core.rows import ForecastRows
from forecast.core.shapes import Float64
from forecast.eval.overlap import SuccessivePairs, chains
from forecast.eval.results import Floats, Integers, PerItem, per_item


@dataclass(frozen=True)
class Revisions:
    """Sums over two successive revisions of what is forecast for the same times.

    Attributes:
        track: (chains,) row of a forecast of the track that each is of.
        product_m2: (chains,) Σ r_s · r_{s−Δ}.
        later_m2, earlier_m2: (chains,) Σ ‖r_s‖² and Σ ‖r_{s−Δ}‖².
    """

    track: Integers
    product_m2: Float64[Floats, "chains"]
    later_m2: Float64[Floats, "chains"]
    earlier_m2: Float64[Floats, "chains"]


def mean_path_m(forecasts: ForecastRows) -> Float64[Floats, "rows steps 2"]:
    """The mean of the modes by their probabilities, metres; NaN where a mode of it is not known."""
    odds = np.where(np.isfinite(forecasts.probabilities), forecasts.probabilities, 0.0)
    odds = odds / np.maximum(odds.sum(1, keepdims=True), 1e-300)
    weighted = np.where(odds[..., None, None] > 0, odds[..., None, None] * forecasts.positions_m, 0.0)
    found: Floats = np.where(forecasts.known[:, None, None], weighted.sum(1), np.nan)
    return found


def revisions(forecasts: ForecastRows, pairs: SuccessivePairs) -> Revisions:
    """Of every three forecasts in a row, at the absolute times that all three speak of.

    All issued forecasts count: none is left out for what was observed later.

    Args:
        forecasts: world frame.
        pairs: as :func:`forecast.eval.overlap.successive_pairs` gives them.
    """
    mean_m = mean_path_m(forecasts)
    first, middle, last = chains(len(forecasts), pairs)
    shared = max(mean_m.shape[1] - 2 * pairs.shift, 0)
    ends = [
        mean_m[rows, ahead * pairs.shift : ahead * pairs.shift + shared]
        for rows, ahead in ((first, 2), (middle, 1), (last, 0))
    ]
    earlier, later = ends[1] - ends[0], ends[2] - ends[1]
    known = np.isfinite(earlier).all(-1) & np.isfinite(later).all(-1)
    earlier, later = (np.where(known[..., None], one, 0.0) for one in (earlier, later))
    return Revisions(first, (earlier * later).sum((1, 2)), (later**2).sum((1, 2)), (earlier**2).sum((1, 2)))


def revisions_by_track(forecasts: ForecastRows, pairs: SuccessivePairs) -> Float64[Floats, "tracks 3"]:
    """Sums of each track, in the order of their names: Σ r_s · r_{s−Δ}, Σ ‖r_s‖², Σ ‖r_{s−Δ}‖², m²."""
    found = revisions(forecasts, pairs)
    names, code = np.unique(forecasts.track, return_inverse=True)
    code = code.reshape(-1)[found.track]
    sums = (found.product_m2, found.later_m2, found.earlier_m2)
    # Without any chain bincount gives whole numbers.
    return np.stack([np.bincount(code, weights=one, minlength=len(names)).astype(np.float64) for one in sums], -1)


def revision_efficiency(by_track_m2: Float64[Floats, "tracks 3"]) -> PerItem:
    """Each track's share of ρ, so that their mean is ρ = Σ r_s · r_{s−Δ} / √(Σ‖r_s‖² Σ‖r_{s−Δ}‖²) over all tracks.

    A mean of each track's own ρ would not be 0 for a rational forecaster. A track counts where it was revised twice.

    Args:
        by_track_m2: of :func:`revisions_by_track`, of all tracks, m².
    """
    counted = (by_track_m2[:, 1:] > 0).any(1)
    _, later, earlier = by_track_m2[counted].mean(0) if counted.any() else np.zeros(3)
    size = np.sqrt(later * earlier)
    return per_item(by_track_m2[:, 0] / (size if size > 0 else 1.0), counted & (size > 0))


def revision_correlation(forecasts: ForecastRows, pairs: SuccessivePairs) -> float:
    """ρ over all chains of all tracks; NaN where nothing was revised twice."""
    return revision_efficiency(revisions_by_track(forecasts, pairs)).mean.value
