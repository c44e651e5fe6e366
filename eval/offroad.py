"""Off-road rates: the devkit's, by its raster and smoothing spline, and an exact one against the polygons."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import shapely
from scipy.interpolate import splev, splprep

from forecast.eval.displacement import likeliest
from forecast.eval.drivable import CLEARANCE_M, PX_PER_M, DrivableArea
from forecast.eval.results import Bools, Floats, Integers, PerItem, as_floats, per_item

SPLINE_POINTS = 200
SMOOTHING = 0.1
#: Polygons this near to each other touch, for the exact rule.
HAIRLINE_M = 0.01
_CORNERS: dict[str, Any] = {"join_style": "mitre", "mitre_limit": 5.0}
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
    flat = modes[valid] - np.array(area.origin_m, dtype=np.float64)
    chunks = [flat[start : start + _CHUNK] for start in range(0, len(flat), _CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(lambda chunk: _leaves(chunk, area), chunks))
    answer = np.zeros(valid.shape, dtype=bool)
    answer[valid] = np.concatenate(parts) if parts else False
    return answer, valid


def off_road_rate(modes_m: Any, area: DrivableArea) -> PerItem:
    """Share of each agent's modes that leave the drivable area (nuScenes ``OffRoadRate``); see :func:`off_road`."""
    return share_off_road(*off_road(modes_m, area))


def share_off_road(off: Bools, valid: Bools) -> PerItem:
    """Share of each agent's trajectories that leave the drivable area, by any rule.

    Args:
        off: (agents, trajectories) which leave it, see :func:`off_road` and :func:`off_road_exact`.
        valid: (agents, trajectories) True where there is a trajectory.
    """
    return per_item(off.sum(-1, where=valid) / np.maximum(valid.sum(-1), 1), valid.any(-1))


def likeliest_off_road(off: Bools, valid: Bools, probabilities: Any) -> PerItem:
    """1 where the most likely mode leaves the drivable area, else 0, by any rule.

    Args:
        off, valid: (agents, modes), see :func:`share_off_road`.
        probabilities: (agents, modes); NaN in absent modes.
    """
    each, chosen = np.arange(len(off)), likeliest(probabilities)
    return per_item(off[each, chosen], valid[each, chosen])


def off_road_ml(modes_m: Any, probabilities: Any, area: DrivableArea) -> PerItem:
    """1 where the most likely mode leaves the drivable area, else 0 (CAB paper, table 1: OffR-ML)."""
    chosen = likeliest(probabilities)
    modes = as_floats(modes_m)
    return off_road_rate(modes[np.arange(len(modes)), chosen][:, None], area)


def drivable_union(polygons: Sequence[Any]) -> Any:
    """Drivable polygons, which may overlap, as one geometry that is quick to ask (shapely, prepared).

    Polygons that should touch often miss each other by a hair, as exports round their corners. Gaps and holes up to
    ``HAIRLINE_M`` wide are closed; no outline moves outwards by more than a thousandth of that (the tip of a
    needle: three times ``HAIRLINE_M``), and none inwards.
    """
    half_m = HAIRLINE_M / 2
    # Corners a billionth of a metre apart are one: what is drawn around slivers of 1e-100 m overflows.
    sound = shapely.transform(np.array(list(polygons), dtype=object), lambda xy: np.round(xy, 9))
    sound = np.where(shapely.is_valid(sound), sound, shapely.make_valid(sound))
    # Shrunk a little less: lines along the outline stay inside, whatever rounding does. Growing leaves out corners of a
    # hundredth of its width, so the polygons themselves are part of the union.
    closed = shapely.buffer(
        shapely.union_all(shapely.buffer(sound, half_m, **_CORNERS)), -half_m * (1 - 2e-3), **_CORNERS
    )
    union = shapely.union_all([closed, *sound])
    shapely.prepare(union)
    return union


def off_road_exact(modes_m: Any, polygons: Any) -> tuple[Bools, Bools]:
    """Which modes, as polylines through their points, are not wholly within the drivable polygons.

    No raster and no spline: works on any map, and a line along the outline itself counts as inside. Polygons with
    ``HAIRLINE_M`` or less between them are one.

    Args:
        modes_m: (agents, modes, steps, 2) world frame; NaN where a mode is absent.
        polygons: drivable polygons (shapely), which may overlap, or what :func:`drivable_union` made of them.
    """
    if isinstance(polygons, shapely.Geometry) and not shapely.is_prepared(polygons):
        polygons = [polygons]
    modes = as_floats(modes_m)
    valid: Bools = np.isfinite(modes).all((-2, -1))
    union = polygons if isinstance(polygons, shapely.Geometry) else drivable_union(polygons)
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
        off[simple] = _cubics_leave(coefficients[..., simple], area)
    rest = np.flatnonzero(~simple)
    if len(rest):
        splines = [devkit_path(mode) for mode in modes_m[rest]]
        length = np.array([len(path) for path in splines])
        outside = ~area.contains(*_pixels(np.concatenate(splines)))
        off[rest] = np.logical_or.reduceat(outside, np.cumsum(length) - length)
    return off


def _cubics_leave(coefficients: Floats, area: DrivableArea) -> Bools:
    """(cubics,) True where one of the 200 points is off the area; most are decided by every fourth point alone."""
    column, row, apart = _some_pixels(coefficients)
    off: Bools = ~area.contains(column, row).all(0)
    # Between neighbours a cubic strays from them by half their distance and the sagitta h²/8 max|f''|.
    ends = 2 * coefficients[2], 2 * coefficients[2] + 6 * coefficients[3]
    bend = np.sqrt(np.maximum(*((end**2).sum(0) for end in ends)))
    near = apart / 2 + bend * _SPACING**2 / 8 < CLEARANCE_M - 2 / PX_PER_M
    candidates = np.flatnonzero(near & ~off)
    sure = candidates[area.clear(column[:, candidates], row[:, candidates]).all(0)]
    doubtful = ~off
    doubtful[sure] = False
    every = np.tensordot(_ALL, coefficients[..., doubtful], 1)
    off[doubtful] = ~area.contains(*_pixels(every, axis=1)).all(0)
    return off


def _some_pixels(coefficients: Floats) -> tuple[Integers, Integers, Floats]:
    """Column and row of every fourth point (points, cubics), and the farthest neighbours' distance (cubics,)."""
    some = np.tensordot(_SOME, coefficients, 1)
    moved = np.diff(some, axis=0)
    moved *= moved
    apart: Floats = np.sqrt((moved[:, 0] + moved[:, 1]).max(0))
    return *_pixels(some, axis=1), apart


def _pixels(points_m: Floats, axis: int = -1) -> tuple[Integers, Integers]:
    """Column and row, truncated as the devkit does."""
    x, y = np.moveaxis(points_m, axis, 0)
    return (x * PX_PER_M).astype(np.int32), (y * PX_PER_M).astype(np.int32)


def _cubics(modes_m: Floats) -> tuple[Floats, Bools]:
    """Where FITPACK's answer is one cubic: its coefficients (4, 2, modes), and for which modes that holds.

    FITPACK begins with a single polynomial over the share of the path's length, and keeps it where the squared
    residuals sum to less than s. Only the other modes need knots (P. Dierckx, Curve and Surface Fitting with
    Splines, 1993, chapter 5).
    """
    modes, steps = modes_m.shape[:2]
    if steps <= _RAW_POINTS:
        return np.zeros((4, 2, modes)), np.zeros(modes, dtype=bool)
    # Modes last: every operation runs along contiguous memory.
    points = np.array(modes_m.transpose(1, 2, 0), order="C")  # a copy: it is changed below
    origin = points[0].copy()
    points -= origin
    moved = np.diff(points, axis=0)
    length = np.sqrt(moved[:, 0] ** 2 + moved[:, 1] ** 2)
    simple: Bools = (length > 0).all(0)
    along = np.zeros((steps, modes))
    np.cumsum(length, axis=0, out=along[1:])
    along /= np.where(simple, along[-1], 1.0)
    coefficients, residual = _fitted(along, points, simple)
    coefficients[0] += origin
    simple &= residual < SMOOTHING
    simple[simple] = ~_revisits(modes_m[simple])
    return coefficients, simple


def _fitted(along: Floats, points: Floats, usable: Bools) -> tuple[Floats, Floats]:
    """Least-squares cubics, coefficients (4, 2, modes) and squared residuals (modes,), by orthogonal polynomials.

    Polynomials that are orthogonal on each mode's own parameters come from a three-term recurrence, and need no
    system of equations (G. E. Forsythe, 1957).
    """
    modes = along.shape[1]
    coefficients, residual = np.zeros((4, 2, modes)), points.copy()
    before, now = np.zeros_like(along), np.ones_like(along)
    powers_before, powers = np.zeros((4, modes)), np.zeros((4, modes))
    powers[0] = 1.0
    norm_before = np.ones(modes)
    for degree in range(4):
        square = now * now
        norm = np.where(usable, square.sum(0), 1.0)
        weight = np.einsum("sm,sdm->dm", now, residual) / norm
        residual -= now[:, None] * weight
        coefficients += powers[:, None] * weight
        shift, scale = (along * square).sum(0) / norm, (norm / norm_before if degree else np.zeros(modes))
        before, now = now, (along - shift) * now - scale * before
        raised = np.concatenate([np.zeros((1, modes)), powers[:-1]])
        powers_before, powers = powers, raised - shift * powers - scale * powers_before
        norm_before = norm
    return coefficients, np.einsum("sdm,sdm->m", residual, residual)


def _revisits(modes_m: Floats) -> Bools:
    """(modes,) True where two points of a mode are the same."""
    along = np.diff(modes_m, axis=1) @ (modes_m[:, -1] - modes_m[:, 0])[..., None]
    found: Bools = ~(along[..., 0] > 0).all(-1)  # who always moves towards the end never comes back
    modes_m = modes_m[found]
    same = (modes_m[:, :, None, 0] == modes_m[:, None, :, 0]) & (modes_m[:, :, None, 1] == modes_m[:, None, :, 1])
    found[found] = same.sum((-2, -1)) > modes_m.shape[1]
    return found


_CHUNK = 1024
_ALL = np.linspace(0, 1, SPLINE_POINTS)[:, None] ** np.arange(4)
_SOME = _ALL[np.append(np.arange(0, SPLINE_POINTS - 1, 4), SPLINE_POINTS - 1)]
_SPACING = 4 / (SPLINE_POINTS - 1)
