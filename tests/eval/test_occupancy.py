"""Occupancy grids against drawing many samples."""

import numpy as np
import pytest

from forecast.eval.occupancy import Grid, occupancy


def covered(grid: Grid, place_m, heading_rad, size_m):
    """(samples, rows, columns) whether each cell's centre lies in each box."""
    x, y = np.meshgrid(grid.x_m, grid.y_m)
    off_x, off_y = x - place_m[:, :1, None], y - place_m[:, 1:, None]
    ahead = np.cos(heading_rad) * off_x + np.sin(heading_rad) * off_y
    left = np.cos(heading_rad) * off_y - np.sin(heading_rad) * off_x
    return (np.abs(ahead) <= size_m[0] / 2) & (np.abs(left) <= size_m[1] / 2)


def test_it_is_what_samples_say() -> None:
    random = np.random.default_rng(0)
    grid = Grid.around((100.0, -50.0), 12.0, 1.0)
    modes = np.array([100.0, -50.0]) + random.uniform(-6, 6, (2, 3, 2, 2))
    heading = random.uniform(-3, 3, (2, 3, 2))
    shares = np.array([[0.6, 0.3, 0.1], [0.5, 0.5, np.nan]])
    modes[1, 2] = np.nan
    size = np.array([[4.6, 1.9], [2.0, 0.8]])
    root = random.normal(0, 1.0, (2, 3, 2, 2, 2))
    spread = root @ root.swapaxes(-1, -2) + 0.05 * np.eye(2)
    found = occupancy(modes, heading, shares, size, grid, spread)
    draws = 8_000
    for step in range(2):
        hit = np.zeros((draws, grid.rows, grid.columns), dtype=bool)
        for agent in range(2):
            chosen = random.choice(3, draws, p=np.nan_to_num(shares[agent]))
            for mode in range(3):
                mine = np.flatnonzero(chosen == mode)
                if len(mine):
                    place = random.multivariate_normal(modes[agent, mode, step], spread[agent, mode, step], len(mine))
                    hit[mine] |= covered(grid, place, heading[agent, mode, step], size[agent])
        # Five standard errors of so many draws.
        assert np.abs(found[step] - hit.mean(0)).max() < 5 * 0.5 / np.sqrt(draws)
    assert found.max() > 0.2


def test_certain_positions_cover_their_box_alone() -> None:
    grid = Grid.around((0.0, 0.0), 5.0, 0.5)
    found = occupancy(np.zeros((1, 1, 1, 2)), np.zeros((1, 1, 1)), [[2.0]], [[4.0, 2.0]], grid)[0]
    x, y = np.meshgrid(grid.x_m, grid.y_m)
    np.testing.assert_allclose(found, (np.abs(x) < 2) & (np.abs(y) < 1), atol=1e-6)


def test_nobody_is_nowhere_and_what_lies_outside_is_not_seen() -> None:
    grid = Grid.around((0.0, 0.0), 4.0, 1.0)
    assert occupancy(np.zeros((0, 1, 3, 2)), np.zeros((0, 1, 3)), np.zeros((0, 1)), np.zeros((0, 2)), grid).sum() == 0
    far = np.full((1, 1, 1, 2), 1e4)
    assert occupancy(far, np.zeros((1, 1, 1)), [[1.0]], [[4.0, 2.0]], grid).sum() == 0


def test_what_is_no_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="metres, more than 0"):
        Grid.around((0.0, 0.0), 4.0, 0.0)
    with pytest.raises(ValueError, match="headings_rad"):
        occupancy(np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 1)), [[1.0]], [[4.0, 2.0]], Grid.around((0.0, 0.0), 4.0))
