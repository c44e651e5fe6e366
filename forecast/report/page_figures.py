"""The pictures of a report's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from forecast.core.maps import MapSource
from forecast.core.progress import progress
from forecast.core.rows import keys_of
from forecast.eval.consistency import convergence_of, dispersion_of
from forecast.report.cases import CaseDrawer
from forecast.report.compare import shared_rows
from forecast.report.draw import Agent, draw_forecast
from forecast.report.evaluator import Report
from forecast.report.literal import literal

if TYPE_CHECKING:
    from forecast.data.cache import Dataset

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
        said, truth = points.said_m[rows], points.truth_m[rows]
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


def worst_figure(report: Report, dataset: Dataset | None, road: MapSource | None) -> Figure:
    """The worst cases of the first file, over the map where there is one."""
    cases = report.scores[0].worst
    lines = -(-len(cases) // 3)
    figure = Figure(figsize=(15, 5.6 * lines), layout="constrained")
    drawer = None if dataset is None else CaseDrawer(dataset)
    for place, case in enumerate(progress(cases, "drawing", total=len(cases)), start=1):
        axes = figure.add_subplot(lines, 3, place)
        title = f"minFDE_1 {case.error_m:.1f} m\n{case.track} at {case.issue_time_s:g} s"
        if drawer is None:
            target = Agent(case.pose_world, np.array([4.5, 1.9]), case.past_m)
            draw_forecast(
                axes, target, case.modes_m, case.probabilities, truth_m=case.truth_m, source=road, title=title
            )
        else:
            (key,) = keys_of(np.array([case.track]), np.array([case.issue_time_s])).tolist()
            entry = report.scores[0].agent_keys.tolist().index(key)
            drawer.draw(axes, report.joined[0], int(report.joined[0].official[entry]), title)
        axes.set_xlabel(axes.get_xlabel(), fontsize=7, labelpad=0)  # small pictures: the legend is near
        axes.set_ylabel(axes.get_ylabel(), fontsize=7, labelpad=0)
    return figure
