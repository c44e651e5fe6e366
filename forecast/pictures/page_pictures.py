"""The pictures of a report's page: curves as SVG that takes the page's colours, cases as PNG."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecast.core.drawing import Drawing
from forecast.core.maps import MapSource
from forecast.core.progress import progress
from forecast.core.rows import keys_of
from forecast.data.cache import Dataset
from forecast.pictures.agent_picture import Agent, draw_forecast
from forecast.pictures.case_pictures import CaseDrawer
from forecast.pictures.score_curves import calibration_curve, error_curve, temporal_curves
from forecast.pictures.score_panels import difference_panels, strata_panels
from forecast.scoring.paired_differences import reference_of
from forecast.scoring.report_document import Report
from forecast.scoring.worst_cases import Case


def page_curves(report: Report) -> dict[str, list[Drawing]]:
    """The curves of the page, by its section."""
    names = [scores.name for scores in report.scores]
    return {
        "error": [error_curve(report)],
        "differences": difference_panels(report, reference_of(names)) if len(names) > 1 else [],
        "temporal": temporal_curves(report),
        "calibration": calibration_curve(report),
        "strata": strata_panels(report),
    }


def page_cases(report: Report, dataset: Dataset | None, road: MapSource | None = None) -> list[Drawing]:
    """The worst cases of the first file, one a track, over the map where there is one; none where nothing was scored.

    Args:
        report: what was measured.
        dataset: what was scored on; None where scored on rows.
        road: the map that rows are on, to draw them over.
    """
    cases = report.scores[0].worst
    drawer = None if dataset is None else CaseDrawer(dataset)
    drawn = []
    for case in progress(cases, "drawing", total=len(cases)):
        figure = Figure(figsize=(4.4, 4.9), layout="constrained")
        axes = figure.subplots()
        if drawer is None:
            target = Agent(case.pose_world, np.array([4.5, 1.9]), case.past_m)
            draw_forecast(axes, target, case.modes_m, case.probabilities, truth_m=case.truth_m, source=road)
            where = f"track {case.track}, issued at {case.issue_time_s:.2f} s"
        else:
            entry = _entry_of(report, case)
            drawer.draw(axes, report.joined[0], entry)
            where = f"{drawer.about(report.joined[0], entry)}, {case.issue_time_s:g} s after its start"
        _make_room(axes)
        alt = f"Forecasts, truth and surroundings of an agent: {where}, minFDE_1 {case.error_m:.1f} m."
        drawn.append(Drawing(f"{case.error_m:.1f} m: {where}", alt, png=_png(figure)))
    return drawn


def _make_room(axes: Axes) -> None:
    """Small pictures: the legend stands below the axis, not on its label."""
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(7)
    axes.xaxis.labelpad = axes.yaxis.labelpad = 1
    legend = axes.get_legend()
    if legend is not None:
        legend.set_bbox_to_anchor((0.5, -0.12), transform=axes.transAxes)


def _entry_of(report: Report, case: Case) -> int:
    (key,) = keys_of(np.array([case.track]), np.array([case.issue_time_s])).tolist()
    entry = report.scores[0].agent_keys.tolist().index(key)
    return int(report.joined[0].official[entry])


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, bbox_inches="tight")
    return buffer.getvalue()
