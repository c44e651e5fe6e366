"""Part 6, on the data set: errors of the agents that a constant-velocity Kalman filter forecasts worst."""

from __future__ import annotations

from typing import Any

import numpy as np

from forecast.eval.hardest import kalman_forecast
from forecast.eval.results import per_item
from forecast.explain.attribution import Explained
from forecast.explain.audit.asked import Agents, ask, error_m, told

_PERCENT = (1, 3, 10, 100)


def hardest_agents(model: Explained, agents: Agents) -> dict[str, Any]:
    """FDE of the most likely path, metres, over the hardest 1, 3 and 10 % and over all; at least one agent each."""
    batch, step_s = agents.batch, model.config.horizon.step_s
    history, valid = batch.history[..., :2].double().numpy(), batch.history_valid.numpy()
    reach_s = step_s * model.config.horizon.future_steps
    ends = kalman_forecast(history, valid, step_s=step_s, horizon_s=reach_s)
    truth_m = agents.truth_m[:, -1]
    difficulty = np.nan_to_num(np.linalg.norm(ends - truth_m, axis=-1), nan=-1.0)
    order = np.argsort(-difficulty, kind="stable")
    wrong = error_m(ask(model, batch), agents.truth_m)
    found = {}
    for percent in _PERCENT:
        chosen = np.zeros(len(order), dtype=bool)
        chosen[order[: max(1, round(len(order) * percent / 100))]] = True
        found[f"{percent} %"] = told(per_item(wrong.values, wrong.valid & chosen), agents.scenes)
    return found
