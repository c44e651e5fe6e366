"""Draws scenarios side by side: the one that was asked with, and those that were found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from forecast.pictures.crop_panel import TARGET, frame_panel, shade_off_road, tallness
from forecast.pictures.literal import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from forecast.core.batch import AgentBatch
    from forecast.core.crops import CropSpec

_COLUMNS, _PANEL_IN = 4, 2.6
_PAST, _FUTURE, _OTHER = "#6a51a3", "#000000", "#777777"


def draw_contact_sheet(batch: AgentBatch, titles: Sequence[str], spec: CropSpec, title: str) -> Figure:
    """Draw each agent's map, past, true future and neighbours; the first one framed.

    Args:
        batch: agents, with crops.
        titles: one an agent.
        spec: of the crops.
        title: written above.
    """
    rows = -(-len(batch) // _COLUMNS)
    tall = tallness(spec)
    size = (_PANEL_IN * _COLUMNS, rows * (0.9 * _PANEL_IN * tall + 0.45) + 0.7)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    axes: Any = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True, sharey=True).ravel()
    for agent, (axis, said) in enumerate(zip(axes, titles, strict=False)):
        _show(axis, batch[agent : agent + 1], spec)
        axis.set_title(literal(said), fontsize=7)
        axis.set_xlabel("")
    for axis in axes[len(batch) :]:
        axis.axis("off")
    for spine in axes[0].spines.values():
        spine.set(color=TARGET, lw=2.5)
    figure.suptitle(literal(title) + "\nframed: asked with; purple: the past; dashed: what happened", fontsize=9)
    return figure


def _show(axis: Axes, batch: AgentBatch, spec: CropSpec) -> None:
    assert batch.crop is not None
    shade_off_road(axis, batch.crop[0].numpy(), spec)
    others = batch.neighbours[0, batch.neighbours_valid[0, :, -1], -1].numpy()
    axis.plot(others[:, 1], others[:, 0], "s", color=_OTHER, ms=3.5, zorder=4)
    past = batch.history[0].numpy()[batch.history_valid[0].numpy()]
    axis.plot(past[:, 1], past[:, 0], ".-", color=_PAST, lw=1, ms=3, zorder=5)
    future = np.vstack([[[0.0, 0.0]], batch.future[0].numpy()[batch.future_valid[0].numpy()]])
    axis.plot(future[:, 1], future[:, 0], "--", color=_FUTURE, lw=1.2, zorder=6)
    frame_panel(axis, spec, batch)
