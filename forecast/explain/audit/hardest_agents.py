"""Part 6, on the data set: errors of the agents that a constant-velocity Kalman filter forecasts worst."""

from __future__ import annotations

from typing import Any

from forecast.eval.hardest import difficulty, kalman_forecast, on_hardest
from forecast.explain.audit.asked import Agents, ask, error_m, told
from forecast.explain.outcomes import true_paths_m
from forecast.prediction.predictor import BatchPredictor

_PERCENT = (1, 3, 10, 100)


def hardest_agents(model: BatchPredictor, agents: Agents) -> dict[str, Any]:
    """FDE of the most likely path, metres, over the hardest 1, 3 and 10 % and over all; at least one agent each."""
    batch, step_s = agents.batch, model.config.horizon.step_s
    history, valid = batch.history[..., :2].double().numpy(), batch.history_valid.numpy()
    reach_s = step_s * model.config.horizon.future_steps
    ends = kalman_forecast(history, valid, step_s=step_s, horizon_s=reach_s)
    hardness = difficulty(ends, true_paths_m(batch)[:, -1])
    wrong = error_m(ask(model, batch), batch)
    return {f"{percent} %": told(on_hardest(wrong, hardness, percent), agents.scenes) for percent in _PERCENT}
