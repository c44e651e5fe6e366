"""How far forecasts reach, and their truth: on how many the figures at the last step rest, and why not on all."""

from __future__ import annotations

import numpy as np

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.displacement import Displacements
from forecast.eval.matching import TOLERANCE_STEPS, lead_step_s
from forecast.eval.results import Floats, Integers
from forecast.scoring.scores import Scores

_KEYS = (
    "points_forecast_while_observed",
    "points_without_an_observation",
    "observed_to_the_last_lead",
    "forecast_shorter",
    "unmatched_at_the_last_lead",
    "agent_samples_with_short_modes",
    "agent_samples_with_short_samples",
)
#: Share of the forecast points without an observation from which on it is said.
_FEW = 0.01


def count_ends(
    forecasts: ForecastRows, found: Displacements, truth_m: Floats, truth: TruthRows, tolerance_s: float | None
) -> dict[str, int]:
    """Count forecasts by how far they and their truth reach.

    Args:
        forecasts: (rows).
        found: their displacements.
        truth_m: (rows, steps, 2) matched truth, NaN where there is none.
        truth: all observations, to tell a track that ended from one that was not observed at the right time.
        tolerance_s: within which times were matched; default: a tenth of a step.

    Returns:
        Keys of the report's ``coverage``: forecast points up to the end of their track, and those of them without an
        observation within the tolerance; forecasts whose track is observed up to their last lead or beyond; of these,
        those with no mode that reaches it, and those without an observation there; forecasts with modes of uneven
        length, and with samples of uneven length.
    """
    if not len(forecasts):
        return dict.fromkeys(_KEYS, 0)
    tolerance = TOLERANCE_STEPS * lead_step_s(forecasts) if tolerance_s is None else tolerance_s
    last_s = _last_seen_s(forecasts, truth) + tolerance + 1e-6
    within = forecasts.own_lead_s + forecasts.issue_time_s[:, None] <= last_s[:, None]
    reached_at = np.isfinite(forecasts.positions_m).all(-1).any(1)
    matched_at = np.isfinite(truth_m).all(-1)
    observed, reaches, matched = within[:, -1], reached_at[:, -1], matched_at[:, -1]
    uneven_samples = 0
    if forecasts.samples_m is not None:
        reached = np.isfinite(forecasts.samples_m).all(-1)
        drawn = reached.any(-1, keepdims=True)
        uneven_samples = int((drawn & (reached != reached.any(1, keepdims=True))).any((1, 2)).sum())
    counts = (
        (within & reached_at).sum(),
        (within & reached_at & ~matched_at).sum(),
        observed.sum(),
        (observed & ~reaches).sum(),
        (observed & reaches & ~matched).sum(),
        found.ends_early.any(1).sum(),
        uneven_samples,
    )
    return dict(zip(_KEYS, map(int, counts), strict=True))


def _last_seen_s(forecasts: ForecastRows, truth: TruthRows) -> Floats:
    """(rows,) time of the last observation of each forecast's track; −inf where there is none."""
    names, code = np.unique(truth.track, return_inverse=True)
    last = np.full(len(names) + 1, -np.inf)
    np.maximum.at(last, code.reshape(-1), truth.time_s)
    place: Integers = np.searchsorted(names, forecasts.track)
    known = place < len(names)
    known[known] = names[place[known]] == forecasts.track[known]
    seen: Floats = last[np.where(known, place, len(names))]
    return seen


def about_ends(scores: Scores) -> list[str]:
    """What must be said where figures rest on a part of the forecasts, or modes on a part of the horizon."""
    points, missed, observed, shorter, unmatched, short_modes, short_samples = (
        int(scores.coverage[key]) for key in _KEYS
    )
    agents, counted = int(scores.coverage["agent_samples"]), scores.agents["min_fde_1"].mean.count
    last_s = float(scores.horizon_s[-1])
    said: list[str] = []
    if counted < observed:
        reasons = [f"{shorter} end before it" * bool(shorter)]
        reasons += [f"{unmatched} have no observation within the tolerance there" * bool(unmatched)]
        others = observed - counted - shorter - unmatched
        reasons += [f"in {others} the most likely mode ends before it" * (others > 0)]
        said.append(
            f"minFDE, and what else needs the last lead ({last_s:g} s), rests on {counted} of the {observed} forecasts "
            f"whose track is observed that long: {', '.join(reason for reason in reasons if reason)}"
        )
    if missed > _FEW * points:
        said.append(
            f"{missed} of {points} forecast points ({missed / points:.0%}) have no observation within the tolerance, "
            "although their tracks are observed longer: minADE, miss rate and NLL are over the others"
        )
    if shorter:
        said.append(
            f"minADE and miss rate of {shorter} of {agents} forecasts are over fewer leads than those of others"
        )
    if short_modes:
        likelihood = ", and NLL is over the leads that all of an agent's modes reach" * ("nll_nats" in scores.agents)
        said.append(
            f"modes of {short_modes} of {agents} agent-samples end at different leads: those that end early are "
            f"compared with nothing{likelihood}"
        )
    if short_samples:
        said.append(
            f"samples of {short_samples} of {agents} agent-samples end at different leads: ADE-f is over those that "
            "each of them reaches"
        )
    return said
