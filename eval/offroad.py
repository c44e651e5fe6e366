"""Off-road rates: the devkit's, by its raster and smoothing spline, and an exact one against the polygons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from scipy.interpolate import splev, splprep

from forecast.eval.displacement import likeliest
from forecast.eval.drivable import CLEARANCE_M, PX_PER_M, DrivableArea
from forecast.eval.results import Bools, Floats, Integers, PerItem, as_floats, per_item

SPLINE_POINTS = 200
SMOOTHING = 0.1
_RAW_POINTS = 3


def devkit_path(mode_m: Floats) -> Floats:
    """The points at which the devkit looks at the map: (points, 2) metres.

    Repeated points are dropped; up to three are taken as they are, more are smoothed by a cubic spline
    (``splprep``, s = 0.1) and read at 200 places.
    """
    unique = np.array(list(dict.fromkeys(map(tuple, mode_m.tolist()))))
    if len(unique) <= _RAW_POINTS:
        return unique
    knots, _ = splprep(unique.T, k=3, s=SMOOTHING)
    return np.stack(splev(np.linspace(0, 1, SPLINE_POINTS), knots), axis=-1)


def off_road(modes_m: Any, area: DrivableArea) -> tuple[Bools, Bools]:
    """Which modes leave the drivable area, by the devkit's rule.

    Args:
        modes_m: (agents, modes, steps, 2) world frame, all on the map of ``area``; NaN where a mode is absent.
        area: the map.

    Returns:
        off (agents, modes), and valid (agents, modes), False for absent modes.
    """
    modes = as_floats(modes_m)
    valid: Bools = np.isfinite(modes).all((-2, -1))
    flat = modes[valid]
    parts = [_leaves(flat[start : start + _CHUNK], area) for start in range(0, len(flat), _CHUNK)]
    answer = np.zeros(valid.shape, dtype=bool)
    answer[valid] = np.concatenate(parts) if parts else False
    return answer, valid


def off_road_rate(modes_m: Any, area: DrivableArea) -> PerItem:
    """Share of each agent's modes that leave the drivable area (nuScenes ``OffRoadRate``); see :func:`off_road`."""
    off, valid = off_road(modes_m, area)
    count = valid.sum(-1)
    return per_item(off.sum(-1) / np.maximum(count, 1), count > 0)


def off_road_ml(modes_m: Any, probabilities: Any, area: DrivableArea) -> PerItem:
    """1 where the most likely mode leaves the drivable area, else 0 (CAB paper, table 1: OffR-ML)."""
    chosen = likeliest(probabilities)
    modes = as_floats(modes_m)
    return off_road_rate(modes[np.arange(len(modes)), chosen][:, None], area)


def off_road_exact(modes_m: Any, polygons: Sequence[Any]) -> tuple[Bools, Bools]:
    """Which modes, as polylines through their points, are not wholly within the drivable polygons.

    No raster and no spline: works on any map, and a line along the outline itself counts as inside.

    Args:
        modes_m: (agents, modes, steps, 2) world frame; NaN where a mode is absent.
        polygons: drivable polygons (shapely), which may overlap.
    """
    modes = as_floats(modes_m)
    valid: Bools = np.isfinite(modes).all((-2, -1))
    union = shapely.union_all(list(polygons))
    shapely.prepare(union)
    answer = np.zeros(valid.shape, dtype=bool)
    flat = modes[valid]
    # A line of one point only is no valid line string: such a mode is tested as a point.
    still = (flat == flat[:, :1]).all((-2, -1))
    shapes = np.empty(len(flat), dtype=object)
    shapes[still] = shapely.points(flat[still, 0])
    shapes[~still] = shapely.linestrings(flat[~still]) if flat.shape[1] > 1 else shapely.points(flat[~still, 0])
    answer[valid] = ~shapely.covers(union, shapes)
    return answer, valid


def _leaves(modes_m: Floats, area: DrivableArea) -> Bools:
    """(modes,) True where the smoothed path leaves the area."""
    coefficients, simple = _cubics(modes_m)
    off = np.zeros(len(modes_m), dtype=bool)
    if simple.any():
        off[simple] = _cubics_leave(coefficients[simple], area)
    rest = np.flatnonzero(~simple)
    if len(rest):
        splines = [devkit_path(mode) for mode in modes_m[rest]]
        length = np.array([len(path) for path in splines])
        outside = ~area.contains(*_pixels(np.concatenate(splines)))
        off[rest] = np.logical_or.reduceat(outside, np.cumsum(length) - length)
    return off


def _cubics_leave(coefficients: Floats, area: DrivableArea) -> Bools:
    """(cubics,) True where one of the 200 points is off the area; most are decided by every fourth point alone."""
    some = _SOME @ coefficients
    column, row = _pixels(some)
    off: Bools = ~area.contains(column, row).all(-1)
    # Between neighbours a cubic strays from them by half their distance and the sagitta h²/8 max|f''|.
    apart = np.sqrt((np.diff(some, axis=1) ** 2).sum(-1).max(-1)) / 2
    bend = np.maximum(
        np.linalg.norm(2 * coefficients[:, 2], axis=-1),
        np.linalg.norm(2 * coefficients[:, 2] + 6 * coefficients[:, 3], axis=-1),
    )
    near = apart + bend * _SPACING**2 / 8 < CLEARANCE_M - 2 / PX_PER_M
    open_ = np.flatnonzero(~off)
    sure = near[open_]
    sure[sure] = area.clear(column[open_[sure]], row[open_[sure]]).all(-1)
    doubtful = open_[~sure]
    off[doubtful] = ~area.contains(*_pixels(_ALL @ coefficients[doubtful])).all(-1)
    return off


def _pixels(points_m: Floats) -> tuple[Integers, Integers]:
    """Column and row, truncated as the devkit does."""
    pixel = (points_m * PX_PER_M).astype(np.int64)
    return pixel[..., 0], pixel[..., 1]


def _cubics(modes_m: Floats) -> tuple[Floats, Bools]:
    """Where FITPACK's answer is one cubic: its coefficients (modes, 4, 2), and for which modes that holds.

    FITPACK begins with a single polynomial over the share of the path's length, and keeps it where the squared
    residuals sum to less than s. Only the other modes need knots (P. Dierckx, Curve and Surface Fitting with
    Splines, 1993, chapter 5).
    """
    step = np.linalg.norm(np.diff(modes_m, axis=1), axis=-1)
    distinct: Bools = (step > 0).all(-1) & (modes_m.shape[1] > _RAW_POINTS)
    along = np.concatenate([np.zeros((len(step), 1)), np.cumsum(step, -1)], -1)
    total = np.where(distinct, along[:, -1], 1.0) if modes_m.shape[1] else np.ones(len(modes_m))
    powers = (along / np.maximum(total, 1e-12)[:, None])[..., None] ** np.arange(4)
    origin = modes_m[:, :1]
    relative = modes_m - origin
    # Legendre polynomials keep the normal equations well conditioned.
    basis = powers @ _LEGENDRE
    gram = np.einsum("nsi,nsj->nij", basis, basis) + np.where(distinct, 0.0, 1.0)[:, None, None] * np.eye(4)
    weights = np.linalg.solve(gram, np.einsum("nsi,nsd->nid", basis, relative))
    residual: Floats = ((basis @ weights - relative) ** 2).sum((-2, -1))
    coefficients: Floats = _LEGENDRE @ weights
    coefficients[:, 0] += origin[:, 0]
    # A point that comes back later in the path is dropped by the devkit too: leave such paths to the full rule.
    distinct &= residual < SMOOTHING
    distinct[distinct] = ~_revisits(modes_m[distinct])
    return coefficients, distinct


def _revisits(modes_m: Floats) -> Bools:
    """(modes,) True where two points of a mode are the same."""
    same = (modes_m[:, :, None, 0] == modes_m[:, None, :, 0]) & (modes_m[:, :, None, 1] == modes_m[:, None, :, 1])
    found: Bools = same.sum((-2, -1)) > modes_m.shape[1]
    return found


_CHUNK = 4096
_ALL = np.linspace(0, 1, SPLINE_POINTS)[:, None] ** np.arange(4)
_SOME = _ALL[np.append(np.arange(0, SPLINE_POINTS - 1, 4), SPLINE_POINTS - 1)]
_SPACING = 4 / (SPLINE_POINTS - 1)
#: Columns: shifted Legendre polynomials on 0…1 in powers of the parameter.
_LEGENDRE = np.array([[1.0, -1, 1, -1], [0, 2, -6, 12], [0, 0, 6, -30], [0, 0, 0, 20]])
