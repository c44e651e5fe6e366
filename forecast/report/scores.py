"""All metrics of one file of forecasts, one value per agent-sample and per target point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.calibration import Calibration, calibration
from forecast.eval.consistency import SuccessiveForecasts, convergence_of, dispersion_of, successive_forecasts
from forecast.eval.displacement import Displacements, displacements
from forecast.eval.distribution import nll, sample_ade, sample_fde
from forecast.eval.hardest import difficulty, kalman_forecast
from forecast.eval.matching import lead_step_s, truth_for
from forecast.eval.results import Floats, PerItem

Population = Literal["dense", "challenge-tracks", "challenge"]
KS = (1, 5, 10)
RANGES_M = (0.2, 1.0, 5.0)
#: Observations, the present included, from which the Kalman filter of the hardest agents extrapolates.
HISTORY = 5


@dataclass(frozen=True)
class Scores:
    """What was measured.

    Attributes:
        name: what the forecasts are called, e.g. the file's stem.
        agent_keys: (agents,) ``track@issue time`` of each agent-sample, to pair models by.
        agent_track: (agents,) the track of each: what the bootstrap resamples as a whole.
        agents: metric → one value per agent-sample that is scored officially.
        points: metric → one value per target point.
        successive: what successive forecasts said about each point.
        horizon_s: (steps,) leads.
        error_ml_m: (agents, steps) distance of the most likely mode; inf where unknown.
        hardness: per agent-sample, the error of a causal Kalman filter at the last lead.
        calibration: of the mode probabilities.
        warnings: what the reader must know.
        coverage: counts behind the figures.
    """

    name: str
    agent_keys: NDArray[np.str_]
    agent_track: NDArray[np.str_]
    agents: dict[str, PerItem]
    points: dict[str, PerItem]
    successive: SuccessiveForecasts
    horizon_s: Floats
    error_ml_m: Floats
    hardness: PerItem
    calibration: Calibration
    warnings: list[str] = field(default_factory=list)
    coverage: dict[str, float] = field(default_factory=dict)


def agent_scores(found: Displacements) -> tuple[dict[str, PerItem], Floats]:
    """Displacement metrics per agent-sample, and the most likely mode's distance at each step (agents, steps)."""
    scores: dict[str, PerItem] = {}
    for k in KS:
        scores[f"min_ade_{k}"] = found.min_ade_k(k)
        scores[f"min_fde_{k}"] = found.min_fde_k(k)
        scores[f"miss_rate_{k}_2m"] = found.miss_k(k)
        scores[f"brier_min_fde_{k}"] = found.brier_min_fde_k(k)
    _, likeliest = found.best_of(np.zeros_like(found.probabilities), 1)
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


def distribution_scores(forecasts: ForecastRows, truth_m: Floats) -> dict[str, PerItem]:
    """Metrics of the full distribution, as far as forecasts carry one: NLL from covariances, the rest from samples."""
    scores: dict[str, PerItem] = {}
    if forecasts.covariances_m2 is not None:
        parts = forecasts.positions_m, forecasts.probabilities, forecasts.covariances_m2
        scores["nll_nats"] = nll(*parts, truth_m)
    if forecasts.samples_m is not None:
        scores["ade_f_m"] = sample_ade(forecasts.samples_m, truth_m)
        scores["fde_f_m"] = sample_fde(forecasts.samples_m, truth_m)
    return scores


def hardness(forecasts: ForecastRows, truth: TruthRows, truth_m: Floats, tolerance_s: float | None) -> PerItem:
    """Error of a constant-velocity Kalman filter at the last lead, from what was observed up to each issue."""
    step_s = lead_step_s(forecasts)
    past_s = step_s * np.arange(1 - HISTORY, 1)
    nowhere = np.zeros((len(forecasts), 1, HISTORY, 2))
    seen = ForecastRows(forecasts.track, forecasts.issue_time_s, past_s, nowhere, np.ones((len(forecasts), 1)))
    past_m, _ = truth_for(seen, truth, tolerance_s=tolerance_s)
    ahead = kalman_forecast(past_m, step_s=step_s, horizon_s=float(forecasts.lead_s[-1]))
    return difficulty(ahead, truth_m[:, -1])


def score_rows(
    name: str,
    official: ForecastRows,
    temporal: ForecastRows,
    truth: TruthRows,
    *,
    tolerance_s: float | None = None,
    step_s: float | None = None,
) -> Scores:
    """Score forecasts against truth.

    Args:
        name: what to call them.
        official: the forecasts that the accuracy metrics run over.
        temporal: the forecasts that the temporal metrics run over.
        truth: where the tracks really were.
        tolerance_s: largest difference in time between a forecast point and its truth.
        step_s: seconds between the steps that successive forecasts are compared at.
    """
    positions, known = truth_for(official, truth, tolerance_s=tolerance_s)
    found = displacements(official.positions_m, official.probabilities, positions)
    agents, error = agent_scores(found)
    agents |= distribution_scores(official, positions)
    successive = successive_forecasts(temporal, truth, tolerance_s=tolerance_s, step_s=step_s)
    keys = np.array([f"{track}@{time:.6f}" for track, time in zip(official.track, official.issue_time_s, strict=True)])
    return Scores(
        name,
        keys,
        official.track,
        agents,
        point_scores(successive),
        successive,
        official.lead_s,
        error,
        hardness(official, truth, positions, tolerance_s),
        calibration(found),
        coverage={
            "agent_samples": len(official),
            "agent_samples_without_truth": int((~known.any(-1)).sum()),
            "probabilities_not_summing_to_1": int((np.abs(np.nansum(official.probabilities, 1) - 1) > 1e-3).sum()),
            "forecasts": len(temporal),
            "tracks": len(np.unique(temporal.track)),
        },
    )


def merged(parts: Sequence[Scores]) -> Scores:
    """Scores of all parts of a file, each holding whole tracks."""
    first = parts[0]
    if len(parts) == 1:
        return first
    points = [part.successive for part in parts]
    successive = replace(
        points[0],
        track=np.concatenate([part.track for part in points]),
        time_s=np.concatenate([part.time_s for part in points]),
        truth_m=np.concatenate([part.truth_m for part in points]),
        said_m=np.concatenate([part.said_m for part in points]),
        valid=np.concatenate([part.valid for part in points]),
    )
    return replace(
        first,
        agent_keys=np.concatenate([part.agent_keys for part in parts]),
        agent_track=np.concatenate([part.agent_track for part in parts]),
        agents={name: _joined([part.agents[name] for part in parts]) for name in first.agents},
        points={name: _joined([part.points[name] for part in parts]) for name in first.points},
        successive=successive,
        error_ml_m=np.concatenate([part.error_ml_m for part in parts]),
        hardness=_joined([part.hardness for part in parts]),
        calibration=_calibration_of([part.calibration for part in parts]),
        warnings=[line for part in parts for line in part.warnings],
        coverage={name: sum(part.coverage[name] for part in parts) for name in first.coverage},
    )


def _joined(parts: Sequence[PerItem]) -> PerItem:
    return PerItem(np.concatenate([part.values for part in parts]), np.concatenate([part.valid for part in parts]))


def _calibration_of(parts: Sequence[Calibration]) -> Calibration:
    count = np.sum([part.count for part in parts], axis=0)
    with np.errstate(invalid="ignore"):
        stated = np.sum([np.nan_to_num(part.stated) * part.count for part in parts], axis=0) / count
        observed = np.sum([np.nan_to_num(part.observed) * part.count for part in parts], axis=0) / count
    gap = np.nan_to_num(np.abs(stated - observed)) * count
    error = float(gap.sum() / count.sum()) if count.sum() else float("nan")
    return Calibration(parts[0].edges, stated, observed, count, error)


def finish(scores: Scores) -> Scores:
    """Complete the coverage and add what the reader must know."""
    used = int(scores.points["dispersion_rms_m"].valid.sum())
    annotated = len(scores.successive)
    scores.coverage.update(
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
    if scores.coverage["probabilities_not_summing_to_1"]:
        scores.warnings.append(
            f"the probabilities of {scores.coverage['probabilities_not_summing_to_1']} of "
            f"{scores.coverage['agent_samples']} agent-samples do not sum to 1"
        )
    scores.warnings.append(
        "dispersion alone rewards a forecaster that stubbornly repeats itself: read it beside minFDE and convergence"
    )
    return scores
