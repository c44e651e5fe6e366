"""Puts the forecasts of a model beside the truth of a scene: errors, and what was said of each point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.displacement import displacements
from forecast.eval.matching import truth_for
from forecast.eval.results import PerItem
from forecast.view.points_so_far import points_so_far
from forecast.view.view_scene import ViewForecasts

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def beside_truth(rows: ForecastRows, truth: TruthRows, names: list[str], time_s: Floats) -> ViewForecasts:
    """Gather all that the player says of a model in a scene.

    Args:
        rows: its forecasts there, on the scene's clock.
        truth: of the scene, on the same clock.
        names: of the scene's agents; every track of the forecasts is among them.
        time_s: (frames,) the scene's clock at its frames.
    """
    number = {name: index for index, name in enumerate(names)}
    agent = np.array([number[name] for name in rows.track.tolist()], dtype=np.int64)
    return ViewForecasts(
        rows, agent, nearest_frame(rows.issue_time_s, time_s), _error_of_likeliest(rows, truth),
        points_so_far(rows, truth),
    )  # fmt: skip


def nearest_frame(wanted_s: Floats, time_s: Floats) -> Integers:
    """(times,) index of the frame that is nearest to each time, seconds; the earlier of two equally near."""
    middle = (time_s[1:] + time_s[:-1]) / 2
    return np.searchsorted(middle, wanted_s).astype(np.int64)


def _error_of_likeliest(rows: ForecastRows, truth: TruthRows) -> PerItem:
    """FDE of each row's likeliest mode, metres."""
    truth_m, valid = truth_for(rows, truth)
    return displacements(rows.positions_m, rows.probabilities, truth_m, valid).min_fde_k(1)
