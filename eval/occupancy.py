"""Occupancy grids: how probable it is that each place is covered by some agent at each time.

From modes, their probabilities and the covariances of their positions. A cell is covered where its centre lies in
an agent's box. Within an agent, modes exclude each other and their probabilities add up; agents are taken to be
independent of each other, so that a cell is free with the product of the probabilities that each leaves it free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, roots_legendre

from forecast.core.shapes import Float64
from forecast.eval.results import Floats, shaped

#: Positions further off than this many standard deviations are not looked at; nodes of the integral along the box.
_SIGMAS, _NODES = 5.0, 24
#: A position is known no better than this, metres: so that certain positions have a density too.
_SHARPEST_M = 1e-3


@dataclass(frozen=True)
class Grid:
    """Square cells along the axes of the world, metres.

    Attributes:
        low_m: (2,) corner of least x and y, world frame.
        cell_m: side of a cell.
        columns, rows: number of cells along x and along y.
    """

    low_m: Float64[Floats, "2"]
    cell_m: float
    columns: int
    rows: int

    @classmethod
    def around(cls, centre_m: Any, half_m: float, cell_m: float = 0.5) -> Grid:
        """A square.

        Args:
            centre_m: (2,) its middle, world frame, metres.
            half_m: half its side.
            cell_m: side of a cell.

        Raises:
            ValueError: a length that is none.
        """
        if not (np.isfinite([half_m, cell_m]).all() and half_m > 0 and cell_m > 0):
            raise ValueError(f"expected metres, more than 0, got half_m={half_m} and cell_m={cell_m}")
        cells = int(np.ceil(2 * half_m / cell_m))
        return cls(shaped("centre_m", centre_m, (2,)) - cells * cell_m / 2, cell_m, cells, cells)

    @property
    def x_m(self) -> Float64[Floats, "columns"]:
        """(columns,) x of the cells' centres."""
        centres: Floats = self.low_m[0] + self.cell_m * (np.arange(self.columns) + 0.5)
        return centres

    @property
    def y_m(self) -> Float64[Floats, "rows"]:
        """(rows,) y of the cells' centres."""
        centres: Floats = self.low_m[1] + self.cell_m * (np.arange(self.rows) + 0.5)
        return centres


def occupancy(
    modes_m: Any,
    headings_rad: Any,
    probabilities: Any,
    size_m: Any,
    grid: Grid,
    covariances_m2: Any = None,
) -> Float64[Floats, "steps rows columns"]:
    """Probability that each cell's centre is covered by at least one agent, at each step.

    Args:
        modes_m: (agents, modes, steps, 2) positions of the boxes' centres, world frame, metres; NaN in absent modes.
        headings_rad: (agents, modes, steps) in which the boxes lie.
        probabilities: (agents, modes); each agent's are normalised; NaN or 0 in absent modes.
        size_m: (agents, 2) length and width.
        grid: the cells.
        covariances_m2: (agents, modes, steps, 2, 2) of the positions; default: they are certain.

    Returns:
        (steps, rows, columns), 0 to 1; rows grow with y, columns with x.

    Raises:
        ValueError: shapes that do not fit.
    """
    modes = shaped("modes_m", modes_m, (None, None, None, 2))
    agents, count, steps, _ = modes.shape
    heading = shaped("headings_rad", headings_rad, (agents, count, steps))
    share = np.nan_to_num(shaped("probabilities", probabilities, (agents, count)))
    total = share.sum(1, keepdims=True)
    share = share / np.where(total > 0, total, 1.0)
    size = shaped("size_m", size_m, (agents, 2))
    wide = (agents, count, steps, 2, 2)
    spread = np.zeros(wide) if covariances_m2 is None else shaped("covariances_m2", covariances_m2, wide)
    free = np.ones((steps, grid.rows, grid.columns))
    for agent in range(agents):
        covered = np.zeros_like(free)
        for mode in np.flatnonzero(share[agent] > 0).tolist():
            for step in range(steps):
                place = modes[agent, mode, step]
                if np.isfinite(place).all() and np.isfinite(size[agent]).all():
                    _add(
                        covered[step], grid, share[agent, mode], place, heading[agent, mode, step], size[agent],
                        spread[agent, mode, step],
                    )  # fmt: skip
        free *= 1.0 - np.clip(covered, 0.0, 1.0)
    return 1.0 - free


def _add(
    covered: Floats, grid: Grid, share: float, place_m: Floats, heading_rad: float, size_m: Floats, spread_m2: Floats
) -> None:
    """Add what one mode covers at one step, where it may be at all."""
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    turn = np.array([[cos, sin], [-sin, cos]])  # world to box: ahead, left
    own = turn @ spread_m2 @ turn.T
    reach = np.hypot(*size_m) / 2 + _SIGMAS * np.sqrt(max(np.trace(spread_m2), 0.0))
    low = np.floor((place_m - reach - grid.low_m) / grid.cell_m).astype(int)
    high = np.ceil((place_m + reach - grid.low_m) / grid.cell_m).astype(int)
    columns = slice(max(low[0], 0), max(min(high[0], grid.columns), 0))
    rows = slice(max(low[1], 0), max(min(high[1], grid.rows), 0))
    x, y = np.meshgrid(grid.x_m[columns] - place_m[0], grid.y_m[rows] - place_m[1])
    if not x.size:
        return
    off = np.stack([cos * x + sin * y, cos * y - sin * x], -1)
    covered[rows, columns] += share * _within(off, own, size_m)


def _within(off_m: Floats, spread_m2: Floats, size_m: Floats) -> Floats:
    """Probability that a box whose centre is spread around the origin covers each place, all along the box's axes.

    The density ahead is integrated by Gauss and Legendre's rule; to the left it is integrated exactly, given ahead.
    """
    variance = np.maximum(np.diag(spread_m2), _SHARPEST_M**2)
    sigma = np.sqrt(variance)
    between = spread_m2[0, 1] / variance[0]
    left = np.sqrt(max(variance[1] - between * spread_m2[0, 1], _SHARPEST_M**2))
    # The centre is `ahead` of the origin, and the place within half a length of it.
    start = np.maximum(off_m[..., 0] - size_m[0] / 2, -_SIGMAS * sigma[0])
    end = np.minimum(off_m[..., 0] + size_m[0] / 2, _SIGMAS * sigma[0])
    half, middle = np.maximum(end - start, 0.0) / 2, (start + end) / 2
    nodes, weights = roots_legendre(_NODES)
    found = np.zeros(off_m.shape[:-1])
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        ahead = middle + half * node
        density = np.exp(-0.5 * (ahead / sigma[0]) ** 2) / (sigma[0] * np.sqrt(2 * np.pi))
        rest = off_m[..., 1] - between * ahead
        inside = ndtr((rest + size_m[1] / 2) / left) - ndtr((rest - size_m[1] / 2) / left)
        found += weight * half * density * inside
    return found
