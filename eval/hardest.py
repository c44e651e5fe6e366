"""The hardest agents: those that a causal constant-velocity Kalman filter forecasts worst (CAB paper, table 3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from forecast.core.shapes import Float64
from forecast.eval.results import Floats, PerItem, per_item, shaped, steps_known

#: Standard deviations of the filter: white acceleration of the agent, and the noise of an observed position.
ACCELERATION_MPS2 = 1.0
OBSERVATION_M = 0.1
#: Standard deviation of the velocity before anything is seen.
INITIAL_SPEED_MPS = 10.0


def kalman_forecast(
    history_m: Any,
    valid: Any = None,
    *,
    step_s: float,
    horizon_s: float | Floats = 6.0,
    acceleration_mps2: float = ACCELERATION_MPS2,
    observation_m: float = OBSERVATION_M,
) -> Float64[Floats, "agents 2"]:
    """Filter each agent's past and extrapolate its last state at constant velocity.

    White acceleration noise, position observed alone; x and y are independent and share one gain. Nothing after the
    present is read.

    Args:
        history_m: (agents, history, 2), oldest first, last the present.
        valid: (agents, history); default: where finite. Unknown steps are predicted through.
        step_s: seconds between history rows.
        horizon_s: seconds to extrapolate, for all agents or (agents,) for each.
        acceleration_mps2: standard deviation of the acceleration, m/s².
        observation_m: standard deviation of an observed position, metres.

    Returns:
        (agents, 2) position after ``horizon_s``; NaN where nothing was observed.
    """
    history = shaped("history_m", history_m, (None, None, 2))
    known = steps_known(valid, history.shape[:2], history)
    step = np.array([[1.0, step_s], [0.0, 1.0]])
    noise = acceleration_mps2**2 * np.array([[step_s**4 / 4, step_s**3 / 2], [step_s**3 / 2, step_s**2]])
    agents = len(history)
    state, started = np.zeros((agents, 2, 2)), np.zeros(agents, dtype=bool)
    spread = np.broadcast_to(np.diag([observation_m**2, INITIAL_SPEED_MPS**2]), (agents, 2, 2)).copy()
    for seen, here in zip(known.T, np.nan_to_num(history).swapaxes(0, 1), strict=True):
        moved, wider = step @ state, step @ spread @ step.T + noise
        gain = wider[:, :, 0] / (wider[:, 0, 0] + observation_m**2)[:, None]
        corrected = moved + gain[:, :, None] * (here - moved[:, 0])[:, None]
        narrower = wider - gain[:, :, None] * wider[:, :1]
        first = np.stack([here, np.zeros_like(here)], 1)
        update, begin = (seen & started)[:, None, None], (seen & ~started)[:, None, None]
        state = np.where(update, corrected, np.where(begin, first, np.where(started[:, None, None], moved, state)))
        spread = np.where(update, narrower, np.where(started[:, None, None], wider, spread))
        started |= seen
    ahead_s = np.broadcast_to(np.asarray(horizon_s, dtype=np.float64), agents)[:, None]
    ahead: Floats = np.where(started[:, None], state[:, 0] + ahead_s * state[:, 1], np.nan)
    return ahead


def difficulty(predicted_m: Any, truth_m: Any) -> PerItem:
    """Distance of the filter's extrapolation to the truth at the horizon, metres.

    Args:
        predicted_m: (agents, 2) of :func:`kalman_forecast`.
        truth_m: (agents, 2) at the same time; NaN where unknown.
    """
    predicted = shaped("predicted_m", predicted_m, (None, 2))
    error = np.linalg.norm(predicted - shaped("truth_m", truth_m, predicted.shape), axis=-1)
    return per_item(error, np.isfinite(error))


def on_hardest(metric: PerItem, hardness: PerItem, percent: float) -> PerItem:
    """A metric on the hardest ``percent`` of the agents alone, at least one; the lower index first among equals.

    Args:
        metric: e.g. FDE, one value an agent.
        hardness: e.g. of :func:`difficulty`; agents without one are not ranked.
        percent: share of the ranked agents, above 0 up to 100.
    """
    if not 0 < percent <= 100:
        raise ValueError(f"expected a percentage above 0 up to 100, got {percent}")
    ranked = np.argsort(np.where(hardness.valid, -hardness.values, np.inf), kind="stable")[: hardness.valid.sum()]
    chosen = np.zeros(len(metric.valid), dtype=bool)
    chosen[ranked[: max(1, round(len(ranked) * percent / 100))]] = True
    return per_item(metric.values, metric.valid & chosen)
