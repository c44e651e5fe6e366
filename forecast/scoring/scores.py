"""All metrics of one file of forecasts, one value per agent-sample and per target point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import ConfigError
from forecast.core.rows import ForecastRows, TruthRows, keys_of
from forecast.eval.calibration import Calibration, calibration
from forecast.eval.consistency import (
    Reading,
    SuccessiveForecasts,
    Window,
    convergence_of,
    dispersion_of,
    nothing_said,
    successive_forecasts,
)
from forecast.eval.displacement import Displacements, displacements
from forecast.eval.hardest import difficulty, kalman_forecast
from forecast.eval.matching import TOLERANCE_STEPS, NoGridError, Timing, lead_step_s, timing_of, truth_for
from forecast.eval.results import Floats, PerItem, joined
from forecast.eval.strata import Labels, strata_of_rows
from forecast.scoring.distribution_scores import distribution_scores
from forecast.scoring.motion_checks import about_motion, count_motion
from forecast.scoring.off_road_scores import Road
from forecast.scoring.reach_checks import about_ends, count_ends
from forecast.scoring.stability import Stability, merged_stability, stability
from forecast.scoring.start_checks import about_beginnings, count_beginnings
from forecast.scoring.worst_cases import Case, worst_cases, worst_first

Population = Literal["dense", "challenge-tracks", "challenge"]
KS = (1, 5, 10)
#: D and C over fewer points than this rank nothing.
FEW_POINTS = 100
RANGES_M = (0.2, 1.0, 5.0)
#: Observations, the present included, that a Kalman filter extrapolates, and that pictures show.
HISTORY = 5


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
    """

    tolerance_s: float | None = None
    minimum_leads: int | None = None
    samples: int = 200
    transport: bool = False
    road: Road | None = None
    exact_road: bool = False
    interval_s: float | None = None


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
        stability: how much successive forecasts differ.
        strata: kind → label of each agent-sample.
        worst: the agent-samples of largest minFDE_1, to draw.
        gap: why no successive forecasts could be compared, where that is so.
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
    stability: Stability
    strata: Labels
    worst: list[Case]
    gap: str = ""
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


def point_scores(
    points: SuccessiveForecasts, closest: SuccessiveForecasts, minimum_leads: int | None = None
) -> dict[str, PerItem]:
    """Temporal consistency per target point: D in its three readings and C at each range, of the most likely mode; and
    of the mode closest to the truth.

    Args:
        points: what the most likely modes said.
        closest: what the closest modes said.
        minimum_leads: see :class:`Settings`.

    Raises:
        ConfigError: there are not that many leads.
    """
    steps = points.said_m.shape[1]
    if minimum_leads is not None and not 1 <= minimum_leads <= steps:
        raise ConfigError(f"--minimum-leads {minimum_leads}: expected 1 to {steps}, the leads that are compared")
    window: Window = "full" if minimum_leads is None else "partial"

    def spread(said: SuccessiveForecasts, reading: Reading) -> PerItem:
        return dispersion_of(said.said_m, said.valid, reading=reading, window=window, minimum=minimum_leads)

    def reach(said: SuccessiveForecasts, tau_m: float) -> PerItem:
        ranges = {"tau_m": tau_m, "step_s": said.step_s}
        return convergence_of(said.said_m, said.truth_m, said.valid, **ranges, window=window, minimum=minimum_leads)

    return {
        "dispersion_m": spread(points, "mean_distance"),
        "dispersion_rms_m": spread(points, "rms"),
        "dispersion_std_of_norms_m": spread(points, "std_of_norms"),
        **{f"convergence_s.{tau:.1f}": reach(points, tau) for tau in RANGES_M},
        "closest_mode_dispersion_m": spread(closest, "mean_distance"),
        "closest_mode_dispersion_rms_m": spread(closest, "rms"),
        **{f"closest_mode_convergence_s.{tau:.1f}": reach(closest, tau) for tau in RANGES_M},
    }


def past_of(forecasts: ForecastRows, truth: TruthRows, tolerance_s: float | None) -> Floats:
    """(rows, 5, 2) where each agent was up to its issue, a step apart, the present last; NaN where unknown."""
    past_s = lead_step_s(forecasts) * np.arange(1 - HISTORY, 1)
    nowhere = np.zeros((len(forecasts), 1, HISTORY, 2))
    seen = ForecastRows(forecasts.track, forecasts.issue_time_s, past_s, nowhere, np.ones((len(forecasts), 1)))
    tolerance = TOLERANCE_STEPS * lead_step_s(forecasts) if tolerance_s is None else tolerance_s
    return truth_for(seen, truth, tolerance_s=tolerance)[0]


def score_rows(
    name: str,
    official: ForecastRows,
    temporal: ForecastRows,
    truth: TruthRows,
    settings: Settings = Settings(),
    *,
    timing: Timing | None = None,
) -> Scores:
    """Score forecasts against truth.

    Args:
        name: what to call them.
        official: the forecasts that the accuracy metrics run over.
        temporal: the forecasts that the temporal metrics run over.
        truth: where the tracks really were.
        settings: what to measure beside the defaults.
        timing: steps and intervals of the whole file, where these are a piece of it.

    Raises:
        ConfigError: the interval that was asked for does not meet the leads.
    """
    tolerance_s = settings.tolerance_s
    timing = timing or timing_of(temporal, interval_s=settings.interval_s, tolerance_s=tolerance_s)
    positions, known = truth_for(official, truth, tolerance_s=tolerance_s)
    reached = np.isfinite(official.positions_m).all(-1).any(1)
    found = displacements(official.positions_m, official.probabilities, positions)
    agents, error = agent_scores(found)
    agents |= distribution_scores(official, positions, samples=settings.samples, road=settings.road)
    if settings.road is not None:
        agents |= settings.road.rates(official.positions_m, official.probabilities)
    successive, closest, gap = _successive(temporal, truth, tolerance_s, timing.step_s)
    past = past_of(official, truth, tolerance_s)
    step_s = lead_step_s(official)
    ahead = kalman_forecast(past, step_s=step_s, horizon_s=official.own_lead_s[:, -1])
    return Scores(
        name,
        keys_of(official.track, official.issue_time_s),
        official.track,
        agents,
        point_scores(successive, closest, settings.minimum_leads),
        successive,
        official.lead_s,
        error,
        difficulty(ahead, positions[:, -1]),
        calibration(found),
        stability(
            temporal,
            past[:, -1] if temporal is official else past_of(temporal, truth, tolerance_s)[:, -1],
            interval_s=timing.interval_s,
            tolerance_s=tolerance_s,
            transport=settings.transport,
        ),
        strata_of_rows(past, positions, step_s),
        worst_cases(official, agents["min_fde_1"], past, positions),
        gap=gap,
        coverage={
            "agent_samples": len(official),
            **count_ends(official, found, positions, truth, tolerance_s),
            **count_beginnings(official, positions, past[:, -1]),
            **count_motion(official, truth),
            "agent_samples_without_truth": int((~(known & reached).any(-1)).sum()),
            "probabilities_not_summing_to_1": int((np.abs(np.nansum(official.probabilities, 1) - 1) > 1e-3).sum()),
            "forecasts": len(temporal),
            "tracks": len(np.unique(temporal.track)),
            **(settings.road.begin_near(official.positions_m) if settings.road else {}),
        },
    )


def _successive(
    temporal: ForecastRows, truth: TruthRows, tolerance_s: float | None, step_s: float
) -> tuple[SuccessiveForecasts, SuccessiveForecasts, str]:
    """What was said about each point by the most likely mode and by the closest; or why that cannot be told."""
    try:
        found = successive_forecasts(temporal, truth, step_s=step_s, tolerance_s=tolerance_s)
    except NoGridError as gap:
        return nothing_said(temporal), nothing_said(temporal), str(gap)
    return (
        found,
        successive_forecasts(temporal, truth, mode="closest", step_s=step_s, tolerance_s=tolerance_s),
        "",
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
        agents={name: joined([part.agents[name] for part in parts]) for name in first.agents},
        points={name: joined([part.points[name] for part in parts]) for name in first.points},
        successive=successive,
        error_ml_m=np.concatenate([part.error_ml_m for part in parts]),
        hardness=joined([part.hardness for part in parts]),
        calibration=_calibration_of([part.calibration for part in parts]),
        stability=merged_stability([part.stability for part in parts]),
        strata={kind: np.concatenate([part.strata[kind] for part in parts]) for kind in first.strata},
        worst=worst_first([case for part in parts for case in part.worst]),
        warnings=[line for part in parts for line in part.warnings],
        coverage={name: sum(part.coverage[name] for part in parts) for name in first.coverage},
    )


def _calibration_of(parts: Sequence[Calibration]) -> Calibration:
    count = np.sum([part.count for part in parts], axis=0)
    with np.errstate(invalid="ignore"):
        stated = np.sum([np.nan_to_num(part.stated) * part.count for part in parts], axis=0) / count
        observed = np.sum([np.nan_to_num(part.observed) * part.count for part in parts], axis=0) / count
    gap = np.nan_to_num(np.abs(stated - observed)) * count
    error = float(gap.sum() / count.sum()) if count.sum() else float("nan")
    return Calibration(parts[0].edges, stated, observed, count, error)


def finish(scores: Scores, population: Population | None = None) -> Scores:
    """Complete the coverage and add what the reader must know.

    Args:
        scores: of a whole file.
        population: of the temporal metrics, on a data set; None for rows.
    """
    used, annotated = int(scores.points["dispersion_m"].valid.sum()), len(scores.successive)
    pairs, neighbours = len(scores.stability.pair_track), scores.stability.candidates
    scores.coverage.update(
        points_annotated=annotated,
        points_used=used,
        share_of_points=used / annotated if annotated else float("nan"),
        neighbouring_issues=neighbours,
        successive_pairs=pairs,
    )
    scores.warnings.extend(about_beginnings(scores.coverage))
    scores.warnings.extend(about_motion(scores.coverage))
    if (line := _about_points(scores, used, annotated, population)) is not None:
        scores.warnings.append(line)
    if scores.stability.reason:
        scores.warnings.append(f"overlap, jitter and mode flips cannot be computed: {scores.stability.reason}")
    scores.warnings.extend(about_ends(scores))
    unnormalised, agents = scores.coverage["probabilities_not_summing_to_1"], scores.coverage["agent_samples"]
    if unnormalised:
        scores.warnings.append(f"the probabilities of {unnormalised} of {agents} agent-samples do not sum to 1")
    if used:
        scores.warnings.append(
            "dispersion alone rewards a forecaster that stubbornly repeats itself: read it beside minFDE and "
            "convergence"
        )
    return scores


def _about_points(scores: Scores, used: int, annotated: int, population: Population | None) -> str | None:
    """Whether D and C rest on too little; the challenge's own population is sparse by its nature."""
    if scores.gap:
        return f"dispersion and convergence cannot be computed: {scores.gap}"
    denser = "forecast at every step (predict and baselines: --dense)"
    if population is not None and population != "dense":
        denser += " and score with --population dense"
    points = f"{used} point{'s' * (used != 1)}"
    sparse = used < 0.2 * annotated
    if scores.successive.said_m.shape[1] < 2:
        return "dispersion cannot be computed: it compares forecasts at two leads or more, and there is one"
    if not used:
        return (
            "dispersion and convergence cannot be computed: no target point was forecast at every lead; "
            f"{denser}, or count partly forecast points (--minimum-leads)"
        )
    if used < FEW_POINTS:
        advice = f"; for more, {denser}" if population is not None or sparse else ""
        return f"dispersion and convergence rest on {points} of {annotated}: too few to compare models by{advice}"
    if population != "challenge" and sparse:
        return (
            f"dispersion and convergence rest on {points} of {annotated} annotated ones ({used / annotated:.1%}): "
            f"forecasts are issued less often than observations are made; for more, {denser}"
        )
    return None
