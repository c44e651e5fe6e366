"""Metrics of the full predicted distribution, as far as a file carries one: from covariances, or from samples."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import numpy as np

from forecast.core.rows import ForecastRows, keys_of
from forecast.eval.distribution import draw_samples
from forecast.eval.evidence import SampleEvidence
from forecast.eval.metric_list import metrics_of
from forecast.eval.metric_spec import MetricSpec
from forecast.eval.results import Floats, PerItem, joined
from forecast.scoring.road_rules import Road

#: Forecasts whose samples are held at a time.
_BLOCK = 256


def distribution_scores(
    forecasts: ForecastRows,
    truth_m: Floats,
    *,
    samples: int,
    road: Road | None = None,
    extra: tuple[MetricSpec, ...] = (),
) -> dict[str, PerItem]:
    """Metrics of samples of the full distribution, ADE-f, FDE-f and, on a map, OffR-f: of those given, or else drawn.

    Samples are drawn from covariances: a mode by its probability, then each step by its own Gaussian. The seed is a
    hash of the track and the issue time, so that neither the order nor the pieces of a file matter.

    Args:
        forecasts: with covariances, samples, both or neither; neither gives no scores.
        truth_m: (rows, steps, 2) metres, NaN where unknown.
        samples: how many to draw for each forecast.
        road: where to drive; None gives no OffR-f.
        extra: metrics from outside the list.
    """
    if forecasts.samples_m is None and forecasts.covariances_m2 is None:
        return {}
    blocks: dict[str, list[PerItem]] = {}
    for rows, drawn in _samples(forecasts, samples):
        evidence = SampleEvidence(drawn, truth_m[rows])
        found = {spec.key: spec.measure(evidence) for spec in metrics_of("samples", extra=extra)}
        if road is not None:
            found |= road.samples(drawn, extra)
        for name, part in found.items():
            blocks.setdefault(name, []).append(part)
    return {name: joined(parts) for name, parts in blocks.items()}


def _samples(forecasts: ForecastRows, count: int) -> Iterator[tuple[slice, Floats]]:
    for start in range(0, len(forecasts), _BLOCK):
        rows = slice(start, start + _BLOCK)
        if forecasts.samples_m is not None:
            yield rows, forecasts.samples_m[rows]
        else:
            yield rows, np.concatenate([_drawn(forecasts, row, count) for row in range(len(forecasts))[rows]])


def _drawn(forecasts: ForecastRows, row: int, count: int) -> Floats:
    assert forecasts.covariances_m2 is not None
    here = slice(row, row + 1)
    parts = forecasts.positions_m[here], forecasts.probabilities[here], forecasts.covariances_m2[here]
    (key,) = keys_of(forecasts.track[here], forecasts.issue_time_s[here]).tolist()
    return draw_samples(*parts, samples=count, seed=crc32(key.encode()))
