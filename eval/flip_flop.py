"""Flip-flop index: how much successive forecasts of one quantity go to and fro, beyond the way from first to last.

Griffiths, Foley, Ioannou, Leeuwenburg 2019, Flip-flop index: quantifying revision stability for fixed-event forecasts
(Meteorological Applications 26(1), https://doi.org/10.1002/met.1732).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forecast.core.shapes import Float64
from forecast.eval.consistency import SuccessiveForecasts
from forecast.eval.results import Floats, PerItem, per_item, shaped, steps_known

#: The truth must move by this much between its neighbours to have a direction, metres.
_MOVES_M = 0.1


def flip_flop_index(values: Any, valid: Any = None) -> PerItem:
    """(Σ |f_{i+1} − f_i| − (max f − min f)) / (N − 2) of N successive forecasts: 0 where they change one way only.

    Args:
        values: (items, forecasts) of one quantity, in the order of their issue.
        valid: (items, forecasts); default: where finite. Forecasts that are not there are passed over.

    Returns:
        in the values' unit; an item counts with three forecasts or more.
    """
    given = shaped("values", values, (None, None))
    known = steps_known(valid, given.shape, given[..., None])
    count = known.sum(-1)
    if not given.size:
        return per_item(np.zeros(len(given)), np.zeros(len(given), dtype=bool))
    # A forecast that is not there repeats the one before: that adds no change.
    place = np.maximum.accumulate(np.where(known, np.arange(given.shape[1]), -1), axis=-1)
    first = known.argmax(-1)[:, None]
    held = np.take_along_axis(given, np.where(place < 0, first, place), 1)
    held = np.where(count[:, None] > 0, held, 0.0)
    to_and_fro = np.abs(np.diff(held, axis=-1)).sum(-1) - np.ptp(held, axis=-1)
    # Rounding alone must not make a negative index.
    return per_item(np.maximum(to_and_fro, 0.0) / np.maximum(count - 2, 1), count >= 3)


def along_and_across(
    points: SuccessiveForecasts,
) -> tuple[Float64[Floats, "points steps"], Float64[Floats, "points steps"]]:
    """How far ahead of the truth, and how far left of it, successive forecasts were, metres, in the order of issue.

    The direction is that of the truth at the point, by its neighbours in time; NaN where it does not move.
    """
    heading = _directions(points)
    away = points.predicted_m[:, ::-1] - points.truth_m[:, None]
    left = np.stack([-heading[:, 1], heading[:, 0]], -1)
    return (away * heading[:, None]).sum(-1), (away * left[:, None]).sum(-1)


def _directions(points: SuccessiveForecasts) -> Float64[Floats, "points 2"]:
    """Unit vectors of the truth's motion at each point; NaN where it does not move by 10 cm."""
    _, code = np.unique(points.track, return_inverse=True)
    code = code.reshape(-1)
    order = np.lexsort((points.time_s, code))
    place, track = points.truth_m[order], code[order]
    index = np.arange(len(order))
    before, after = np.maximum(index - 1, 0), np.minimum(index + 1, max(len(order) - 1, 0))
    before = np.where(track[before] == track, before, index)
    after = np.where(track[after] == track, after, index)
    way = place[after] - place[before]
    length = np.linalg.norm(way, axis=-1, keepdims=True)
    found: Floats = np.empty_like(way)
    found[order] = np.where(length >= _MOVES_M, way / np.maximum(length, _MOVES_M), np.nan)
    return found


def flip_flop_along(points: SuccessiveForecasts) -> PerItem:
    """Flip-flop index along the truth's direction, metres, per target point that all leads reach."""
    return _of_whole(points, along_and_across(points)[0])


def flip_flop_across(points: SuccessiveForecasts) -> PerItem:
    """The same across it."""
    return _of_whole(points, along_and_across(points)[1])


def _of_whole(points: SuccessiveForecasts, values: Floats) -> PerItem:
    found = flip_flop_index(values)
    whole = points.valid.all(-1) & np.isfinite(values).all(-1)
    return per_item(found.values, found.valid & whole)
