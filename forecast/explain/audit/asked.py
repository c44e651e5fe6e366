"""Asks a model about many agents, and measures its answers agent by agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.core.shapes import Float64
from forecast.eval.bootstrap import bootstrap_mean
from forecast.eval.results import PerItem, per_item
from forecast.explain.attribution import Explained

Floats = NDArray[np.float64]
_BLOCK = 256


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

    @property
    def truth_m(self) -> Float64[Floats, "agents steps 2"]:
        """True futures, agent frame; NaN where unknown."""
        known = self.batch.future_valid.numpy()[..., None]
        return np.where(known, self.batch.future.double().numpy(), np.nan)


def ask(model: Explained, batch: AgentBatch) -> Forecast:
    """Forecast any number of agents, on the processor, agent frame."""
    blocks = (batch[first : first + _BLOCK] for first in range(0, len(batch), _BLOCK))
    with torch.inference_mode():
        parts = [model.predict(block.to(model.device)) for block in blocks]
    return Forecast(
        torch.cat([part.positions_m.cpu() for part in parts]), torch.cat([part.probabilities.cpu() for part in parts])
    )


def error_m(forecast: Forecast, truth_m: Float64[Floats, "agents steps 2"]) -> PerItem:
    """Distance of the most likely path from the truth at its last known step, metres."""
    known = np.isfinite(truth_m).all(-1)
    last = np.where(known.any(1), known.shape[1] - 1 - known[:, ::-1].argmax(1), 0)
    rows = np.arange(len(truth_m))
    away = forecast.most_likely().double().numpy()[rows, last] - truth_m[rows, last]
    return per_item(np.linalg.norm(away, axis=-1), known.any(1))


def entropy_nats(forecast: Forecast) -> PerItem:
    """Entropy of the modes' probabilities, nats."""
    odds = forecast.probabilities.double().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(odds > 0, odds * np.log(odds), 0.0)
    return per_item(-terms.sum(1), np.ones(len(odds), dtype=bool))


def mean_end_m(forecast: Forecast) -> Float64[Floats, "agents 2"]:
    """End of the mean path, agent frame, metres."""
    weights = forecast.probabilities.double()[..., None]
    return np.asarray((forecast.positions_m[:, :, -1].double() * weights).sum(1).numpy())


def moved_m(one: Forecast, other: Forecast) -> PerItem:
    """Distance between the ends of two mean paths, metres."""
    away = np.linalg.norm(mean_end_m(one) - mean_end_m(other), axis=-1)
    return per_item(away, np.isfinite(away))


def told(items: PerItem, scenes: NDArray[np.str_]) -> dict[str, Any]:
    """A mean with its count and 95 % interval over the (items,) scenes, as JSON holds it."""
    found = bootstrap_mean(items, clusters=scenes)
    return {"value": _number(found.value), "count": found.count, "low": _number(found.low), "high": _number(found.high)}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def difference(after: PerItem, before: PerItem) -> PerItem:
    """After minus before, where both count."""
    return per_item(after.values - before.values, after.valid & before.valid)


Part = Callable[[Explained, Agents], Mapping[str, Any]]
