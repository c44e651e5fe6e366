"""Part 2: another scene's map, the map mirrored or turned, another scene's neighbours: errors and entropy must rise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.shapes import Float
from forecast.data.maps.layers import directed_channels, mirrored_signs
from forecast.eval.context import context_gap
from forecast.eval.results import per_item
from forecast.eval.strata import SPEEDS_MPS
from forecast.explain.audit.asked import Agents, ask, entropy_nats, error_m, moved_m, told
from forecast.explain.crop_geometry import centres, resampled
from forecast.prediction.predictor import BatchPredictor


def another(agents: Agents, seed: int = 0) -> NDArray[np.int64]:
    """(agents,) for each agent one of another scene and of the same class of speed; −1 where there is none."""
    rng = np.random.default_rng(seed)
    speed = agents.batch.history[:, -1, 2:4].norm(dim=-1).numpy()
    kind = np.searchsorted(SPEEDS_MPS, speed, side="right")
    found = np.full(len(agents), -1)
    for place in range(len(agents)):
        others = np.flatnonzero((kind == kind[place]) & (agents.scenes != agents.scenes[place]))
        if len(others):
            found[place] = rng.choice(others)
    return found


def mirrored_map(
    crop: Float[Tensor, "batch channels height width"], spec: CropSpec
) -> Float[Tensor, "batch channels height width"]:
    """The map mirrored about the agent's axis, values as in the crop; what comes from outside it is 0."""
    signs = torch.tensor(mirrored_signs(spec.channels), dtype=crop.dtype)[:, None, None]
    return _from(crop * signs, [[1.0, 0.0], [0.0, -1.0]], spec)


def turned_map(
    crop: Float[Tensor, "batch channels height width"], spec: CropSpec
) -> Float[Tensor, "batch channels height width"]:
    """The map turned by 90° to the left about the agent, values as in the crop; what comes from outside it is 0."""
    turned = _from(crop, [[0.0, 1.0], [-1.0, 0.0]], spec)
    if (directed := directed_channels(spec.channels)) is not None:
        ahead, left = turned[:, directed].unbind(1)
        turned[:, directed] = torch.stack([-left, ahead], 1)
    return turned


def _from(crop: Tensor, from_point: list[list[float]], spec: CropSpec) -> Tensor:
    """A crop whose pixel at (x, y) shows what lay at ``from_point @ (x, y)``, agent frame."""
    places = centres(spec) @ torch.tensor(from_point, dtype=torch.float64).T
    return resampled(crop, places.expand(len(crop), -1, -1, -1), spec)


def swaps(model: BatchPredictor, agents: Agents) -> dict[str, Any]:
    """Changes of error (metres) and of entropy (nats), and how far the mean path's end moves (metres), swap by swap.

    Where another scene's input is taken, agents count for which there is one of the same class of speed.
    """
    spec, batch = model.config.crop, agents.batch
    assert batch.crop is not None
    partner = another(agents)
    other = torch.from_numpy(np.maximum(partner, 0))
    changed: dict[str, AgentBatch] = {
        "another scene's map": replace(batch, crop=batch.crop[other]),
        "map mirrored": replace(batch, crop=mirrored_map(batch.crop, spec)),
        "map turned by 90°": replace(batch, crop=turned_map(batch.crop, spec)),
        "another scene's neighbours": replace(
            batch,
            neighbours=batch.neighbours[other],
            neighbours_valid=batch.neighbours_valid[other],
            neighbour_types=batch.neighbour_types[other],
        ),
    }
    before = ask(model, batch)
    found = {}
    for name, one in changed.items():
        after = ask(model, one)
        counted = partner >= 0 if name.startswith("another") else np.ones(len(agents), dtype=bool)
        changes = {
            "fde_rises_m": context_gap(error_m(after, agents.batch), error_m(before, agents.batch)),
            "entropy_rises_nats": context_gap(entropy_nats(after), entropy_nats(before)),
            "end_moves_m": moved_m(after, before),
        }
        found[name] = {
            key: told(per_item(change.values, change.valid & counted), agents.scenes) for key, change in changes.items()
        }
    return found
