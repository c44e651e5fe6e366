"""Settings of scoring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from forecast.eval.metric_spec import MetricSpec
from forecast.scoring.road_rules import Road

#: Over which forecasts of a data set the temporal metrics run, see docs/report.md.
Population = Literal["dense", "challenge-tracks", "challenge"]


@dataclass(frozen=True)
class Settings:
    """What to measure beside the defaults.

    Attributes:
        tolerance_s: largest difference in time between a forecast point and its truth; default: a tenth of a step.
        minimum_leads: count target points that were forecast at this many leads at least; default: at every one.
        samples: to draw from covariances for ADE-f, FDE-f and OffR-f, for each forecast.
        transport: the optimal-transport overlap of successive forecasts too.
        road: the map that rows of forecasts are on, for off-road rates.
        exact_road: judge off-road on a data set's polygons too, beside the devkit's raster.
        interval_s: between the forecasts that D, C, overlap, flips and jitter compare; default: the coarser of the
            leads' step and the median interval between issues for D and C, the latter for the others.
        by: columns that give strata too, of the truth or the forecasts; see :mod:`forecast.scoring.own_strata`.
        by_file: the table of these columns, where they stand beside; it must be given on a data set.
        metrics: from outside the list, see :func:`forecast.eval.own_metric.own_metrics`.
    """

    tolerance_s: float | None = None
    minimum_leads: int | None = None
    samples: int = 200
    transport: bool = False
    road: Road | None = None
    exact_road: bool = False
    interval_s: float | None = None
    by: tuple[str, ...] = ()
    by_file: Path | None = None
    metrics: tuple[MetricSpec, ...] = ()
