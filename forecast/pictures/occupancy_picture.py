"""Draws occupancy grids: how probable it is that each place is covered by some agent, at several times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from forecast.core.maps import MapSource
from forecast.eval.occupancy import Grid
from forecast.pictures.map_background import View, draw_ground

Floats = NDArray[np.float64]
#: Probabilities below this are left blank, so that the ground is seen.
_LEAST = 0.02
_PANEL_IN = 3.2


def draw_occupancy(
    occupied: Floats, lead_s: Floats, grid: Grid, steps: Sequence[int] = (), *, source: MapSource | None = None
) -> Figure:
    """Draw a grid at several steps, side by side, over the map.

    Args:
        occupied: (steps, rows, columns) of :func:`forecast.eval.occupancy.occupancy`, shares of 1.
        lead_s: (steps,) seconds ahead.
        grid: the cells, world frame, metres.
        steps: which steps; the first, the middle and the last by default.
        source: the map, if any.
    """
    last = len(occupied) - 1
    chosen = list(steps) or sorted({0, last // 2, last})
    figure = Figure(figsize=(_PANEL_IN * len(chosen) + 0.8, _PANEL_IN + 0.7), layout="constrained")
    panels: Any = figure.subplots(1, len(chosen), squeeze=False, sharex=True, sharey=True)[0]
    span = np.array([grid.columns, grid.rows]) * grid.cell_m
    middle = grid.low_m + span / 2
    extent = (-span[0] / 2, span[0] / 2, -span[1] / 2, span[1] / 2)
    shown: Any = None
    for panel, step in zip(panels, chosen, strict=True):
        if source is not None:
            draw_ground(panel, source, View.north_up(middle), float(span.max()) / 2)
        cells = np.where(occupied[step] < _LEAST, np.nan, occupied[step])
        shown = panel.imshow(cells, origin="lower", extent=extent, cmap="cividis_r", vmin=0, vmax=1, zorder=3)
        panel.set_title(f"in {lead_s[step]:g} s", fontsize=10)
        panel.set_xlabel("east, m", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.set_xlim(extent[:2])
        panel.set_ylim(extent[2:])
    panels[0].set_ylabel("north, m", fontsize=8)
    bar = figure.colorbar(shown, ax=list(panels), shrink=0.8, pad=0.01)
    bar.set_label(f"probability of being occupied (below {_LEAST:.0%} blank)", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure
