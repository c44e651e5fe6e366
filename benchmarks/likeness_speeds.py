"""How speeds change, and how much of that the past tells: where towns and real roads differed most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.horizon import NUSCENES_HORIZON
from forecast.data.cache import Dataset
from forecast.data.windows import window

Floats = NDArray[np.float64]

STEP_S, PAST, FUTURE = NUSCENES_HORIZON.step_s, 4, NUSCENES_HORIZON.future_steps
#: A fourth difference of independent errors has 70 times their variance.
_FOURTH = np.sqrt(70.0)


@dataclass(frozen=True)
class Speeds:
    """Of vehicle-samples whose past of 2 s and future of 6 s are known.

    Attributes:
        values: (samples,) by quantity.
        shares: by name, 0…1.
    """

    values: dict[str, Floats]
    shares: dict[str, float]


def speeds(dataset: Dataset, rows: NDArray[np.int64]) -> Speeds:
    """Measure some vehicle-samples.

    Args:
        dataset: a folder.
        rows: (samples,) observations at time 0; those without a whole past are left out.
    """
    around = window(dataset.columns, rows, PAST, FUTURE)
    position_m = dataset.tracks.row_position_m[around[(around >= 0).all(axis=1)]]
    speed_mps = np.linalg.norm(np.diff(position_m, axis=1), axis=2) / STEP_S
    past, later = speed_mps[:, :PAST], speed_mps[:, PAST:]
    present = past[:, -1]
    way_m = later.sum(1) * STEP_S
    return Speeds(
        {
            "|change of speed in 2 s| [m/s]": np.abs(later[:, 3] - present),
            "|change of speed in 6 s| [m/s]": np.abs(later[:, -1] - present),
            "error of a position along [m]": np.abs(_fourth_difference_m(position_m)),
        },
        {
            "change of 1.5 s tells the speed in 2 s": told(present - past[:, 0], later[:, 3] - present),
            "change of 1.5 s tells the speed in 4 s": told(present - past[:, 0], later[:, 7] - present),
            "past 2 s tell the way of 6 s beyond the present speed": told(past, way_m - FUTURE * STEP_S * present),
        },
    )


def _fourth_difference_m(position_m: Floats) -> Floats:
    """(samples,) of the five positions up to time 0, along the way that is taken, in units of an error's deviation."""
    way = position_m[:, PAST] - position_m[:, 0]
    length = np.linalg.norm(way, axis=1, keepdims=True)
    along = way / np.maximum(length, 1e-9)
    fourth = np.diff(position_m[:, : PAST + 1], 4, axis=1)[:, 0]
    return np.asarray((fourth * along).sum(1) / _FOURTH)


def told(given: Floats, wanted: Floats) -> float:
    """Share of the variance of (samples,) that a linear function of (samples,) or (samples, n) explains (R²)."""
    design = np.c_[np.ones(len(given)), given]
    solution = np.linalg.lstsq(design, wanted, rcond=None)[0]
    return float(1 - (wanted - design @ solution).var() / wanted.var())
