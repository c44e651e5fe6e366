"""Draws what moved a forecast: indices on the map's cells, the cars and the past, and the largest ones as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from forecast.pictures.crop_panel import (
    TARGET,
    frame_panel,
    image_options,
    shade_off_road,
    show_modes,
    show_truth,
    tallness,
)
from forecast.pictures.literal import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from forecast.core.batch import AgentBatch
    from forecast.core.crops import CropSpec
    from forecast.core.forecast import Forecast
    from forecast.explain.attribution import Attribution
    from forecast.explain.input_groups import InputGroup

_PANEL_IN, _BARS = 3.4, 12
#: White to dark blue: as monotone in greyscale as in colour.
_COLOURS = "Blues"
_INK = "#333333"
_NULLS = {"empty": "no map", "straight": "a straight road"}


def draw_attribution(
    batch: AgentBatch, forecast: Forecast, found: Sequence[Attribution], spec: CropSpec, title: str
) -> Figure:
    """Draw one agent's forecast, and the total indices of its inputs, one panel a stand-in for the map.

    Args:
        batch: the agent, with its crop.
        forecast: of it, agent frame.
        found: attributions that differ in what stands in for the map.
        spec: of the crop.
        title: written above.
    """
    tall = tallness(spec)
    width = _PANEL_IN * 2 * len(found) + 0.6
    figure = Figure(figsize=(width, _PANEL_IN * tall + 1.7), layout="constrained", facecolor="white")
    axes: Any = figure.subplots(1, 2 * len(found), squeeze=False)[0]
    most = max(float(np.nanmax(one.indices.total, initial=0.0)) for one in found) or 1.0
    norm = Normalize(0, most)
    for number, one in enumerate(found):
        scene, bars = axes[2 * number : 2 * number + 2]
        image = _show_scene(scene, batch, forecast, one, spec, norm)
        scene.set_title(f"in place of the map: {_NULLS[one.settings.map_null]}", fontsize=8.5)
        _show_bars(bars, one, most)
    axes[0].set_ylabel("ahead, m", fontsize=8)
    bar = figure.colorbar(image, ax=list(axes), shrink=0.7, pad=0.01)
    bar.set_label("total Sobol index: share of the variance that a part takes part in", fontsize=7.5)
    bar.ax.tick_params(labelsize=7)
    legend = "red: modes, thicker where more probable; dashed: the truth; numbered: neighbours, as in the bars"
    figure.suptitle(f"{literal(title)}\nwhat moves its {found[0].settings.outcome}. {legend}", fontsize=9)
    return figure


def _show_scene(
    axis: Axes, batch: AgentBatch, forecast: Forecast, found: Attribution, spec: CropSpec, norm: Normalize
) -> Any:
    assert batch.crop is not None
    totals = np.nan_to_num(found.indices.total)
    shares = np.zeros((spec.height_px, spec.width_px))
    boxes = [place for place, group in enumerate(found.groups) if group.box_px and not group.channels]
    for place in boxes:
        first, end, right, left = found.groups[place].box_px or (0, 0, 0, 0)
        shares[first:end, right:left] = totals[place]
    image = axis.imshow(shares, cmap=_COLOURS, norm=norm, **image_options(spec))
    shade_off_road(axis, batch.crop[0].numpy(), spec)
    for place in boxes:
        _outline(axis, found.groups[place], spec, totals[place] > max(np.nan_to_num(found.noise), 0.02), totals[place])
    _show_agents(axis, batch, found, totals, image)
    show_modes(axis, forecast)
    show_truth(axis, batch)
    frame_panel(axis, spec, batch)
    return image


def _outline(axis: Axes, group: InputGroup, spec: CropSpec, matters: bool, total: float) -> None:
    """A cell's edge, and its index in figures where it is more than noise."""
    bounds = group.bounds_m(spec)
    assert bounds is not None
    back, ahead, right, left = bounds
    edge: dict[str, Any] = {"edgecolor": _INK if matters else "#bbbbbb", "lw": 0.8 if matters else 0.3}
    axis.add_patch(Rectangle((right, back), left - right, ahead - back, facecolor="none", zorder=3, **edge))
    if matters:
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.6}
        axis.text(left - 0.6, ahead - 0.8, f"{total:.2f}", fontsize=6, va="top", zorder=7, color=_INK, bbox=box)


def _show_agents(axis: Axes, batch: AgentBatch, found: Attribution, totals: NDArray[Any], image: Any) -> None:
    """Neighbours as numbered squares, steps of the past as dots, shaded by their indices."""
    number = 0
    for place, group in enumerate(found.groups):
        colour = image.cmap(image.norm(totals[place]))
        light = image.norm(totals[place]) < 0.55
        for slot in group.slots:
            number += 1
            x, y = batch.neighbours[0, slot, -1, :2].tolist()
            axis.plot(y, x, "s", color=colour, ms=9, mec=_INK, mew=0.8, zorder=5, clip_on=True)
            ink = _INK if light else "white"
            axis.text(y, x, str(number), fontsize=6, ha="center", va="center", color=ink, zorder=5.5, clip_on=True)
        for row in group.steps:
            x, y = batch.history[0, row, :2].tolist()
            axis.plot(y, x, "o", color=colour, ms=5, mec=TARGET, mew=0.8, zorder=6)


def _show_bars(axis: Axes, found: Attribution, most: float) -> None:
    """The largest total indices with their intervals, what each does alone beside them, and the noise."""
    order = found.ranked()[:_BARS][::-1]
    indices, heights = found.indices, np.arange(len(order))
    total, interval = np.nan_to_num(indices.total[order]), np.nan_to_num(indices.total_interval[order])
    around = np.abs(interval.T - total)
    style: dict[str, Any] = {"error_kw": {"lw": 0.8, "ecolor": _INK}, "edgecolor": _INK, "lw": 0.4}
    axis.barh(heights, total, 0.7, xerr=around, color="#6baed6", label="total", **style)
    alone = np.clip(np.nan_to_num(indices.first[order]), 0, None)
    axis.barh(heights, alone, 0.3, color="#08306b", label="alone (first order)")
    if np.isfinite(found.noise):
        axis.axvline(found.noise, color=TARGET, lw=1, ls=":", label="noise: poses jittered by 5 cm, 1°")
    numbers = {place: f"{n}: " for n, place in enumerate((p for p, g in enumerate(found.groups) if g.slots), 1)}
    axis.set_yticks(heights, [numbers.get(place, "") + _short(found.groups[place].name) for place in order])
    axis.tick_params(labelsize=6.5)
    axis.set_xlim(0, 1.15 * max(most, float(interval.max(initial=0))))
    axis.legend(fontsize=6.5, loc="lower right")
    if not np.isfinite(indices.total).any():
        axis.set_title("undefined: nothing moved the forecast", fontsize=8)


def _short(name: str) -> str:
    return literal(name if len(name) <= 34 else f"{name[:33]}…")
