"""A map crop as the ground of a panel: what is no road in grey, the target in it, forward up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from forecast.core.batch import AgentBatch
    from forecast.core.crops import CropSpec
    from forecast.core.forecast import Forecast

#: Of the agent that is forecast.
TARGET = "#d7191c"
TRUTH = "#000000"
_MODES = 6


def image_options(spec: CropSpec) -> dict[str, Any]:
    """What ``imshow`` needs to lay an image of a crop, or of cells that fill it, where it is: metres, y left, x up."""
    extent_m = (-spec.right_m, spec.left_m, -spec.behind_m, spec.ahead_m)
    return {"origin": "lower", "extent": extent_m, "interpolation": "nearest"}


def shade_off_road(axis: Axes, crop: NDArray[np.float32], spec: CropSpec) -> None:
    """Lay grey over what is no road and over its lines, so that colours below stay readable on it.

    Args:
        axis: the panel, in metres: y to the left, x up.
        crop: (channels, height, width) in 0…1, the first channel the road.
        spec: of the crop.
    """
    outside = np.zeros((*crop.shape[1:], 4))
    outside[..., 3] = 0.35 * (1 - crop[0]) + 0.5 * crop[1:].max(0, initial=0) * crop[0]
    axis.imshow(outside, **image_options(spec))


def tallness(spec: CropSpec) -> float:
    """Height of a crop over its width."""
    return (spec.ahead_m + spec.behind_m) / (spec.left_m + spec.right_m)


def show_truth(axis: Axes, batch: AgentBatch) -> None:
    """What happened to the one agent of a batch, dashed."""
    truth = batch.future[0].numpy()[batch.future_valid[0].numpy()]
    axis.plot(truth[:, 1], truth[:, 0], "--", color=TRUTH, lw=1.2, zorder=6)


def show_modes(axis: Axes, forecast: Forecast, *, above: float = 0.0) -> None:
    """The most probable modes of one agent, thicker where more probable; none at or below a probability."""
    for mode in forecast.probabilities[0].argsort(descending=True, stable=True)[:_MODES].tolist():
        probability = float(forecast.probabilities[0, mode])
        if probability > above:
            path = np.vstack([[0.0, 0.0], forecast.positions_m[0, mode].cpu().numpy()])
            axis.plot(path[:, 1], path[:, 0], "-", color=TARGET, lw=0.6 + 3 * probability, alpha=0.8, zorder=6.5)
            axis.plot(path[-1, 1], path[-1, 0], "o", color=TARGET, ms=2.5, zorder=6.5)


def frame_panel(axis: Axes, spec: CropSpec, batch: AgentBatch) -> None:
    """Set the limits and the left axis label, and draw the target, the one agent of a batch."""
    axis.set_xlim(spec.left_m, -spec.right_m)
    axis.set_ylim(-spec.behind_m, spec.ahead_m)
    axis.set_xlabel("to the left, m", fontsize=8)
    axis.tick_params(labelsize=7)
    length, width = batch.size_m[0].tolist()
    axis.add_patch(Rectangle((-width / 2, -length / 2), width, length, facecolor=TARGET, lw=0, zorder=5))
