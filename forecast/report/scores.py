"""All metrics of one file of forecasts, one value per agent-sample and per target point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.consistency import SuccessiveForecasts, convergence_of, dispersion_of, successive_forecasts
from forecast.eval.displacement import displacements
from forecast.eval.matching import truth_for
from forecast.eval.results import Floats, PerItem

Population = Literal["dense", "challenge"]
KS = (1, 5, 10)
RANGES_M = (0.2, 1.0, 5.0)


@dataclass(frozen=True)
class Scores:
    """What was measured.

    Attributes:
        name: what the forecasts are called, e.g. the file's stem.
        agent_keys: (agents,) ``track@issue time`` of each agent-sample, to pair models by.
        agents: metric → one value per agent-sample that is scored officially.
        points: metric → one value per target point.
        successive: what successive forecasts said about each point.
        horizon_s: (steps,) leads.
        error_ml_m: (agents, steps) distance of the most likely mode; inf where unknown.
        warnings: what the reader must know.
        coverage: counts behind the figures.
    """

    name: str
    agent_keys: NDArray[np.str_]
    agents: dict[str, PerItem]
    points: dict[str, PerItem]
    successive: SuccessiveForecasts
    horizon_s: Floats
    error_ml_m: Floats
    warnings: list[str] = field(default_factory=list)
    coverage: dict[str, float] = field(default_factory=dict)


def agent_scores(modes_m: Floats, probabilities: Floats, truth_m: Floats) -> tuple[dict[str, PerItem], Floats]:
    """Displacement metrics per agent-sample, and the most likely mode's distance at each step (agents, steps)."""
    found = displacements(modes_m, probabilities, truth_m)
    scores: dict[str, PerItem] = {}
    for k in KS:
        scores[f"min_ade_{k}"] = found.min_ade_k(k)
        scores[f"min_fde_{k}"] = found.min_fde_k(k)
        scores[f"miss_rate_{k}_2m"] = found.miss_k(k)
        scores[f"brier_min_fde_{k}"] = found.brier_min_fde_k(k)
    _, likeliest = found.best_of(np.zeros_like(probabilities), 1)
    error = np.take_along_axis(found.distance_m, likeliest[:, None, None], 1)[:, 0]
    return scores, error


def point_scores(points: SuccessiveForecasts, ranges_m: Sequence[float] = RANGES_M) -> dict[str, PerItem]:
    """Temporal consistency per target point: dispersion in both readings, convergence at each range."""
    scores = {
        "dispersion_rms_m": dispersion_of(points.said_m, points.valid),
        "dispersion_std_of_norms_m": dispersion_of(points.said_m, points.valid, reading="std_of_norms"),
    }
    for tau in ranges_m:
        scores[f"convergence_s.{tau:.1f}"] = convergence_of(
            points.said_m, points.truth_m, points.valid, tau_m=tau, step_s=points.step_s
        )
    return scores


def score_rows(
    name: str,
    official: ForecastRows,
    temporal: ForecastRows,
    truth: TruthRows,
    *,
    tolerance_s: float | None = None,
) -> Scores:
    """Score forecasts against truth.

    Args:
        name: what to call them.
        official: the forecasts that the accuracy metrics run over.
        temporal: the forecasts that the temporal metrics run over.
        truth: where the tracks really were.
        tolerance_s: largest difference in time between a forecast point and its truth.
    """
    positions, _ = truth_for(official, truth, tolerance_s=tolerance_s)
    agents, error = agent_scores(official.positions_m, official.probabilities, positions)
    successive = successive_forecasts(temporal, truth, tolerance_s=tolerance_s)
    keys = np.array([f"{track}@{time:.6f}" for track, time in zip(official.track, official.issue_time_s, strict=True)])
    scores = Scores(name, keys, agents, point_scores(successive), successive, official.lead_s, error)
    _add_coverage(scores, official, temporal)
    return scores


def _add_coverage(scores: Scores, official: ForecastRows, temporal: ForecastRows) -> None:
    used = int(scores.points["dispersion_rms_m"].valid.sum())
    annotated = len(scores.successive)
    scores.coverage.update(
        agent_samples=len(official),
        forecasts=len(temporal),
        tracks=len(np.unique(temporal.track)),
        points_annotated=annotated,
        points_used=used,
        share_of_points=used / annotated if annotated else float("nan"),
    )
    if not used:
        scores.warnings.append(
            "dispersion and convergence cannot be computed: no target point was forecast at every lead; "
            "forecast every key frame (--dense) to get them"
        )
    elif used < 0.2 * annotated:
        scores.warnings.append(
            f"dispersion and convergence rest on {used} of {annotated} annotated points ({used / annotated:.1%}): "
            "the forecasts are sparse; forecast every key frame (--dense) for the published population"
        )
    sums = np.nansum(official.probabilities, axis=1)
    off = int((np.abs(sums - 1) > 1e-3).sum())
    if off:
        scores.warnings.append(f"the probabilities of {off} of {len(official)} agent-samples do not sum to 1")
    scores.warnings.append(
        "dispersion alone rewards a forecaster that stubbornly repeats itself: read it beside minFDE and convergence"
    )
