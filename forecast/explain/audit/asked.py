"""Asks a model about many agents, and measures its answers agent by agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.core.json_files import finite
from forecast.core.shapes import Float64
from forecast.eval.bootstrap import bootstrap_mean
from forecast.eval.displacement import min_fde_k
from forecast.eval.results import PerItem, per_item
from forecast.explain.outcomes import mean_path
from forecast.prediction.predictor import BatchPredictor

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agents:
    """Agents of a data set, with all that the parts of an audit need.

    Attributes:
        batch: their inputs, with crops, and their true futures.
        scenes: (agents,) names of their scenes.
        neighbour_futures_m: (agents, neighbours, steps, 2) true futures, agent frame; NaN where unknown.
    """

    batch: AgentBatch
    scenes: NDArray[np.str_]
    neighbour_futures_m: Float64[Floats, "agents neighbours steps 2"]

    def __len__(self) -> int:
        return len(self.batch)


def ask(model: BatchPredictor, batch: AgentBatch) -> Forecast:
    """Forecast any number of agents, on the processor, agent frame."""
    with torch.inference_mode():
        parts = [model.predict(block.to(model.device)) for block in batch.blocks()]
    return Forecast(
        torch.cat([part.positions_m.cpu() for part in parts]), torch.cat([part.probabilities.cpu() for part in parts])
    )


def error_m(forecast: Forecast, batch: AgentBatch) -> PerItem:
    """Distance of the most likely path from the truth at its last known step, metres."""
    truth = batch.future, batch.future_valid
    return min_fde_k(forecast.positions_m, forecast.probabilities, *truth, k=1, last_valid=True)


def entropy_nats(forecast: Forecast) -> PerItem:
    """Entropy of the modes' probabilities, nats."""
    odds = forecast.probabilities.double().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(odds > 0, odds * np.log(odds), 0.0)
    return per_item(-terms.sum(1), np.ones(len(odds), dtype=bool))


def moved_m(one: Forecast, other: Forecast) -> PerItem:
    """Distance between the ends of two mean paths, metres."""
    away = np.linalg.norm(mean_path(one)[:, -2:] - mean_path(other)[:, -2:], axis=-1)
    return per_item(away, np.isfinite(away))


def told(items: PerItem, scenes: NDArray[np.str_]) -> dict[str, Any]:
    """A mean with its count and 95 % interval over the (items,) scenes, as JSON holds it."""
    found = bootstrap_mean(items, clusters=scenes)
    figures = {"value": found.value, "count": found.count, "low": found.low, "high": found.high}
    told_finite: dict[str, Any] = finite(figures)
    return told_finite
