"""What decides a target of the junction world, and whether ways of attribution point at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from shapely.geometry import LineString

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.data.synthetic.junction_plots import PAST, Plot
from forecast.explain.attribution import AttributionSettings, attribute
from forecast.explain.input_groups import InputGroup, cells, each_neighbour, each_step, whole_inputs
from forecast.explain.masked_scene import MaskedScene
from forecast.explain.null_inputs import MapNull, coasting, null_map
from forecast.explain.outcomes import mean_path
from forecast.prediction.predictor import Predictor

ALONG, ACROSS = 6, 6
METHODS = ("sobol, no map", "sobol, straight road", "occlusion", "gradient × input", "random")
#: A cell is of an arm where it covers so much of it.
_COVERED_M2 = 2.0
#: A road that goes on straight begins to be one here.
_STRAIGHT_FROM_M = 8.0


@dataclass(frozen=True)
class Target:
    """A target and what decides about it.

    Attributes:
        row: in the world.
        kind: its case; of neighbours, whether the deciding one makes the target stop.
        arms: the lanes that may be taken, from where they can be told apart, agent frame.
    """

    row: int
    kind: str
    arms: shapely.Geometry


def target_of(row: int, plot: Plot) -> Target:
    """What decides a plot."""
    kind = plot.case
    if kind == "neighbour":
        stops = np.linalg.norm(plot.poses[0, -1, :2] - plot.poses[0, -2, :2]) < 0.1
        kind = "neighbour, stops" if stops else "neighbour, drives on"
    arms = []
    for path, poses in zip(plot.paths, plot.poses, strict=False):
        ahead = path.points_m[:, 0] >= 0
        bent = np.flatnonzero(np.abs(path.headings_rad) > 0.02)
        first = bent[0] if len(bent) else np.flatnonzero(path.points_m[:, 0] >= _STRAIGHT_FROM_M)[0]
        reach_m = float(np.linalg.norm(np.diff(poses[PAST:, :2], axis=0), axis=1).sum()) + 5.0
        start = int(np.flatnonzero(ahead)[0])
        last = min(start + max(int(2 * reach_m), first - start + 2), len(path.points_m) - 1)
        arms.append(LineString(path.points_m[first : last + 1]).buffer(plot.lane_width_m / 2, cap_style="flat"))
    return Target(row, kind, shapely.union_all(arms))


def pointed(
    model: Predictor, batch: AgentBatch, target: Target, draws: int, methods: Sequence[str] = METHODS
) -> dict[str, Any]:
    """Whether each way's most important part is what decides, and what share the map has where nothing of it decides.

    Returns:
        the target's kind, and for each way: ``cell``, whether its first cell is of an arm; ``neighbour``, whether the
        neighbour comes first of all parts. Beside them the total index of the whole map, and the noise.
    """
    spec = model.config.crop
    grid = cells(spec, ALONG, ACROSS)
    groups = grid + each_neighbour(batch) + each_step(batch, model.config.horizon.step_s)
    of_arm = np.array([_covers(cell, target.arms, spec) for cell in grid])
    other = np.array([group.kind == "neighbours" for group in groups])
    values: dict[str, float] = {}
    scores = {name: way() for name, way in _ways(model, batch, groups, draws).items() if name in methods}
    for name, found in scores.items():
        known = np.isfinite(found).any()
        values[f"cell, {name}"] = float(of_arm[np.nanargmax(found[: len(grid)])]) if known else np.nan
        if other.any():
            values[f"neighbour, {name}"] = float(other[np.nanargmax(found)]) if known else np.nan
    if "random" in methods:
        values["cell, random"] = float(of_arm.mean())
        values["neighbour, random"] = float(other.mean()) if other.any() else np.nan
        values |= _whole(model, batch, draws)
    return {"kind": target.kind, "values": values}


def _ways(
    model: Predictor, batch: AgentBatch, groups: list[InputGroup], draws: int, seed: int = 0
) -> dict[str, Callable[[], NDArray[np.float64]]]:
    """Ways to say how important each part is, largest first; all but ``random``."""

    def sobol(null: MapNull) -> NDArray[np.float64]:
        return attribute(model, batch, groups, AttributionSettings("mean path", null, draws, seed)).indices.total

    return {
        "sobol, no map": lambda: sobol("empty"),
        "sobol, straight road": lambda: sobol("straight"),
        "occlusion": lambda: _occlusion(model, batch, groups),
        "gradient × input": lambda: _gradient(model, batch, groups),
    }


def faithful(model: Predictor, batch: AgentBatch, target: Target, draws: int) -> dict[str, Any]:
    """How fast the forecast goes where each way's most important parts are taken away first, and comes where they are
    put back first; and whether another seed ranks the parts alike.

    Returns:
        the target's kind, and for each way: ``deletion``, mean share of the way from the forecast to that without any
        input, over all numbers of parts taken away; ``insertion``, mean share of the way back; larger is better.
        Of Sobol indices ``rank``, Spearman's correlation of the total indices of two seeds.
    """
    spec = model.config.crop
    groups = cells(spec, ALONG, ACROSS) + each_neighbour(batch) + each_step(batch, model.config.horizon.step_s)
    scores = {name: way() for name, way in _ways(model, batch, groups, draws).items()}
    scores["random"] = np.random.default_rng(target.row).random(len(groups))
    values: dict[str, float] = {}
    for name, found in scores.items():
        order = np.argsort(-np.nan_to_num(found), kind="stable")
        place = np.argsort(order)
        gone = torch.from_numpy((place[None] < np.arange(len(groups) + 1)[:, None]).astype(np.float32))
        away = _share_of_the_way(model, batch, groups, 1 - gone)
        values[f"deletion, {name}"] = float(away.mean())
        values[f"insertion, {name}"] = float(1 - _share_of_the_way(model, batch, groups, gone).mean())
        if name.startswith("sobol") and np.isfinite(found).all():
            again = _ways(model, batch, groups, draws, seed=1)[name]()
            values[f"rank, {name}"] = float(spearmanr(found, again).statistic)
    return {"kind": target.kind, "values": values}


@torch.inference_mode()
def _share_of_the_way(
    model: Predictor, batch: AgentBatch, groups: list[InputGroup], masks: torch.Tensor
) -> NDArray[np.float64]:
    """(rows,) distance of each mean path from the whole scene's, over that of the scene without any part; at most 1."""
    scene = MaskedScene(batch, groups, model.config.crop, "empty", model.config.horizon.step_s)
    ends = torch.tensor([[1.0], [0.0]]).expand(2, len(groups))
    paths = mean_path(model.predict(scene.batch(torch.cat([ends, masks]))))
    away = np.linalg.norm(paths[2:] - paths[0], axis=1) / max(np.linalg.norm(paths[1] - paths[0]), 1e-6)
    return np.asarray(np.minimum(away, 1.0))


def _covers(cell: InputGroup, arms: shapely.Geometry, spec: CropSpec) -> bool:
    bounds = cell.bounds_m(spec)
    assert bounds is not None
    back, ahead, right, left = bounds
    return bool(shapely.box(back, right, ahead, left).intersection(arms).area >= _COVERED_M2)


def _whole(model: Predictor, batch: AgentBatch, draws: int) -> dict[str, float]:
    """Total indices of the map as one part, against the past and the neighbours, and the noise."""
    groups = whole_inputs(batch, model.config.crop)
    found = {}
    for null in ("empty", "straight"):
        one = attribute(model, batch, groups, AttributionSettings(map_null=null, draws=draws))
        for group, total in zip(groups, one.indices.total, strict=True):
            found[f"share of {group.name}, {null}"] = float(total)
        found[f"noise, {null}"] = one.noise
        found[f"map below noise, {null}"] = float(one.indices.total[1] < one.noise)
    return found


@torch.inference_mode()
def _occlusion(model: Predictor, batch: AgentBatch, groups: list[InputGroup]) -> NDArray[np.float64]:
    """How far the mean path moves where one part alone is taken away, squared."""
    scene = MaskedScene(batch, groups, model.config.crop, "empty", model.config.horizon.step_s)
    masks = torch.cat([torch.ones(1, len(groups)), 1 - torch.eye(len(groups))])
    paths = mean_path(model.predict(scene.batch(masks)))
    return np.asarray(np.square(paths[1:] - paths[0]).sum(-1))


def _gradient(model: Predictor, batch: AgentBatch, groups: list[InputGroup]) -> NDArray[np.float64]:
    """Gradient of the mean path's end × (input − what stands in for it), summed over each part's inputs, squared."""
    spec, step_s = model.config.crop, model.config.horizon.step_s
    assert batch.crop is not None
    inputs = {"crop": batch.crop, "history": batch.history, "neighbours": batch.neighbours}
    inputs = {name: tensor.clone().requires_grad_() for name, tensor in inputs.items()}
    forecast = model.model.predict(replace(batch, **inputs))
    end = (forecast.positions_m[:, :, -1] * forecast.probabilities[..., None]).sum((0, 1))
    instead = {
        "crop": null_map(batch.crop, spec, "empty"),
        "history": coasting(batch.history, batch.history_valid, step_s),
        "neighbours": torch.zeros_like(batch.neighbours),
    }
    found = np.zeros(len(groups))
    for component in end:
        slopes = torch.autograd.grad(component, list(inputs.values()), retain_graph=True, allow_unused=True)
        worth = {
            name: (torch.zeros_like(tensor) if slope is None else slope * (tensor - instead[name])).detach()[0]
            for (name, tensor), slope in zip(inputs.items(), slopes, strict=True)
        }
        for place, group in enumerate(groups):
            found[place] += float(_of_group(worth, group)) ** 2
    return found


def _of_group(worth: dict[str, torch.Tensor], group: InputGroup) -> torch.Tensor:
    if group.box_px is not None:
        first, end, right, left = group.box_px
        return worth["crop"][:, first:end, right:left].sum()
    return worth["history"][list(group.steps)].sum() + worth["neighbours"][list(group.slots)].sum()
