"""Curves of scores, a line a file: error by horizon, temporal consistency, calibration."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from forecast.eval.consistency import convergence_of, dispersion_of
from forecast.pictures.literal import literal
from forecast.scoring.comparisons import shared_rows
from forecast.scoring.report_document import Report

_CURVE_RANGES_M = np.array([0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0])


def error_figure(report: Report) -> Figure:
    """Error of the most likely mode against the horizon, a line a file."""
    figure = Figure(figsize=(7, 3.5))
    axes = figure.subplots()
    for scores in report.scores:
        known = np.where(np.isfinite(scores.error_ml_m), scores.error_ml_m, 0.0).sum(0)
        count = np.maximum(np.isfinite(scores.error_ml_m).sum(0), 1)
        axes.plot(scores.horizon_s, known / count, ".-", label=literal(scores.name))
    axes.set(xlabel="horizon, s", ylabel="error of the most likely mode, m")
    axes.legend(fontsize=7)
    return figure


def temporal_figure(report: Report) -> Figure:
    """D by how many forecasts are compared, and C by range, a line a file, on the points that all files share."""
    figure = Figure(figsize=(11, 3.5), layout="constrained")
    dispersions, convergences = figure.subplots(1, 2)
    for scores, rows in zip(report.scores, shared_rows(report.scores), strict=True):
        if rows is None:
            continue
        points = scores.successive
        # The same points at every lead, so that the curve compares like with like.
        rows = rows[points.valid[rows].all(-1)]
        said, truth = points.predicted_m[rows], points.truth_m[rows]
        steps = np.arange(2, said.shape[1] + 1)
        spread = [dispersion_of(said[:, :step]).mean.value for step in steps.tolist()]
        dispersions.plot(steps * points.step_s, spread, ".-", label=literal(scores.name))
        means = [
            convergence_of(said, truth, tau_m=tau, step_s=points.step_s).mean.value for tau in _CURVE_RANGES_M.tolist()
        ]
        convergences.plot(_CURVE_RANGES_M, means, ".-", label=literal(scores.name))
    dispersions.set(xlabel="forecasts up to this long before, s", ylabel="D, m")
    convergences.set(xlabel="range τ, m", ylabel="C(τ), s", xscale="log")
    dispersions.legend(fontsize=7)
    return figure


def calibration_figure(report: Report) -> Figure:
    """Stated probability of modes against how often they were the closest, a line a file."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], "--", color="#999999", lw=1)
    for scores in report.scores:
        found = scores.calibration
        axes.plot(found.stated, found.observed, ".-", label=f"{literal(scores.name)} (error {found.error:.3f})")
    axes.set(xlabel="stated probability", ylabel="share that was closest", aspect="equal")
    axes.legend(fontsize=7)
    return figure
