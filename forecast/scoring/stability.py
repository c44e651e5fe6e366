"""How much successive forecasts of a track differ: overlap, mode flips, end-point jitter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.core.rows import ForecastRows
from forecast.eval.matching import timing_of
from forecast.eval.overlap import (
    SuccessivePairs,
    endpoint_jitter,
    mode_flips,
    shifted_overlap,
    successive_pairs,
    transport_overlap,
)
from forecast.eval.results import Floats, PerItem, joined

#: Two most likely modes farther apart than this at the last shared time have flipped, if another one stayed near, m.
FLIP_M = 2.0


@dataclass(frozen=True)
class Stability:
    """Values per pair of successive forecasts of a track, and per track.

    Attributes:
        interval_s: seconds between the forecasts of a pair; inf where no track is forecast twice.
        candidates: forecasts that another one of their track follows, pairs or not: what coverage counts against.
        pair_track, pairs: (pairs,) the track of each, and metric → values.
        tracks, jitter: (tracks,) names, and the end-point jitter of each.
        reason: why there are no pairs, where there are none.
    """

    interval_s: float
    candidates: int
    pair_track: NDArray[np.str_]
    pairs: dict[str, PerItem]
    tracks: NDArray[np.str_]
    jitter: PerItem
    reason: str = ""


def stability(
    forecasts: ForecastRows,
    present_m: Floats,
    *,
    interval_s: float | None = None,
    tolerance_s: float | None = None,
    transport: bool = False,
) -> Stability:
    """Compare each forecast with the next one of its track (docs/temporal-consistency.md, further views).

    Args:
        forecasts: world frame.
        present_m: (rows, 2) where each agent was when it was forecast, NaN where unknown: for the jitter.
        interval_s: between successive forecasts; default: the median.
        tolerance_s: by which their distance in time may differ; default: a tenth of the leads' step.
        transport: the optimal-transport overlap of all modes too, 12 ms a pair with 25 modes.
    """
    interval = timing_of(forecasts).interval_s if interval_s is None else interval_s
    reason = ""
    try:
        pairs = successive_pairs(forecasts, interval_s=interval, tolerance_s=tolerance_s)
    except ValueError as problem:
        reason = str(problem)
        pairs = SuccessivePairs(np.zeros(0, np.int64), np.zeros(0, np.int64), 1, 0)
    values = {
        "overlap_m": shifted_overlap(forecasts, pairs),
        "mode_flip_rate": mode_flips(forecasts, pairs, tau_m=FLIP_M),
    }
    if transport:
        values["transport_overlap_m"] = transport_overlap(forecasts, pairs)
    return Stability(
        interval,
        pairs.candidates,
        forecasts.track[pairs.earlier],
        values,
        np.unique(forecasts.track),
        endpoint_jitter(forecasts, pairs, present_m),
        reason,
    )


def merged_stability(parts: Sequence[Stability]) -> Stability:
    """All parts of a file, each holding whole tracks."""
    return replace(
        parts[0],
        candidates=sum(part.candidates for part in parts),
        pair_track=np.concatenate([part.pair_track for part in parts]),
        pairs={name: joined([part.pairs[name] for part in parts]) for name in parts[0].pairs},
        tracks=np.concatenate([part.tracks for part in parts]),
        jitter=joined([part.jitter for part in parts]),
    )
