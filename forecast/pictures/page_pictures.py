"""The pictures of a report's page, as PNG."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure

from forecast.core.maps import MapSource
from forecast.core.progress import progress
from forecast.core.rows import keys_of
from forecast.data.cache import Dataset
from forecast.pictures.agent_picture import Agent, draw_forecast
from forecast.pictures.case_pictures import CaseDrawer
from forecast.pictures.score_curves import calibration_figure, error_figure, temporal_figure
from forecast.scoring.report_document import Report


def page_curves(report: Report) -> dict[str, bytes]:
    """The curves of the page, by its section: PNG each."""
    curves = {"error": error_figure, "temporal": temporal_figure, "calibration": calibration_figure}
    return {section: _png(draw(report)) for section, draw in curves.items()}


def page_cases(report: Report, dataset: Dataset | None, road: MapSource | None = None) -> dict[str, bytes]:
    """The worst cases of the first file, by their heading: one PNG, or none where nothing was scored.

    Args:
        report: what was measured.
        dataset: what was scored on; None where scored on rows.
        road: the map that rows are on, to draw them over.
    """
    worst = report.scores[0].worst
    heading = f"The worst {len(worst)} cases of {report.scores[0].name}"
    return {heading: _png(worst_figure(report, dataset, road))} if worst else {}


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, bbox_inches="tight")
    return buffer.getvalue()


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
