"""Draws what a Forecaster answered: every agent where it is, and its modes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from forecast.core.maps import MapSource
from forecast.pictures.agent_picture import Agent
from forecast.pictures.literal import literal
from forecast.pictures.map_background import View, draw_ground
from forecast.pictures.scene_picture import TARGET, draw_box, draw_modes
from forecast.prediction.scene_forecast import SceneForecast

Floats = NDArray[np.float64]
_MARGIN_M, _LEAST_M = 8.0, 25.0


def plot_answer(
    answer: SceneForecast, axes: Axes | None = None, *, source: MapSource | None = None, names: bool = False
) -> Axes:
    """Draw an answer, north up, in metres around the middle of all that it shows.

    Args:
        answer: of :meth:`forecast.prediction.forecaster.Forecaster.forecast`, or ``update``.
        axes: where to draw; those of a new figure by default.
        source: the map, if any.
        names: write the agents' ids beside them.

    Returns:
        The axes; ``axes.figure.savefig("answer.png")`` writes them.
    """
    if axes is None:
        axes = Figure(figsize=(7, 7), layout="constrained").subplots()
    middle, half_m = _window(answer)
    view = View.north_up(middle)
    if source is not None:
        draw_ground(axes, source, view, 1.05 * half_m)
    step_s = float(np.median(np.diff(answer.lead_s, prepend=0.0))) if len(answer.lead_s) else 0.5
    for number, agent_id in enumerate(answer.agent_ids):
        pose = answer.pose_world[number]
        draw_box(axes, Agent(pose, answer.size_m[number], pose[None, :2]), view, TARGET)
        draw_modes(axes, pose[:2], answer.positions_m[number], answer.probabilities[number], view, step_s)
        if names:
            right, up = view(pose[:2]).tolist()
            axes.annotate(literal(str(agent_id)), (right, up + 1.5), fontsize=7, ha="center", zorder=8)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(-half_m, half_m)
    axes.set_ylim(-half_m, half_m)
    axes.set_xlabel(f"east of x = {middle[0]:.0f} m, m")
    axes.set_ylabel(f"north of y = {middle[1]:.0f} m, m")
    axes.set_title(f"{len(answer)} agents at {answer.time_s:.10g} s", fontsize=10)
    return axes


def _window(answer: SceneForecast) -> tuple[Floats, float]:
    """Middle and half side of what holds all agents and their likely modes."""
    likely = answer.positions_m[answer.probabilities >= 0.05].reshape(-1, 2)
    points = np.concatenate([answer.pose_world[:, :2], likely])
    points = points[np.isfinite(points).all(1)]
    if not len(points):
        return np.zeros(2), _LEAST_M
    low, high = points.min(0), points.max(0)
    return (low + high) / 2, max(float((high - low).max()) / 2 + _MARGIN_M, _LEAST_M)
