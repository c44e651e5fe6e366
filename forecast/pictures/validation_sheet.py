"""A few agents' forecasts side by side as one image, for logs of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from forecast.core.forecast import Forecast
from forecast.pictures.crop_panel import frame_panel, shade_off_road, show_modes, show_truth, tallness

if TYPE_CHECKING:
    from forecast.core.batch import AgentBatch
    from forecast.core.crops import CropSpec

_PANEL_IN, _DPI = 2.4, 100


def draw_validation(batch: AgentBatch, answer: Forecast, spec: CropSpec) -> NDArray[np.uint8]:
    """Draw each agent's map (where the batch holds crops), most probable modes, and true future (dashed).

    Args:
        batch: agents, agent frame.
        answer: their forecasts, agent frame, metres.
        spec: extent of the panels.

    Returns:
        (height, width, 3) RGB.
    """
    size = (_PANEL_IN * len(batch) + 0.4, 0.9 * _PANEL_IN * tallness(spec) + 0.5)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained", facecolor="white")
    axes = figure.subplots(1, len(batch), squeeze=False, sharex=True, sharey=True)[0]
    for agent, axis in enumerate(axes):
        one = batch[agent : agent + 1]
        if one.crop is not None:
            shade_off_road(axis, one.crop[0].numpy(), spec)
        show_modes(axis, Forecast(answer.positions_m[[agent]], answer.probabilities[[agent]]))
        show_truth(axis, one)
        frame_panel(axis, spec, one)
    axes[0].set_ylabel("ahead, m", fontsize=8)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    picture: NDArray[np.uint8] = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
    return picture
