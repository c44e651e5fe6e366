"""Draws forecasts of one agent over the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Polygon
from numpy.typing import NDArray

from forecast.core.frames import rotate
from forecast.core.maps import MapSource
from forecast.pictures.literal import literal
from forecast.pictures.map_background import View, draw_ground

Floats = NDArray[np.float64]

_TRUTH, _HISTORY, _TARGET, _NEIGHBOUR = "#000000", "#6a51a3", "#6a51a3", "#7f7f7f"
#: Okabe and Ito's colours, dark to light: told apart by colour-blind readers and in greyscale; most probable first.
_MODES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


@dataclass(frozen=True)
class Agent:
    """An agent to draw. World frame.

    Attributes:
        pose_world: (3,) x, y, heading at time 0.
        size_m: (2,) length and width.
        history_m: (steps, 2) positions up to time 0, oldest first.
    """

    pose_world: Floats
    size_m: Floats
    history_m: Floats


def draw_forecast(
    axes: Axes,
    target: Agent,
    modes_m: Floats,
    probabilities: Floats,
    *,
    truth_m: Floats | None = None,
    neighbours: Sequence[Agent] = (),
    source: MapSource | None = None,
    around_m: float = 45.0,
    at_most: int = 6,
    title: str = "",
) -> None:
    """Draw one agent's forecasts, the target driving up: its left is left on the picture, axes equal, in metres.

    Args:
        axes: where to draw.
        target: who is forecast.
        modes_m: (modes, steps, 2) world frame; NaN in absent modes.
        probabilities: (modes,); the ``at_most`` most probable modes are drawn, none of probability 0.
        truth_m: (steps, 2) world frame, NaN where unknown.
        neighbours: others at time 0.
        source: the map; None draws no ground.
        around_m: half the picture's width at least; it grows with what it shows.
        at_most: modes to draw.
        title: above the picture.
    """
    ranked = np.argsort(-np.nan_to_num(probabilities), kind="stable")
    order = [mode for mode in ranked if probabilities[mode] > 0 and np.isfinite(modes_m[mode]).all()][:at_most]
    view = View(target.pose_world)
    shown = [view(modes_m[order]).reshape(-1, 2), view(target.history_m)]
    shown += [] if truth_m is None else [view(truth_m)]
    centre, half = _window(np.concatenate(shown), around_m)
    if source is not None:
        draw_ground(axes, source, view, float(np.abs(centre).max() + 1.5 * half))
    for agent in neighbours:
        _draw_agent(axes, agent, view, _NEIGHBOUR, 3.0)
    _draw_agent(axes, target, view, _TARGET, 6.0)
    axes.plot(*view(target.history_m).T, ".-", color=_HISTORY, lw=1.5, ms=5, zorder=6.5, label="history")
    for rank, mode in reversed(list(enumerate(order))):
        _draw_mode(axes, view(np.vstack([target.pose_world[:2], modes_m[mode]])), float(probabilities[mode]), rank)
    if truth_m is not None:
        path = view(np.vstack([target.pose_world[:2], truth_m]))
        axes.plot(*path.T, "--", color=_TRUTH, lw=1.6, zorder=8, label="truth")
        axes.plot(*path[1:].T, "x", color=_TRUTH, ms=4, zorder=8)
    present = int(np.isfinite(modes_m).all((1, 2)).sum())
    _finish(axes, centre, half, title, f"{len(order)} of {present} modes" if len(order) < present else None)


def _window(points: Floats, around_m: float) -> tuple[Floats, float]:
    points = points[np.isfinite(points).all(-1)]
    low, high = np.minimum(points.min(0), 0.0), np.maximum(points.max(0), 0.0)
    return (low + high) / 2, max(around_m / 2, float((high - low).max()) / 2 + 10.0)


def _draw_agent(axes: Axes, agent: Agent, view: View, colour: str, order: float) -> None:
    corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) / 2 * np.asarray(agent.size_m, dtype=np.float64)
    world = rotate(corners, np.asarray(agent.pose_world[2])) + agent.pose_world[:2]
    axes.add_patch(Polygon(view(world), facecolor=colour, edgecolor="white", lw=0.6, alpha=0.85, zorder=order))
    if len(agent.history_m) > 1 and order < 5:
        axes.plot(*view(agent.history_m).T, "-", color=colour, lw=1.0, alpha=0.7, zorder=order - 0.5)


def _draw_mode(axes: Axes, path: Floats, probability: float, rank: int) -> None:
    colour = _MODES[rank % len(_MODES)]
    style: dict[str, Any] = {"color": colour, "zorder": 7.5 - 0.05 * rank}
    axes.plot(*path.T, "-", lw=2.6 - 0.25 * rank, label=f"mode {rank + 1}: {probability:.1%}", **style)
    axes.plot(*path[-1], "o", ms=6 - 0.4 * rank, mec="white", mew=0.6, **style)


def _finish(axes: Axes, centre: Floats, half: float, title: str, note: str | None) -> None:
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(centre[0] - half, centre[0] + half)
    axes.set_ylim(centre[1] - half, centre[1] + half)
    axes.set_xlabel("to the right, m")
    axes.set_ylabel("ahead, m")
    axes.tick_params(labelsize=7)
    handles, labels = axes.get_legend_handles_labels()
    modes = sorted(number for number, label in enumerate(labels) if label.startswith("mode"))[::-1]
    order = [*modes, *(number for number in range(len(labels)) if number not in modes)]  # most probable mode first
    around = Patch(facecolor=_NEIGHBOUR, label="others, their last 2 s")
    axes.legend(
        handles=[*(handles[number] for number in order), around],
        title=note,
        title_fontsize=7,
        fontsize=7,
        loc="upper center",  # below the picture, where it hides nothing
        bbox_to_anchor=(0.5, -0.08),
        ncols=3,
    )
    axes.set_title(literal(title), fontsize=8)
