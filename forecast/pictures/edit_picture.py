"""Draws a scene before and after an edit: what is forecast in each, and what the true driver does where it is known."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from forecast.pictures.crop_panel import TRUTH, frame_panel, image_options, shade_off_road, show_modes, tallness
from forecast.pictures.literal import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from forecast.core.batch import AgentBatch
    from forecast.core.crops import CropSpec
    from forecast.core.forecast import Forecast
    from forecast.explain.arms import Arm

_PANEL_IN = 3.6
#: Letters of a panel's title that fit over it.
_TITLE_WIDTH = 58
_INK, _CHANGED = "#333333", "#0571b0"


@dataclass(frozen=True)
class EditPanel:
    """One scene.

    Attributes:
        title: above it.
        batch: the agent, with its crop.
        forecast: of it, agent frame.
        truth_m: (paths, steps, 2) what happened, or what the true driver would do; may be empty.
        edited: whether it is the first scene with something changed, and not another one.
    """

    title: str
    batch: AgentBatch
    forecast: Forecast
    truth_m: NDArray[np.float64]
    edited: bool = True


def draw_edit(panels: Sequence[EditPanel], arms: Sequence[Arm], spec: CropSpec, title: str) -> Figure:
    """Draw scenes side by side; what differs from the first one is blue.

    Args:
        panels: the scene as it was, then the edited ones.
        arms: of the first, named in it.
        spec: of the crops.
        title: written above.
    """
    tall = tallness(spec)
    figure = Figure(
        figsize=(_PANEL_IN * len(panels) + 0.4, _PANEL_IN * tall + 1.5), layout="constrained", facecolor="white"
    )
    axes: Any = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        _show(axis, panel, panels[0].batch if panel.edited else panel.batch, spec)
        axis.set_title(textwrap.fill(literal(panel.title), _TITLE_WIDTH), fontsize=8.5)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.8}
    for arm in arms:
        x, y = (np.asarray(arm.fork_m) + np.asarray(arm.far_end_m)) / 2
        axes[0].text(y, x, arm.name, fontsize=6.5, ha="center", va="center", color=_INK, bbox=box, zorder=8)
    axes[0].set_ylabel("ahead, m", fontsize=8)
    legend = "red: modes, thicker where more probable; dashed: the truth; blue: changed"
    figure.suptitle(f"{literal(title)}\n{legend}", fontsize=9)
    return figure


def _show(axis: Axes, panel: EditPanel, before: AgentBatch, spec: CropSpec) -> None:
    batch = panel.batch
    assert batch.crop is not None
    assert before.crop is not None
    crop, old = batch.crop[0].numpy(), before.crop[0].numpy()
    changed = np.zeros((*crop.shape[1:], 4))
    changed[..., :3] = np.array([5, 113, 176]) / 255
    changed[..., 3] = 0.55 * np.abs(crop - old).max(0).clip(0, 1)
    shade_off_road(axis, crop, spec)
    axis.imshow(changed, **image_options(spec))
    _show_neighbours(axis, batch, before)
    history = batch.history[0].numpy()[batch.history_valid[0].numpy()]
    axis.plot(history[:, 1], history[:, 0], "o", color=_INK, ms=3, zorder=5)
    for path in panel.truth_m:
        known = np.isfinite(path).all(-1)
        axis.plot(path[known, 1], path[known, 0], "--", color=TRUTH, lw=1.3, zorder=6)
    show_modes(axis, panel.forecast, above=0.005)
    frame_panel(axis, spec, batch)


def _show_neighbours(axis: Axes, batch: AgentBatch, before: AgentBatch) -> None:
    """Numbered squares with an arrow of one second's drive; blue where they are not as they were."""
    there = np.flatnonzero(batch.neighbours_valid[0, :, -1].numpy()).tolist()
    first = np.flatnonzero(before.neighbours_valid[0, :, -1].numpy()).tolist()
    for slot in there:
        state = batch.neighbours[0, slot, -1].numpy()
        same = slot in first and np.array_equal(batch.neighbours[0, slot].numpy(), before.neighbours[0, slot].numpy())
        colour = "#777777" if same else _CHANGED
        x, y, vx, vy = state[:4].tolist()
        axis.plot(y, x, "s", color=colour, ms=8, zorder=5, clip_on=True)
        if np.hypot(vx, vy) > 0.3:
            axis.plot([y, y + vy], [x, x + vx], "-", color=colour, lw=1.2, zorder=4.9, clip_on=True)
        number = str(first.index(slot) + 1) if slot in first else "+"
        axis.text(y, x, number, fontsize=6, ha="center", va="center", color="white", zorder=5.5, clip_on=True)
