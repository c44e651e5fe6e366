"""A map crop as the ground of a panel: what is no road in grey, the target in it, forward up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from forecast.core.crops import CropSpec

#: Of the agent that is forecast.
TARGET = "#d7191c"


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


def frame_panel(axis: Axes, spec: CropSpec, size_m: tuple[float, float]) -> None:
    """Set the limits and the left axis label, and draw the target of this length and width, metres."""
    axis.set_xlim(spec.left_m, -spec.right_m)
    axis.set_ylim(-spec.behind_m, spec.ahead_m)
    axis.set_xlabel("to the left, m", fontsize=8)
    axis.tick_params(labelsize=7)
    length, width = size_m
    axis.add_patch(Rectangle((-width / 2, -length / 2), width, length, facecolor=TARGET, lw=0, zorder=5))
