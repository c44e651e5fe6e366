"""Measures forecasts against truth, both as rows: every metric of the list, and the counts behind the figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.core.errors import ConfigError
from forecast.core.rows import ForecastRows, TruthRows, keys_of
from forecast.eval import metric_list
from forecast.eval.calibration import calibration
from forecast.eval.consistency import SuccessiveForecasts, nothing_predicted, successive_forecasts
from forecast.eval.displacement import Displacements
from forecast.eval.evidence import AgentEvidence, PointEvidence
from forecast.eval.hardest import difficulty, kalman_forecast
from forecast.eval.matching import TOLERANCE_STEPS, NoGridError, Timing, lead_step_s, timing_of, truth_for
from forecast.eval.metric_list import metrics_of
from forecast.eval.results import Floats, PerItem
from forecast.eval.strata import strata_of_rows
from forecast.scoring.distribution_scores import distribution_scores
from forecast.scoring.motion_checks import count_motion
from forecast.scoring.reach_checks import count_ends
from forecast.scoring.scores import Scores
from forecast.scoring.settings import Settings
from forecast.scoring.stability import stability
from forecast.scoring.start_checks import count_beginnings
from forecast.scoring.worst_cases import worst_cases

#: Observations, the present included, that a Kalman filter extrapolates, and that pictures show.
HISTORY = 5


@dataclass(frozen=True)
class SuccessivePoints:
    """What successive forecasts predicted for each target point; or why that is unknown.

    Attributes:
        likeliest, closest: by the most likely mode, and by the mode closest to the truth.
        gap: why there is nothing; empty where there is.
    """

    likeliest: SuccessiveForecasts
    closest: SuccessiveForecasts
    gap: str = ""


def score_rows(
    name: str,
    official: ForecastRows,
    temporal: ForecastRows,
    truth: TruthRows,
    settings: Settings = Settings(),  # noqa: B008 frozen
    *,
    timing: Timing | None = None,
) -> Scores:
    """Score forecasts against truth.

    Args:
        name: what to call them.
        official, temporal: the forecasts that the accuracy metrics, and that the temporal metrics, run over.
        truth: where the tracks really were.
        settings: what to measure beside the defaults.
        timing: steps and intervals of the whole file, where these are a piece of it.

    Raises:
        ConfigError: the interval that was asked for does not meet the leads.
    """
    timing = timing or timing_of(temporal, interval_s=settings.interval_s, tolerance_s=settings.tolerance_s)
    truth_m, _ = truth_for(official, truth, tolerance_s=settings.tolerance_s)
    past_m = past_of(official, truth, settings.tolerance_s)
    present_m = past_m[:, -1] if temporal is official else past_of(temporal, truth, settings.tolerance_s)[:, -1]
    evidence = AgentEvidence(official.positions_m, official.probabilities, truth_m, None, official.covariances_m2)
    agents = agent_scores(evidence, official, settings)
    said = _successive(temporal, truth, settings.tolerance_s, timing.step_s)
    return Scores(
        name=name,
        agent_keys=keys_of(official.track, official.issue_time_s),
        agent_track=official.track,
        agents=agents,
        points=point_scores(said, settings),
        successive=said.likeliest,
        horizon_s=official.lead_s,
        error_ml_m=error_of_likeliest(evidence.displacements),
        hardness=_hardness(official, past_m, truth_m),
        calibration=calibration(evidence.displacements),
        stability=stability(
            temporal,
            present_m,
            interval_s=timing.interval_s,
            tolerance_s=settings.tolerance_s,
            transport=settings.transport,
            extra=settings.metrics,
        ),
        strata=strata_of_rows(past_m, truth_m, lead_step_s(official)),
        worst=worst_cases(official, agents["min_fde_1"], past_m, truth_m),
        remark=official.remark,
        gap=said.gap,
        coverage={
            "agent_samples": len(official),
            **count_ends(official, evidence.displacements, truth_m, truth, settings.tolerance_s),
            **count_beginnings(official, truth_m, past_m[:, -1]),
            **count_motion(official, truth),
            **_counts(official, temporal, truth_m),
            **(settings.road.begin_near(official.positions_m) if settings.road else {}),
        },
    )


def _hardness(official: ForecastRows, past_m: Floats, truth_m: Floats) -> PerItem:
    """How far a causal Kalman filter is off at the last lead, metres."""
    step_s, horizon_s = lead_step_s(official), official.own_lead_s[:, -1]
    return difficulty(kalman_forecast(past_m, step_s=step_s, horizon_s=horizon_s), truth_m[:, -1])


def _counts(official: ForecastRows, temporal: ForecastRows, truth_m: Floats) -> dict[str, int]:
    known, reached = np.isfinite(truth_m).all(-1), np.isfinite(official.positions_m).all(-1).any(1)
    return {
        "agent_samples_without_truth": int((~(known & reached).any(-1)).sum()),
        "probabilities_not_summing_to_1": int((np.abs(np.nansum(official.probabilities, 1) - 1) > 1e-3).sum()),
        "forecasts": len(temporal),
        "tracks": len(np.unique(temporal.track)),
    }


def agent_scores(evidence: AgentEvidence, forecasts: ForecastRows, settings: Settings) -> dict[str, PerItem]:
    """The metrics of agent-samples, by key, in the order of the list; off-road rates only on ``settings.road``.

    Args:
        evidence: the forecasts beside their truth.
        forecasts: the same, with samples where they have some.
        settings: what to measure.
    """
    extra, road = settings.metrics, settings.road
    found = {
        spec.key: spec.measure(evidence)
        for spec in metrics_of("agents", extra=extra)
        if "covariances" not in spec.needs or evidence.covariances_m2 is not None
    }
    found |= distribution_scores(forecasts, evidence.truth_m, samples=settings.samples, road=road, extra=extra)
    if road is not None:
        found |= road.rates(forecasts.positions_m, forecasts.probabilities, extra)
    return {spec.key: found[spec.key] for spec in (*metric_list.METRICS, *extra) if spec.key in found}


def error_of_likeliest(found: Displacements) -> Floats:
    """(agents, steps) distance of the most likely mode at each step, metres; inf where unknown."""
    _, likeliest = found.best_of(np.zeros_like(found.probabilities), 1)
    error: Floats = np.take_along_axis(found.distance_m, likeliest[:, None, None], 1)[:, 0]
    return error


def point_scores(said: SuccessivePoints, settings: Settings) -> dict[str, PerItem]:
    """The metrics of target points, by key, in the order of the list.

    Raises:
        ConfigError: there are not as many leads as ``settings.minimum_leads``.
    """
    minimum, steps = settings.minimum_leads, said.likeliest.predicted_m.shape[1]
    if minimum is not None and not 1 <= minimum <= steps:
        raise ConfigError(f"--minimum-leads {minimum}: expected 1 to {steps}, the leads that are compared")
    evidence = {
        source: PointEvidence(points, "full" if minimum is None else "partial", minimum)
        for source, points in (("points", said.likeliest), ("closest points", said.closest))
    }
    wanted = metrics_of("points", "closest points", extra=settings.metrics)
    return {spec.key: spec.measure(evidence[spec.source]) for spec in wanted}


def past_of(forecasts: ForecastRows, truth: TruthRows, tolerance_s: float | None) -> Floats:
    """(rows, 5, 2) metres, where each agent was up to its issue, a step apart, the present last; NaN where unknown."""
    past_s = lead_step_s(forecasts) * np.arange(1 - HISTORY, 1)
    nowhere = np.zeros((len(forecasts), 1, HISTORY, 2))
    seen = ForecastRows(forecasts.track, forecasts.issue_time_s, past_s, nowhere, np.ones((len(forecasts), 1)))
    tolerance = TOLERANCE_STEPS * lead_step_s(forecasts) if tolerance_s is None else tolerance_s
    return truth_for(seen, truth, tolerance_s=tolerance)[0]


def _successive(temporal: ForecastRows, truth: TruthRows, tolerance_s: float | None, step_s: float) -> SuccessivePoints:
    try:
        found = successive_forecasts(temporal, truth, step_s=step_s, tolerance_s=tolerance_s)
    except NoGridError as gap:
        return SuccessivePoints(nothing_predicted(temporal), nothing_predicted(temporal), str(gap))
    closest = successive_forecasts(temporal, truth, mode="closest", step_s=step_s, tolerance_s=tolerance_s)
    return SuccessivePoints(found, closest)
