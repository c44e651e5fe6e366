"""Draws entries of a joined submission: target, neighbours, map and truth come from the data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.core.tracks import Tracks
from forecast.data.maps.layers import load_map
from forecast.report.draw import Agent, draw_forecast
from forecast.report.join import Joined

if TYPE_CHECKING:
    from forecast.data.cache import Dataset

HISTORY_STEPS = 4


def agent_at(tracks: Tracks, row: int) -> Agent:
    """An agent as it was seen in one observation, with up to 2 s of its past."""
    track = int(np.searchsorted(tracks.first_row, row, side="right")) - 1
    first = max(int(tracks.first_row[track]), row - HISTORY_STEPS)
    pose = np.array([*tracks.row_position_m[row], tracks.row_heading_rad[row]])
    return Agent(pose, tracks.row_size_m[row].astype(np.float64), tracks.row_position_m[first : row + 1])


class CaseDrawer:
    """Draws cases of one data set; each map is opened once."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._maps: dict[str, MapSource | None] = {}

    def draw(self, axes: Axes, joined: Joined, entry: int, title: str = "") -> None:
        """Draw one entry of a submission."""
        tracks, row = joined.tracks, int(joined.rows[entry])
        # Rows of the same key frame; observations are sorted by track, so they lie anywhere.
        others = np.flatnonzero(tracks.row_sample == tracks.row_sample[row])
        draw_forecast(
            axes,
            agent_at(tracks, row),
            joined.submission.positions_m[entry],
            joined.submission.probabilities[entry],
            truth_m=joined.future_m[entry],
            neighbours=[agent_at(tracks, int(other)) for other in others if other != row],
            source=self._map(str(joined.locations[entry])),
            title=title,
        )

    def _map(self, name: str) -> MapSource | None:
        if name not in self._maps:
            try:
                self._maps[name] = load_map(self.dataset.map_expansion_path(name))
            except DataError:
                self._maps[name] = None  # the picture then shows the agents alone
        return self._maps[name]
