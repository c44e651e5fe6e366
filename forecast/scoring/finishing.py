"""Completes the scores of a whole file: coverage, and what the reader of its figures must know."""

from __future__ import annotations

from forecast.scoring.motion_checks import about_motion
from forecast.scoring.reach_checks import about_ends
from forecast.scoring.scores import Scores
from forecast.scoring.settings import Population
from forecast.scoring.start_checks import about_beginnings

#: D and C over fewer points than this rank nothing.
FEW_POINTS = 100


def finish(scores: Scores, population: Population | None = None) -> Scores:
    """Complete the coverage and add what the reader must know, and may.

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
    scores.warnings.extend([scores.remark] if scores.remark else [])
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
        scores.notes.append(
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
    if scores.successive.predicted_m.shape[1] < 2:
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
