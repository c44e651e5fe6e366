"""Curves of scores, a line a file: error by horizon, temporal consistency, calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import ScalarFormatter

from forecast.core.drawing import Drawing
from forecast.eval.consistency import convergence_of, dispersion_of
from forecast.eval.results import Integers
from forecast.pictures.svg_markup import QUIET, inline_svg, panel, series_style
from forecast.scoring.comparisons import shared_rows
from forecast.scoring.report_document import Report
from forecast.scoring.scores import Scores

#: Bins of fewer modes than this are noise.
_FEWEST_MODES = 20
_CURVE_RANGES_M = np.array([0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0])


def error_curve(report: Report) -> Drawing:
    """Error of the most likely mode against the horizon, a line a file, with 95 % intervals."""
    figure, axes = panel()
    said = []
    for number, (name, body) in enumerate(bodies_of(report).items()):
        rows = [
            (one["horizon_s"], one["value"], one["ci_low"], one["ci_high"])
            for one in body["error_by_horizon_m"]
            if one["count"]
        ]
        if not rows:
            continue
        lead_s, mean, low, high = np.array(rows, dtype=np.float64).T
        style = series_style(number)
        axes.fill_between(lead_s, low, high, color=style["color"], alpha=0.13, linewidth=0)
        axes.plot(lead_s, mean, **style)
        said.append(f"{name} {mean[-1]:.2f} m at {lead_s[-1]:g} s")
    axes.set(xlabel="horizon, s", ylabel="error, m")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    alt = f"Error of the most likely mode against the horizon: {'; '.join(said)}."
    caption = "Mean error of the most likely mode against the horizon. Shaded: 95 % interval."
    return Drawing(caption, alt, svg=inline_svg(figure, alt))


def temporal_curves(report: Report) -> list[Drawing]:
    """D by how many forecasts are compared, and C by range, on the points that all files share; none without points."""
    shared = [(number, scores, rows) for number, (scores, rows) in enumerate(_with_points(report))]
    shared = [(number, scores, rows) for number, scores, rows in shared if len(rows)]
    if not shared:
        return []
    (spread_figure, spreads), (range_figure, ranges) = panel(), panel()
    spread_ends, range_ends = [], []
    for number, scores, rows in shared:
        spread, times = _spread_curve(spreads, number, scores, rows), _range_curve(ranges, number, scores, rows)
        spread_ends.append(f"{scores.name} {spread:.2f} m")
        range_ends.append(f"{scores.name} {times:.2f} s")
    spreads.set(xlabel="forecasts up to this long before, s", ylabel="D, m")
    spreads.set_ylim(bottom=0)
    ranges.set(xlabel="range τ, m", ylabel="C(τ), s", xscale="log")
    ranges.set_xticks([0.1, 0.2, 0.5, 1, 2, 5, 10])
    ranges.xaxis.set_major_formatter(ScalarFormatter())
    ranges.minorticks_off()
    ranges.set_ylim(bottom=0)
    spread_alt = f"D against how long before a point forecasts are compared; at the longest: {'; '.join(spread_ends)}."
    range_alt = f"C against the range; at 1 m: {'; '.join(range_ends)}."
    return [
        Drawing(
            "Dispersion D of the last forecasts before a point, by how many seconds of them are compared. Lower is "
            "steadier.",
            spread_alt,
            svg=inline_svg(spread_figure, spread_alt),
        ),
        Drawing(
            "Convergence C: for how long before a point all forecasts were within the range τ of it. Higher is better.",
            range_alt,
            svg=inline_svg(range_figure, range_alt),
        ),
    ]


def calibration_curve(report: Report) -> list[Drawing]:
    """Stated probability of modes against how often they were the closest; none where no file has several modes."""
    figure, axes = panel(3.4, 3.2)
    axes.plot([0, 1], [0, 1], "--", color=QUIET, lw=1)
    said = []
    for number, scores in enumerate(report.scores):
        found = scores.calibration
        if is_single_mode(scores):
            continue
        some = found.count >= _FEWEST_MODES
        axes.plot(found.stated[some], found.observed[some], **series_style(number))
        said.append(f"{scores.name} is off by {found.error:.3f} on average")
    if not said:
        return []
    axes.set(xlabel="stated probability", ylabel="share that was closest", aspect="equal", xlim=(0, 1), ylim=(0, 1))
    alt = f"Reliability of the modes' probabilities: {'; '.join(said)}."
    caption = (
        "How often a mode of a stated probability was the closest to the truth. Dashed: ideal. Above it a file is too "
        "modest, below it too sure. "
        f"Only where at least {_FEWEST_MODES} modes are."
    )
    return [Drawing(caption, alt, svg=inline_svg(figure, alt))]


def is_single_mode(scores: Scores) -> bool:
    """Whether all forecasts are one mode that is certain: its probability says nothing."""
    found = scores.calibration
    return not found.count[:-1].any() and not np.any(found.stated[found.count > 0] < 1 - _ROUNDING)


#: Probabilities nearer to 1 than this are 1.
_ROUNDING = 1e-6


def bodies_of(report: Report) -> dict[str, Any]:
    """The part of each file in the report's document, by its name."""
    document = report.as_json()
    return {body["name"]: body for body in document.get("reports", [document])}


def _with_points(report: Report) -> list[tuple[Scores, Integers]]:
    """Each file with the rows of its shared points that were forecast at every lead: like is compared with like."""
    found = []
    for scores, rows in zip(report.scores, shared_rows(report.scores), strict=True):
        kept = np.zeros(0, dtype=np.int64) if rows is None else rows
        found.append((scores, kept[scores.successive.valid[kept].all(-1)]))
    return found


def _spread_curve(axes: Axes, number: int, scores: Scores, rows: Integers) -> float:
    said = scores.successive.predicted_m[rows]
    steps = np.arange(2, said.shape[1] + 1)
    spread = [dispersion_of(said[:, :step]).mean.value for step in steps.tolist()]
    axes.plot(steps * scores.successive.step_s, spread, **series_style(number))
    return float(spread[-1]) if spread else float("nan")


def _range_curve(axes: Axes, number: int, scores: Scores, rows: Integers) -> float:
    points = scores.successive
    said, truth = points.predicted_m[rows], points.truth_m[rows]
    means = {
        tau_m: float(convergence_of(said, truth, tau_m=tau_m, step_s=points.step_s).mean.value)
        for tau_m in _CURVE_RANGES_M.tolist()
    }
    axes.plot(list(means), list(means.values()), **series_style(number))
    return means[1.0]
