"""Draws a whole scene: the map, everybody on it, the forecasts of all vehicles; several models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.frames import rotate
from forecast.core.rows import ForecastRows
from forecast.pictures.agent_picture import Agent
from forecast.pictures.key_frame_agents import Moment
from forecast.pictures.literal import literal
from forecast.pictures.map_background import View, draw_ground

Floats = NDArray[np.float64]

#: Dark to light in this order, so that they differ without colour too; hues that colour-blind readers tell apart.
TRUTH, FORECAST, TARGET, EGO, OTHER = "#000000", "#0072b2", "#404040", "#d55e00", "#a0a0a0"
#: Modes less probable than this are not drawn.
MIN_PROBABILITY = 0.02
_WIDTH_PT = (0.8, 3.4)
_MARKED_S = 2.0
#: What stays within this of where it is has no forecast worth a line.
_STANDS_M = 2.0
_SMALL: dict[str, Any] = {"fontsize": 8, "frameon": False}


def draw_scenes(
    moment: Moment,
    forecasts: Sequence[tuple[str, ForecastRows]],
    truth_m: Floats,
    *,
    centre_m: Floats | None = None,
    around_m: float | None = None,
    step_s: float = 0.5,
    since_s: float | None = None,
) -> Figure:
    """Draw the forecasts of one or several models for the same moment, side by side in the same window.

    Args:
        moment: who is where.
        forecasts: names, and forecasts of the moment's targets.
        truth_m: (targets, steps, 2) what they did, NaN where unknown.
        centre_m: (2,) middle of the window, world frame; the targets' middle by default.
        around_m: half the window's side; by default what shows everything that moves.
        step_s: seconds between the forecasts' points.
        since_s: seconds since the scene's start; by default one step a key frame.
    """
    shown = [found.most_likely_m() for _, found in forecasts]
    middle, half = _window(moment, [*shown, truth_m], centre_m, around_m)
    view = View.north_up(middle)
    figure = Figure(figsize=(6.0 * len(forecasts) + 0.4, 7.2), layout="constrained")
    panels = figure.subplots(1, len(forecasts), squeeze=False, sharex=True, sharey=True)[0]
    for panel, (name, found) in zip(panels, forecasts, strict=True):
        _draw_moment(panel, moment, view, half)
        _draw_truth(panel, moment, truth_m, view, step_s)
        _draw_forecasts(panel, moment, found, view, step_s)
        _frame(panel, half, _heading(literal(name), found, truth_m, "vehicles" if _sized(moment) else "tracks"))
    panels[0].set_ylabel("north, m")
    since = f"{moment.frame * step_s if since_s is None else since_s:g} s after its start"
    where = f"{literal(moment.scene)}, {since}; origin at ({middle[0]:.0f}, {middle[1]:.0f}) m"
    figure.legend(handles=_legend(moment), title=where, title_fontsize=8, loc="outside lower center", ncols=4, **_SMALL)
    return figure


def _window(
    moment: Moment, paths: Sequence[Floats], centre_m: Floats | None, around_m: float | None
) -> tuple[Floats, float]:
    """Middle and half side of the window: all targets that go somewhere, and where they go."""
    starts = moment.positions_m[moment.targets]
    points = []
    for path in paths:
        whole = np.concatenate([starts[:, None], path], 1)
        going = np.nanmax(np.linalg.norm(whole - starts[:, None], axis=-1), axis=1, initial=0.0) > 3.0
        points.append(whole[going].reshape(-1, 2))
    moving = np.concatenate(points)
    moving = moving[np.isfinite(moving).all(1)]
    if not len(moving):
        moving = starts if len(starts) else moment.positions_m
    low, high = moving.min(0), moving.max(0)
    middle = (low + high) / 2 if centre_m is None else np.asarray(centre_m, dtype=np.float64)
    reach = np.maximum(np.abs(low - middle), np.abs(high - middle)).max() + 8.0
    return middle, float(np.clip(reach, 25.0, 80.0)) if around_m is None else around_m


def _draw_moment(axes: Axes, moment: Moment, view: View, half: float) -> None:
    if moment.source is not None:
        draw_ground(axes, moment.source, view, 1.05 * half)
    for number, agent in enumerate(moment.agents):
        colour = EGO if moment.ego[number] else TARGET if moment.targets[number] else OTHER
        if moment.types[number] == AgentType.PEDESTRIAN:
            axes.plot(*view(agent.pose_world[:2]), "o", ms=3.2, mfc="white", mec=TARGET, mew=0.7, zorder=4)
        elif not np.isfinite(agent.size_m).all():
            _draw_dot(axes, agent, view, colour)
        else:
            draw_box(axes, agent, view, colour)


def _draw_dot(axes: Axes, agent: Agent, view: View, colour: str) -> None:
    """Draw an agent whose size nobody knows, and its past of up to 2 s."""
    axes.plot(*view(agent.pose_world[:2]), "o", ms=4.5, mfc=colour, mec="white", mew=0.5, zorder=5)
    axes.plot(*view(agent.history_m).T, ":", color=colour, lw=1.1, zorder=3.5)


def _sized(moment: Moment) -> bool:
    """Whether the sizes of agents are known: a data set tells them, rows do not."""
    return all(bool(np.isfinite(agent.size_m).all()) for agent in moment.agents)


def draw_box(axes: Axes, agent: Agent, view: View, colour: str, order: float = 5.0) -> None:
    """Draw an agent's box with a notch at its front, and its past of up to 2 s as a thin line."""
    length, width = np.asarray(agent.size_m, dtype=np.float64)
    outline = np.array([[0.5, 0.32], [0.5, -0.32], [0.3, -0.5], [-0.5, -0.5], [-0.5, 0.5], [0.3, 0.5]])
    world = rotate(outline * (length, width), np.asarray(agent.pose_world[2])) + agent.pose_world[:2]
    axes.add_patch(Polygon(view(world), facecolor=colour, edgecolor="white", lw=0.5, zorder=order))
    if np.ptp(agent.history_m, axis=0).max() > 1.0:
        axes.plot(*view(agent.history_m).T, ":", color=colour, lw=1.1, zorder=order - 1.5)


def _draw_truth(axes: Axes, moment: Moment, truth_m: Floats, view: View, step_s: float) -> None:
    every = max(1, round(_MARKED_S / step_s))
    for start, path in zip(moment.positions_m[moment.targets], truth_m, strict=True):
        if not np.linalg.norm(path - start, axis=-1)[np.isfinite(path[:, 0])].max(initial=0.0) >= _STANDS_M:
            continue
        axes.plot(*view(np.vstack([start, path])).T, "--", color=TRUTH, lw=1.0, zorder=7.5)
        axes.plot(*view(path[every - 1 :: every]).T, "x", color=TRUTH, ms=4, mew=1.0, zorder=7.5)


def _draw_forecasts(axes: Axes, moment: Moment, found: ForecastRows, view: View, step_s: float) -> None:
    starts = moment.positions_m[moment.targets]
    for start, modes_m, probabilities in zip(starts, found.positions_m, found.probabilities, strict=True):
        draw_modes(axes, start, modes_m, probabilities, view, step_s)


def draw_modes(
    axes: Axes, start_m: Floats, modes_m: Floats, probabilities: Floats, view: View, step_s: float, order: float = 6.0
) -> None:
    """Draw one agent's modes, the more probable the thicker, with a dot every two seconds.

    Args:
        axes: where to draw.
        start_m: (2,) where the agent is, world frame.
        modes_m: (modes, steps, 2) world frame; NaN in absent modes.
        probabilities: (modes,).
        view: how the picture lies in the world.
        step_s: seconds a step.
        order: lines lie at this height, more probable ones up to half a unit above it, dots one unit above.
    """
    every = max(1, round(_MARKED_S / step_s))
    total = np.nansum(probabilities)
    for mode in np.argsort(np.nan_to_num(probabilities), kind="stable"):
        share = float(probabilities[mode] / total) if total > 0 else 0.0
        path = view(np.vstack([start_m, modes_m[mode]]))
        if not share >= MIN_PROBABILITY or np.ptp(path, axis=0).max() < _STANDS_M:
            continue
        axes.add_collection(LineCollection([path], zorder=order + 0.5 * share, **_mode_style(share)))
        dots: dict[str, Any] = {"ms": 2.0 + 3.0 * share, "mec": "white", "mew": 0.4, "alpha": _alpha(share)}
        axes.plot(*path[every::every].T, "o", color=FORECAST, zorder=order + 1.0, **dots)


def _mode_style(probability: float) -> dict[str, Any]:
    """Width and depth of a mode's line: both say how probable it is."""
    thin, thick = _WIDTH_PT
    return {
        "colors": [FORECAST],
        "linewidths": [thin + (thick - thin) * probability],
        "alpha": _alpha(probability),
        "capstyle": "round",
    }


def _alpha(probability: float) -> float:
    return 0.35 + 0.65 * min(1.0, 1.5 * probability)


def _frame(axes: Axes, half: float, title: str) -> None:
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(-half, half)
    axes.set_ylim(-half, half)
    axes.set_xlabel("east, m")
    axes.tick_params(labelsize=8)
    axes.set_title(title, fontsize=10)


def _heading(name: str, found: ForecastRows, truth_m: Floats, what: str) -> str:
    """The name, and the mean error of the most likely modes over all targets and annotated steps of the moment."""
    steps = min(found.positions_m.shape[2], truth_m.shape[1])
    off_m = np.linalg.norm(found.most_likely_m()[:, :steps] - truth_m[:, :steps], axis=-1)
    scored = int(np.isfinite(off_m).any(1).sum())
    if not scored:
        return name
    return f"{name}\nmost likely modes of all {scored} {what}: {np.nanmean(off_m):.1f} m off on average"


def _legend(moment: Moment) -> list[Any]:
    def mode(probability: float) -> Line2D:
        thin, thick = _WIDTH_PT
        return Line2D(
            [], [], color=FORECAST, lw=thin + (thick - thin) * probability, alpha=_alpha(probability),
            marker="o", ms=2.0 + 3.0 * probability, mec="white", mew=0.4, label=f"forecast, p = {probability:.0%}",
        )  # fmt: skip

    handles: list[Any] = [mode(0.9), mode(0.3), mode(0.05)]
    handles.append(
        Line2D([], [], color=TRUTH, ls="--", lw=1.0, marker="x", ms=4, label=f"truth, marks every {_MARKED_S:g} s")
    )
    if _sized(moment):
        handles.append(Patch(facecolor=TARGET, label="vehicle; dotted: its last 2 s"))
    else:
        dot: dict[str, Any] = {"ls": "", "marker": "o", "ms": 4.5, "mec": "white"}
        handles.append(Line2D([], [], mfc=TARGET, label="track; dotted: its last 2 s", **dot))
    if moment.ego.any():
        handles.append(Patch(facecolor=EGO, label="ego vehicle"))
    if (~moment.targets & ~moment.ego & (moment.types != AgentType.PEDESTRIAN)).any():
        handles.append(Patch(facecolor=OTHER, label="not forecast"))
    if (moment.types == AgentType.PEDESTRIAN).any():
        handles.append(Line2D([], [], ls="", marker="o", ms=3.2, mfc="white", mec=TARGET, mew=0.7, label="pedestrian"))
    return handles
