"""Draws what a network is given of one agent: each channel of its crop, the agents around it, its own past."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from forecast.core.agents import STATE_CHANNELS, AgentType
from forecast.data.maps.layers import LAYERS, directed_channels
from forecast.pictures.literal import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from forecast.core.batch import AgentBatch
    from forecast.core.crops import CropSpec

Floats = NDArray[np.floating[Any]]

_TARGET = "#d7191c"
_KINDS = {
    AgentType.VEHICLE: ("vehicles", "#0571b0"),
    AgentType.PEDESTRIAN: ("pedestrians", "#e66101"),
    AgentType.CYCLIST: ("cyclists", "#1a9641"),
    AgentType.OTHER: ("others", "#777777"),
}
_GROUND, _INK = "#fbfbf8", "#333333"
_PANEL_IN = 3.1
_UNITS = {
    "x": "m",
    "y": "m",
    "vx": "m/s",
    "vy": "m/s",
    "ax": "m/s²",
    "ay": "m/s²",
    "heading": "rad",
    "yaw_rate": "rad/s",
}


def draw_seen(batch: AgentBatch, spec: CropSpec, title: str, *, step_s: float = 0.5) -> Figure:
    """Draw the inputs of one agent; nothing of its future is looked at.

    Args:
        batch: one agent, with its crop.
        spec: of the crop.
        title: written above.
        step_s: seconds between the rows of a history.

    Raises:
        ValueError: not one agent, or no crop.
    """
    if len(batch) != 1 or batch.crop is None:
        raise ValueError(f"expected one agent with a crop, got {len(batch)} and crop {batch.crop is not None}")
    crop = batch.crop[0].numpy()
    panels = len(crop) + 1
    tall = (spec.ahead_m + spec.behind_m) / (spec.left_m + spec.right_m)
    figure = Figure(figsize=(_PANEL_IN * panels + 1.3, _PANEL_IN * tall + 3.2), layout="constrained", facecolor="white")
    parts: Any = figure.subfigures(2, 1, height_ratios=[_PANEL_IN * tall + 1.4, 1.8])
    above, below = parts
    axes = above.subplots(1, panels, sharex=True, sharey=True)
    _show_everything(axes[0], batch, crop, spec)
    _show_channels(above, axes[1:], crop, spec)
    for axis in axes:
        axis.set_xlabel("← left   y [m]   right →", fontsize=8)
        axis.tick_params(labelsize=7)
    axes[0].set_ylabel("x [m]   forward →", fontsize=8)
    _show_states(below.subplots(1, 1), batch, step_s)
    figure.suptitle(literal(title), fontsize=10)
    return figure


def _show_channels(figure: Any, axes: Sequence[Axes], crop: Floats, spec: CropSpec) -> None:
    directed = directed_channels(spec.channels)
    signed = range(len(crop))[directed] if directed else range(0)
    for channel, (axis, layers) in enumerate(zip(axes, spec.channels, strict=True)):
        low, colours = (-1, "PuOr") if channel in signed else (0, "Greys")
        picture = _image(axis, crop[channel], spec, cmap=colours, vmin=low, vmax=1)
        _mark_target(axis)
        axis.set_title(f"channel {channel}\n{_wrapped(layers)}", fontsize=8)
        if channel + 1 in (len(crop), signed.start if signed else 0):
            label = "component of the direction" if channel in signed else "share of the pixel covered"
            bar = figure.colorbar(picture, ax=axis, shrink=0.5, pad=0.02)
            bar.set_label(label, fontsize=7)
            bar.ax.tick_params(labelsize=7)


def _show_everything(axis: Axes, batch: AgentBatch, crop: Floats, spec: CropSpec) -> None:
    """All channels in their layers' colours, with the past of everyone who is given to the network."""
    picture = np.broadcast_to(to_rgb(_GROUND), (*crop.shape[1:], 3)).copy()
    directed = directed_channels(spec.channels)
    shown = [number for number in range(len(crop)) if not directed or number not in range(len(crop))[directed]]
    for channel in shown:
        share = 0.9 * crop[channel][..., None]
        picture += share * (np.array(to_rgb(_colour(spec.channels[channel]))) - picture)
    _image(axis, picture, spec)
    if directed is not None:
        _show_directions(axis, crop[directed], spec)
    counts = dict.fromkeys(_KINDS, 0)
    for states, valid, kind in zip(
        batch.neighbours[0].numpy(), batch.neighbours_valid[0].numpy(), batch.neighbour_types[0].tolist(), strict=True
    ):
        if valid.any():
            counts[AgentType(kind)] += 1
            _show_track(axis, states[valid], _KINDS[AgentType(kind)][1])
    _show_track(axis, batch.history[0].numpy()[batch.history_valid[0].numpy()], _TARGET)
    length, width = batch.size_m[0].tolist()
    box = Rectangle((-width / 2, -length / 2), width, length, facecolor="none", edgecolor=_TARGET, lw=1.2, zorder=5)
    axis.add_patch(box)
    handles: list[Any] = [Patch(color=_colour(spec.channels[number]), label=f"channel {number}") for number in shown]
    handles.append(axis.plot([], [], "o-", color=_TARGET, ms=3, lw=1, label="target")[0])
    for kind, (name, colour) in _KINDS.items():
        if counts[kind]:
            handles.append(axis.plot([], [], "o-", color=colour, ms=3, lw=1, label=f"{counts[kind]} {name}")[0])
    axis.legend(handles=handles, fontsize=6.5, loc="upper right", framealpha=0.75)
    axis.set_title("all of it\n(dots: 2 Hz past; arrows: velocity, 1 s)", fontsize=8)


def _colour(layers: Sequence[str]) -> str:
    return LAYERS[layers[0]].colour if layers[0] in LAYERS else "#999999"


def _wrapped(layers: Sequence[str]) -> str:
    return "\n".join(textwrap.wrap(" ∪ ".join(layers), 30))


def _image(axis: Axes, image: Floats, spec: CropSpec, **options: Any) -> Any:
    """Show an image in metres: forward is up and, as +y points left, the y axis runs leftwards."""
    extent = (-spec.right_m, spec.left_m, -spec.behind_m, spec.ahead_m)
    shown = axis.imshow(image, origin="lower", extent=extent, interpolation="nearest", **options)
    axis.set_xlim(spec.left_m, -spec.right_m)
    axis.set_ylim(-spec.behind_m, spec.ahead_m)
    return shown


def _mark_target(axis: Axes) -> None:
    axis.annotate("", (0, 5), (0, 0), arrowprops={"arrowstyle": "-|>", "color": _TARGET, "lw": 1.2})
    axis.plot(0, 0, "o", color=_TARGET, ms=2.5)


def _show_directions(axis: Axes, directions: Floats, spec: CropSpec) -> None:
    """An arrow where lanes cover most of a pixel, every few metres."""
    every = max(1, round(4 * spec.px_per_m))
    rows, columns = np.mgrid[every // 2 : directions.shape[1] : every, every // 2 : directions.shape[2] : every]
    ahead, left = directions[:, rows, columns]
    seen = np.hypot(ahead, left) > 0.5
    x = (rows[seen] + 0.5) / spec.px_per_m - spec.behind_m
    y = (columns[seen] + 0.5) / spec.px_per_m - spec.right_m
    # The horizontal axis shows y and runs leftwards, which "xy" angles follow.
    axis.quiver(y, x, left[seen], ahead[seen], angles="xy", color=_INK, alpha=0.6, scale=20, width=0.005)


def _show_track(axis: Axes, states: Floats, colour: str) -> None:
    """One agent's past, fainter the older it is, and where its velocity takes it within a second."""
    ahead, left = states[:, 0], states[:, 1]
    axis.plot(left, ahead, "-", color=colour, lw=1, alpha=0.6, zorder=4)
    fading: Any = np.linspace(0.35, 1.0, len(states))
    axis.scatter(
        left, ahead, s=np.where(np.arange(len(states)) == len(states) - 1, 14, 5), color=colour, alpha=fading, zorder=5
    )
    now = states[-1]
    if np.hypot(now[2], now[3]) > 0.3:
        end, begin = (now[1] + now[3], now[0] + now[2]), (now[1], now[0])
        arrow = axis.annotate("", end, begin, arrowprops={"arrowstyle": "->", "color": colour, "lw": 1}, zorder=5)
        arrow.arrow_patch.set_clip_box(axis.bbox)  # type: ignore[union-attr]


def _show_states(axis: Axes, batch: AgentBatch, step_s: float) -> None:
    """The target's own history, number by number."""
    axis.axis("off")
    history, valid = batch.history[0].numpy(), batch.history_valid[0].numpy()
    rows = [
        [
            f"{(number - len(history) + 1) * step_s:.1f}",
            *(f"{round(float(value), 2) + 0.0:.2f}" if there else "–" for value in state),
        ]
        for number, (state, there) in enumerate(zip(history, valid, strict=True))
    ]
    columns = ["t [s]", *(f"{name} [{_UNITS[name]}]" for name in STATE_CHANNELS)]
    table = axis.table(rows, colLabels=columns, colWidths=[0.08] * len(columns), loc="upper center", cellLoc="right")
    table.auto_set_font_size(False)
    table.set_fontsize(7.5)
    for (row, _), cell in table.get_celld().items():
        cell.set_linewidth(0.3)
        cell.set_edgecolor("#bbbbbb")
        cell.set_text_props(color=_INK if row == 0 or valid[row - 1] else "#aaaaaa")
        cell.set_facecolor("#f0f0ec" if row == 0 else "white")
    kind, (length, width) = AgentType(int(batch.target_type[0])).name.lower(), batch.size_m[0].tolist()
    around = int(batch.neighbours_valid[0].any(1).sum())
    axis.set_title(
        f"history of the target, a {kind} of {length:.1f} m × {width:.1f} m, with {around} neighbours", fontsize=8
    )
