"""Pictures of what a Forecaster answered: its modes, and where somebody will be."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from forecast.eval.occupancy import Grid, occupancy
from forecast.pictures.answer_picture import plot_answer
from forecast.pictures.occupancy_picture import draw_occupancy
from forecast.prediction.scene_forecast import SceneForecast


@pytest.fixture
def answer() -> SceneForecast:
    lead_s = 0.5 * np.arange(1, 13)
    ahead = np.stack([8 * lead_s, 0 * lead_s], -1)
    modes = np.array([[1000.0, 50.0], [1000.0, 60.0]])[:, None, None] + np.stack([ahead, 0.5 * ahead])
    return SceneForecast(
        time_s=3.0,
        lead_s=lead_s,
        agent_ids=("one", "two"),
        positions_m=modes,
        headings_rad=np.zeros(modes.shape[:3]),
        covariances_m2=np.tile(0.5 * np.eye(2), (*modes.shape[:3], 1, 1)),
        probabilities=np.array([[0.8, 0.2], [1.0, 0.0]]),
        most_likely=np.array([0, 0]),
        pose_world=np.array([[1000.0, 50.0, 0.0], [1000.0, 60.0, 0.0]]),
        silent_s=np.zeros(2),
        size_m=np.tile([4.6, 1.9], (2, 1)),
    )


def test_an_answer_is_drawn_on_axes_of_ones_own_or_new_ones(answer: SceneForecast) -> None:
    axes = plot_answer(answer, names=True)
    # Modes without a probability are not drawn.
    assert sum(isinstance(drawn, LineCollection) for drawn in axes.collections) == 3
    assert {text.get_text() for text in axes.texts} == {"one", "two"}
    own = Figure().subplots()
    assert plot_answer(answer, own) is own
    assert own.collections


def test_an_occupancy_grid_is_drawn_at_the_steps_asked_for(answer: SceneForecast) -> None:
    grid = Grid.around((1024.0, 55.0), 40.0, 1.0)
    occupied = occupancy(
        answer.positions_m, answer.headings_rad, answer.probabilities, answer.size_m, grid, answer.covariances_m2
    )
    figure = draw_occupancy(occupied, answer.lead_s, grid, [1, 5])
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 2
    shown = images[1].get_array()
    assert shown is not None
    # What is seen is the grid itself, and what is hardly possible stays blank.
    seen = ~np.ma.getmaskarray(np.ma.masked_invalid(shown))
    np.testing.assert_array_equal(seen, occupied[5] >= 0.02)
    assert seen.any()
