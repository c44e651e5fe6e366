"""Errors of a model in one district, agent by agent, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.batch import AgentBatch
from forecast.data.augment import mirrored
from forecast.data.dataset import AgentDataset
from forecast.data.map_crops import crop_adder
from forecast.data.maps.layers import mirrored_signs
from forecast.data.prepared import Dataset
from forecast.eval.bootstrap import bootstrap_difference
from forecast.eval.displacement import displacements
from forecast.eval.results import per_item
from forecast.model.network_protocol import Network

_BATCH = 256


@dataclass(frozen=True)
class Errors:
    """Of the agent-samples of a split in one district; NaN where the last step is not annotated.

    Attributes:
        fde_ml_m: (agents,) error of the likeliest mode after the last step.
        min_ade_5_m: (agents,) mean error of the best of five modes.
        scene: (agents,) index of the scene.
    """

    fde_ml_m: NDArray[np.float64]
    min_ade_5_m: NDArray[np.float64]
    scene: NDArray[np.int64]

    @classmethod
    def of(cls, kept: Mapping[str, NDArray[Any]], district: str) -> Errors:
        """What :meth:`arrays` gave."""
        return cls(*(kept[f"{district}/{name}"] for name in ("fde_ml_m", "min_ade_5_m", "scene")))

    def arrays(self, district: str) -> dict[str, NDArray[Any]]:
        """By name, to be kept."""
        return {f"{district}/{name}": getattr(self, name) for name in ("fde_ml_m", "min_ade_5_m", "scene")}


def errors_at(model: Network, dataset: Dataset, split: str, district: str, *, mirror: bool = False) -> Errors:
    """Forecast a split's agents in one district.

    Args:
        model: any network; one with cities answers by the map's name.
        dataset: the whole of it.
        split: e.g. ``val``.
        district: name of the map.
        mirror: swap left and right of all that is read, and of the truth: traffic changes its side.
    """
    view = dataset.at([district])
    samples = view.samples(split)
    source = AgentDataset.read_by(model.config, view, samples)
    crop = model.config.map_crop
    add_crops = None if crop is None else crop_adder(view, crop)
    fde, ade = [], []
    for first in range(0, len(source), _BATCH):
        batch = source.batch(list(range(first, min(first + _BATCH, len(source)))))
        batch = batch if add_crops is None else add_crops(batch)
        if mirror:
            batch = _in_the_mirror(batch, () if crop is None else mirrored_signs(crop.channels))
        with torch.inference_mode():
            answer = model.predict(batch)
        truth = torch.where(batch.future_valid[..., None], batch.future, torch.nan)
        found = displacements(answer.positions_m, answer.probabilities, truth)
        fde.append(found.best_of(found.fde_m(), 1)[0])
        ade.append(found.best_of(found.ade_m, 5)[0])
    scene = dataset.tracks.track_scene[dataset.columns.row_track[samples.rows]]
    known = [np.where(np.isfinite(part), part, np.nan) for part in (np.concatenate(fde), np.concatenate(ade))]
    return Errors(known[0], known[1], scene.astype(np.int64))


def _in_the_mirror(batch: AgentBatch, signs: tuple[int, ...]) -> AgentBatch:
    # The map's name goes: the mirror image of a city is none that a network knows.
    return replace(mirrored(batch, torch.ones(len(batch), dtype=torch.bool), signs), map_names=())


def summary(found: dict[str, Errors]) -> dict[str, dict[str, float]]:
    """Means by district, metres."""
    return {
        district: {
            "fde_ml_m": round(float(np.nanmean(errors.fde_ml_m)), 3),
            "min_ade_5_m": round(float(np.nanmean(errors.min_ade_5_m)), 3),
            "agents": len(errors.scene),
        }
        for district, errors in found.items()
    }


def paired(one: Errors, other: Errors) -> dict[str, float]:
    """Difference of the mean FDE of the likeliest mode, one minus other, with its interval over scenes, metres."""
    items = [per_item(np.nan_to_num(e.fde_ml_m), np.isfinite(e.fde_ml_m)) for e in (one, other)]
    found = bootstrap_difference(items[0], items[1], clusters=one.scene)
    return {"value": round(found.value, 3), "low": round(found.low, 3), "high": round(found.high, 3)}
