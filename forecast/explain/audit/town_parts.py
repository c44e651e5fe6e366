"""Part 5 on a town, whose traffic can be driven on: neighbours taken away one by one, arms closed one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.shapes import Float64
from forecast.data.prepared import Dataset
from forecast.data.samples import Samples
from forecast.data.synthetic.town_moment import is_town
from forecast.eval.results import per_item
from forecast.explain.audit.asked import ask, told
from forecast.explain.model_inputs import inputs_of
from forecast.explain.scene_editor import Knob, SceneEditor, neighbour_switch
from forecast.explain.true_driver import TrueDriver, true_driver
from forecast.prediction.predictor import BatchPredictor

Floats = NDArray[np.float64]

#: So many of the nearest neighbours are taken away.
_NEIGHBOURS = 6


def can_be_driven_on(dataset: Dataset) -> bool:
    """Whether the data are a town's."""
    return is_town(dataset.dataroot)


def town_causal_error(model: BatchPredictor, dataset: Dataset, samples: Samples) -> dict[str, Any]:
    """How far the end of the most likely future moves, and how far the true one does, metres.

    For each of the six nearest neighbours, taken away, and each arm of the road, closed, where the town has a rule for
    it. ``matters`` are the changes by which the true end moves by more than 1 m, ``matters not`` the others.

    Args:
        model: the forecaster.
        dataset: of a town, open.
        samples: whom to ask about.

    Raises:
        DataError: the town was written by another version of the package.
    """
    found: dict[str, list[tuple[float, float, str]]] = {"neighbour taken away": [], "arm closed": []}
    tracks = dataset.tracks
    scenes = tracks.scene_names[tracks.track_scene[dataset.columns.row_track[samples.rows]]]
    for row, scene in zip(samples.rows.tolist(), scenes.tolist(), strict=True):
        batch = inputs_of(model.config, dataset, Samples(np.array([row])))
        editor = SceneEditor(batch, model.config.crop, model.config.horizon.step_s)
        driver = true_driver(dataset.dataroot, dataset, row, editor)
        assert driver is not None
        regions = [region for region in editor.regions if region.startswith("neighbour:")][:_NEIGHBOURS]
        for name, knobs in (
            ("neighbour taken away", [neighbour_switch(region, "gone") for region in regions]),
            ("arm closed", editor.closings),
        ):
            found[name] += [(*ends, scene) for ends in _moved(model, editor, driver, knobs)]
    return {name: _compared(rows) for name, rows in found.items()}


def _moved(
    model: BatchPredictor, editor: SceneEditor, driver: TrueDriver, knobs: list[Knob]
) -> list[tuple[float, float]]:
    """How far the model's and the true end move, metres, by each knob that the town has a rule for."""
    if not knobs:
        return []
    amounts = torch.cat([torch.zeros(1, len(knobs)), torch.eye(len(knobs))])
    ends = ask(model, editor.apply(knobs, amounts)).most_likely()[:, -1].double().numpy()
    model_m: Floats = np.linalg.norm(ends[1:] - ends[0], axis=-1)
    before = driver([])
    assert before is not None
    after = [driver([(knob, 1.0)]) for knob in knobs]
    return [
        (float(mine), float(np.linalg.norm(one.paths_m[0, -1] - before.paths_m[0, -1])))
        for mine, one in zip(model_m, after, strict=True)
        if one is not None
    ]


def _compared(rows: list[tuple[float, float, str]]) -> dict[str, Any]:
    model, truth = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    scenes, matters = np.array([row[2] for row in rows]), truth > 1.0
    found: dict[str, Any] = {}
    for name, chosen in (("matters", matters), ("matters not", ~matters)):
        figures: dict[str, Float64[Floats, "changes"]] = {
            "model": model, "truth": truth, "error": np.abs(model - truth)
        }  # fmt: skip
        found[name] = {what: told(per_item(values, chosen), scenes) for what, values in figures.items()}
    return found
