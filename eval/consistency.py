"""Temporal consistency of successive forecasts: dispersion and convergence-to-range (CAB paper, section 4.3).

Take one truth point ``g`` of a track at the absolute time t̂. ``y_t`` is what the forecast issued t steps before t̂
predicted for it: its t-step-ahead position, world frame, of the most likely mode (or of the mode closest to the truth).

* dispersion: mean distance of the ``y_t`` to their barycentre, metres, lower is better. Alone it rewards a forecaster
  that stubbornly repeats itself: read it beside FDE and convergence.
* convergence-to-range τ: how many seconds before t̂ the forecasts came to within τ of ``g`` and stayed there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from forecast.core.rows import ForecastRows, TruthRows
from forecast.core.shapes import Bool, Float64, Shaped
from forecast.eval.displacement import displacements, likeliest
from forecast.eval.matching import Matches, match_points, truth_for
from forecast.eval.mergeable import column, concatenate, same
from forecast.eval.results import Bools, Floats, Integers, Mean, PerItem, per_item, shaped, steps_known

#: How the distances to the barycentre become one figure. ``"mean_distance"`` is the published D: it alone gives the
#: paper's figures for the physics baselines (docs/temporal-consistency.md).
Reading = Literal["mean_distance", "rms", "std_of_norms"]
Window = Literal["full", "partial"]
ModeChoice = Literal["likeliest", "closest"]

RANGES_M = (0.2, 1.0, 5.0)


@dataclass(frozen=True)
class SuccessiveForecasts:
    """What successive forecasts predicted for each truth point.

    Attributes:
        track: (points,) name of the track.
        time_s: (points,) absolute time t̂ of each point.
        truth_m: (points, 2).
        predicted_m: (points, steps, 2), ``predicted_m[:, t - 1]`` was issued t steps before; NaN where nothing was.
        valid: (points, steps).
        step_s: seconds between the steps.
        tolerance_s: largest difference in time that was accepted as a match.
    """

    track: Shaped[NDArray[np.str_], "points"] = column(concatenate, items="points")
    time_s: Float64[Floats, "points"] = column(concatenate, items="points")
    truth_m: Float64[Floats, "points 2"] = column(concatenate, items="points")
    predicted_m: Float64[Floats, "points steps 2"] = column(concatenate, items="points")
    valid: Bool[Bools, "points steps"] = column(concatenate, items="points")
    step_s: float = column(same)
    tolerance_s: float = column(same)

    def __len__(self) -> int:
        return len(self.track)


@dataclass(frozen=True)
class PointScores:
    """A consistency metric at each annotated point of the forecast tracks.

    Attributes:
        points: what was compared.
        scores: one value a point, valid where the point counts.
    """

    points: SuccessiveForecasts
    scores: PerItem

    @property
    def mean(self) -> Mean:
        """Mean over the points that count."""
        return self.scores.mean

    @property
    def coverage(self) -> float:
        """Share of the annotated points that count; NaN where there are none."""
        return float(self.scores.valid.mean()) if len(self.points) else float("nan")


def nothing_predicted(forecasts: ForecastRows) -> SuccessiveForecasts:
    """No point at all, of as many steps as there are leads: for forecasts whose leads hold no grid."""
    steps = len(forecasts.lead_s)
    nowhere = np.zeros((0, steps, 2))
    return SuccessiveForecasts(
        forecasts.track[:0], np.zeros(0), nowhere[:, 0], nowhere, np.zeros((0, steps), dtype=bool), math.nan, math.nan
    )


def successive_forecasts(
    forecasts: ForecastRows,
    truth: TruthRows,
    *,
    mode: ModeChoice = "likeliest",
    step_s: float | None = None,
    tolerance_s: float | None = None,
) -> SuccessiveForecasts:
    """Gather what successive forecasts predicted for every observation of the tracks that are forecast.

    Args:
        forecasts, truth: world frame, any rates.
        mode: read the most likely mode, or the one closest to the truth (smallest mean displacement).
        step_s, tolerance_s: see :func:`forecast.eval.matching.match_points`.
    """
    matches = match_points(forecasts, truth, step_s=step_s, tolerance_s=tolerance_s)
    chosen = _chosen_mode(forecasts, truth, mode, tolerance_s)
    said = _gather(forecasts, matches, chosen)
    rows = matches.truth_row
    valid = np.isfinite(said).all(-1) & np.isfinite(truth.positions_m[rows]).all(-1)[:, None]
    return SuccessiveForecasts(
        truth.track[rows],
        truth.time_s[rows],
        truth.positions_m[rows],
        np.where(valid[..., None], said, np.nan),
        valid,
        matches.step_s,
        matches.tolerance_s,
    )


def _chosen_mode(forecasts: ForecastRows, truth: TruthRows, mode: ModeChoice, tolerance_s: float | None) -> Integers:
    if mode not in get_args(ModeChoice):
        raise ValueError(f"mode: expected {', '.join(map(repr, get_args(ModeChoice)))}, got {mode!r}")
    if mode == "likeliest":
        return likeliest(forecasts.probabilities)
    positions, valid = truth_for(forecasts, truth, tolerance_s=tolerance_s)
    found = displacements(forecasts.positions_m, forecasts.probabilities, positions, valid)
    _, best = found.best_of(found.ade_m, forecasts.probabilities.shape[1])
    return best


def _gather(forecasts: ForecastRows, matches: Matches, chosen: Integers) -> Floats:
    row = matches.forecast_row
    if not len(forecasts):
        return np.full((*row.shape, 2), np.nan)
    said = forecasts.positions_m[row, chosen[row], matches.lead_index]
    return np.where((row >= 0)[..., None], said, np.nan)


def dispersion_of(
    predicted_m: Any,
    valid: Any = None,
    *,
    reading: Reading = "mean_distance",
    window: Window = "full",
    minimum: int | None = None,
) -> PerItem:
    """Dispersion of the positions that successive forecasts gave to the same points.

    One position alone is at its own barycentre, which says nothing: a point counts with two of them or more.

    Args:
        predicted_m: (points, steps, 2) metres.
        valid: (points, steps); default: where finite.
        reading: ``"mean_distance"``, mean ‖y_t − ȳ‖, the published D; ``"rms"``, sqrt(mean ‖y_t − ȳ‖²); or
            ``"std_of_norms"``, the standard deviation of ‖y_t − ȳ‖.
        window: ``"full"`` counts points with every step, ``"partial"`` those with at least ``minimum`` of them.
        minimum: needed with ``"partial"``, 1 or more.

    Raises:
        ValueError: an unknown reading or window, or shapes that do not fit.
    """
    said = shaped("predicted_m", predicted_m, (None, None, 2))
    known = steps_known(valid, said.shape[:2], said)
    count = known.sum(-1)
    used = count >= max(_needed(window, minimum, said.shape[1]), 2)
    divisor = np.maximum(count, 1)
    inside = np.where(known[..., None], said, 0.0)
    # Relative to the first known point: world coordinates of kilometres would cost digits in the sums.
    first = np.take_along_axis(inside, known.argmax(-1)[:, None, None], 1) if said.shape[1] else inside[:, :0]
    relative = np.where(known[..., None], inside - first, 0.0)
    centre = relative.sum(1, keepdims=True) / divisor[:, None, None]
    norm = np.where(known, np.linalg.norm(relative - centre, axis=-1), 0.0)
    mean = norm.sum(-1) / divisor
    if reading == "mean_distance":
        return per_item(mean, used)
    if reading == "rms":
        return per_item(np.sqrt((norm**2).sum(-1) / divisor), used)
    if reading == "std_of_norms":
        variance = np.where(known, (norm - mean[:, None]) ** 2, 0.0).sum(-1) / divisor
        return per_item(np.sqrt(variance), used)
    raise ValueError(f"reading: expected {', '.join(map(repr, get_args(Reading)))}, got {reading!r}")


def convergence_of(
    predicted_m: Any,
    truth_m: Any,
    valid: Any = None,
    *,
    tau_m: float,
    step_s: float,
    window: Window = "full",
    minimum: int | None = None,
) -> PerItem:
    """Seconds before a point from which on the forecasts stayed within τ of it; 0 where even the last one was outside.

    With ``window="partial"`` the steps from 1 up to the first gap count, of which there must be ``minimum``.

    Args:
        predicted_m: (points, steps, 2) metres, step 1 first.
        truth_m: (points, 2).
        valid: (points, steps); default: where ``predicted_m`` is finite.
        tau_m: range; a distance equal to it is inside.
        step_s: seconds between the steps.
        window, minimum: see :func:`dispersion_of`.

    Raises:
        ValueError: a range or a step that is none, an unknown window, or shapes that do not fit.
    """
    if not (math.isfinite(tau_m) and tau_m >= 0):
        raise ValueError(f"tau_m: expected finite metres, 0 or more, got {tau_m}")
    if step_s <= 0:  # NaN is no step at all, where nothing was predicted
        raise ValueError(f"step_s: expected seconds, more than 0, got {step_s}")
    said = shaped("predicted_m", predicted_m, (None, None, 2))
    truth = shaped("truth_m", truth_m, (len(said), 2))
    known = steps_known(valid, said.shape[:2], said)
    known = known & np.isfinite(truth).all(-1)[:, None]
    unbroken = np.logical_and.accumulate(known, axis=-1)
    used = unbroken.sum(-1) >= _needed(window, minimum, said.shape[1])
    distance = np.where(unbroken, np.linalg.norm(said - truth[:, None], axis=-1), np.inf)
    steps = np.logical_and.accumulate(distance <= tau_m, axis=-1).sum(-1)
    return per_item(steps * step_s, used)


def _needed(window: Window, minimum: int | None, steps: int) -> int:
    if window == "full":
        if minimum is not None:
            raise ValueError(f"minimum={minimum} goes with window='partial'; window='full' needs all steps")
        return max(steps, 1)
    if window != "partial":
        raise ValueError(f"window: expected 'full' or 'partial', got {window!r}")
    if minimum is None or not 1 <= minimum <= steps:
        raise ValueError(f"window='partial' needs a minimum of 1 to {steps} steps, got {minimum}")
    return minimum


def dispersion(
    forecasts: ForecastRows,
    truth: TruthRows,
    *,
    reading: Reading = "mean_distance",
    window: Window = "full",
    minimum: int | None = None,
    mode: ModeChoice = "likeliest",
    step_s: float | None = None,
    tolerance_s: float | None = None,
) -> PointScores:
    """Dispersion D at every truth point, metres; see :func:`successive_forecasts` and :func:`dispersion_of`."""
    points = successive_forecasts(forecasts, truth, mode=mode, step_s=step_s, tolerance_s=tolerance_s)
    scores = dispersion_of(points.predicted_m, points.valid, reading=reading, window=window, minimum=minimum)
    return PointScores(points, scores)


def convergence_to_range(
    forecasts: ForecastRows,
    truth: TruthRows,
    *,
    tau_m: Sequence[float] = RANGES_M,
    window: Window = "full",
    minimum: int | None = None,
    mode: ModeChoice = "likeliest",
    step_s: float | None = None,
    tolerance_s: float | None = None,
) -> dict[float, PointScores]:
    """Convergence-to-range C(τ) at every truth point, seconds, for each τ; see :func:`convergence_of`."""
    points = successive_forecasts(forecasts, truth, mode=mode, step_s=step_s, tolerance_s=tolerance_s)
    return {
        tau: PointScores(
            points,
            convergence_of(
                points.predicted_m,
                points.truth_m,
                points.valid,
                tau_m=tau,
                step_s=points.step_s,
                window=window,
                minimum=minimum,
            ),
        )
        for tau in tau_m
    }
