"""Extended comfort: do two successive forecasts ask for the same acceleration and turning at the same time?

After NAVSIM v2's extended comfort (https://github.com/autonomousvision/navsim), which takes it of a planner's paths.
"""

from __future__ import annotations

import numpy as np

from forecast.core.rows import ForecastRows
from forecast.core.shapes import Float64
from forecast.eval.matching import lead_step_s
from forecast.eval.overlap import SuccessivePairs
from forecast.eval.results import Floats, PerItem, per_item

#: Largest root mean square of the differences that passes: acceleration, jerk, yaw rate, yaw acceleration.
LIMITS = {"acceleration_mps2": 0.7, "jerk_mps3": 0.5, "yaw_rate_rps": 0.1, "yaw_acceleration_rps2": 0.1}
#: Who is slower has no direction of travel, m/s.
_STANDS_MPS = 0.5
#: Points that a third derivative takes.
_LEAST = 4


def motion_of(path_m: Float64[Floats, "paths steps 2"], step_s: float) -> dict[str, Float64[Floats, "paths steps"]]:
    """Acceleration, jerk, yaw rate and yaw acceleration along paths, by central differences (one-sided at the ends).

    Args:
        path_m: metres; 4 steps or more; NaN where there is no point, and so in what cannot be told beside it.
        step_s: seconds between two points.
    """
    vx, vy = _slope(path_m[..., 0], step_s), _slope(path_m[..., 1], step_s)
    speed = np.hypot(vx, vy)
    acceleration = _slope(speed, step_s)
    heading = np.arctan2(vy, vx)
    # The change from step to step, the short way round; none while it stands.
    turn = np.diff(heading, axis=1)
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    turn = np.where(np.minimum(speed[:, 1:], speed[:, :-1]) >= _STANDS_MPS, turn, 0.0)
    heading = np.concatenate([np.zeros_like(turn[:, :1]), np.cumsum(turn, axis=1)], axis=1)
    jerk, yaw_rate = _slope(acceleration, step_s), _slope(heading, step_s)
    yaw_acceleration = _slope(yaw_rate, step_s)
    return {
        "acceleration_mps2": acceleration,
        "jerk_mps3": jerk,
        # Where a path has no points it does not turn by 0.
        "yaw_rate_rps": np.where(np.isnan(acceleration), np.nan, yaw_rate),
        "yaw_acceleration_rps2": np.where(np.isnan(jerk), np.nan, yaw_acceleration),
    }


def _slope(values: Floats, step_s: float) -> Floats:
    """np.gradient along the last axis, in a fifth of the time for arrays as small as these."""
    found = np.empty_like(values)
    found[:, 1:-1] = (values[:, 2:] - values[:, :-2]) / (2 * step_s)
    found[:, 0], found[:, -1] = (values[:, 1] - values[:, 0]) / step_s, (values[:, -1] - values[:, -2]) / step_s
    return found


def comfort_differences(forecasts: ForecastRows, pairs: SuccessivePairs) -> dict[str, PerItem]:
    """Root mean square, per pair, of the differences of the most likely modes' motion at the times both speak of.

    Args:
        forecasts: world frame, even leads, 4 or more of them; a pair counts where all four can be told at some time.
        pairs: as :func:`forecast.eval.overlap.successive_pairs` gives them.
    """
    step_s, steps = lead_step_s(forecasts), len(forecasts.lead_s)
    shared = steps - pairs.shift
    if steps < _LEAST or shared < 1 or not len(pairs.earlier):
        none = per_item(np.zeros(len(pairs.earlier)), np.zeros(len(pairs.earlier), dtype=bool))
        return dict.fromkeys(LIMITS, none)
    found = {}
    for name, values in motion_of(forecasts.most_likely_m(), step_s).items():
        away = values[pairs.later, :shared] - values[pairs.earlier, pairs.shift :]
        known = np.isfinite(away)
        square = np.where(known, away**2, 0.0).sum(-1) / np.maximum(known.sum(-1), 1)
        found[name] = per_item(np.sqrt(square), known.any(-1))
    return found


def extended_comfort(forecasts: ForecastRows, pairs: SuccessivePairs) -> PerItem:
    """1 where all four differences of :func:`comfort_differences` are within :data:`LIMITS`, per pair."""
    found = comfort_differences(forecasts, pairs)
    counted = np.logical_and.reduce([one.valid for one in found.values()])
    with np.errstate(invalid="ignore"):
        passed = np.logical_and.reduce([one.values <= LIMITS[name] for name, one in found.items()])
    return per_item(passed, counted)
