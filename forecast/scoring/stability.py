"""How much successive forecasts of a track differ: overlap, mode flips, end-point jitter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.rows import ForecastRows
from forecast.eval.evidence import PairEvidence
from forecast.eval.matching import timing_of
from forecast.eval.mergeable import add, column, concatenate, first_given, same
from forecast.eval.metric_list import metrics_of
from forecast.eval.metric_spec import MetricSpec, Source
from forecast.eval.overlap import SuccessivePairs, successive_pairs
from forecast.eval.results import Floats, PerItem
from forecast.eval.revisions import revisions_by_track


@dataclass(frozen=True)
class Stability:
    """Values per pair of successive forecasts of a track, and per track.

    Attributes:
        interval_s: seconds between the forecasts of a pair; inf where no track is forecast twice.
        candidates: forecasts that another one of their track follows, pairs or not: what coverage counts against.
        pair_track, pairs: (pairs,) the track of each, and metric → values.
        tracks, of_tracks: (tracks,) names, and metric → values.
        revisions_m2: (tracks, 3) see :func:`forecast.eval.revisions.revisions_by_track`.
        reason: why there are no pairs, where there are none.
    """

    interval_s: float = column(same)
    candidates: int = column(add)
    pair_track: NDArray[np.str_] = column(concatenate, items="pairs")
    pairs: dict[str, PerItem] = column(concatenate, items="pairs")
    tracks: NDArray[np.str_] = column(concatenate, items="tracks")
    of_tracks: dict[str, PerItem] = column(concatenate, items="tracks")
    revisions_m2: Floats = column(concatenate, items="tracks")
    reason: str = column(first_given, default="")


def stability(
    forecasts: ForecastRows,
    present_m: Floats,
    *,
    interval_s: float | None = None,
    tolerance_s: float | None = None,
    transport: bool = False,
    extra: tuple[MetricSpec, ...] = (),
) -> Stability:
    """Compare each forecast with the next one of its track (docs/temporal-consistency.md, further views).

    Args:
        forecasts: world frame.
        present_m: (rows, 2) where each agent was when it was forecast, NaN where unknown: for the jitter.
        interval_s: between successive forecasts; default: the median.
        tolerance_s: by which their distance in time may differ; default: a tenth of the leads' step.
        transport: the optimal-transport overlap of all modes too, 12 ms a pair with 25 modes.
        extra: metrics from outside the list.
    """
    interval = timing_of(forecasts).interval_s if interval_s is None else interval_s
    reason = ""
    try:
        pairs = successive_pairs(forecasts, interval_s=interval, tolerance_s=tolerance_s)
    except ValueError as problem:
        reason = str(problem)
        pairs = SuccessivePairs(np.zeros(0, np.int64), np.zeros(0, np.int64), 1, 0)
    evidence = PairEvidence(forecasts, pairs, present_m)
    asked: tuple[Source, ...] = ("pairs", "slow pairs") if transport else ("pairs",)
    return Stability(
        interval,
        pairs.candidates,
        forecasts.track[pairs.earlier],
        {spec.key: spec.measure(evidence) for spec in metrics_of(*asked, extra=extra)},
        np.unique(forecasts.track),
        {spec.key: spec.measure(evidence) for spec in metrics_of("tracks", extra=extra)},
        revisions_by_track(forecasts, pairs),
        reason,
    )
