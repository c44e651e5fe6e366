"""Whether an edited scene is possible: the agent on the road, boxes apart, speeds and turns that can be driven."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from forecast.core.agents import USUAL_SIZE_M, AgentType
from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.shapes import Bool
from forecast.explain.crop_geometry import pixel_centres_m
from forecast.explain.map_edits import road_channel

#: As in the tests of forecasters by Bahari and others (CVPR 2022): v · ω ≤ 0.7 g.
SIDEWAYS_MPS2 = 0.7 * 9.81
_FASTEST_MPS = 40.0
#: Share of how far the road leads that an edit must leave.
_REACH_KEPT = 0.7


def faults(before: AgentBatch, after: AgentBatch, spec: CropSpec) -> list[str]:
    """What is not possible in each edited scene, empty where all is; what was so before is not held against it.

    Args:
        before: one agent, with its crop.
        after: (rows, …) edited.
        spec: of the crops.
    """
    boxes_before = _boxes(before, 0)
    touching = _touching(boxes_before)
    on_road = _on_road(before, spec)[0]
    reach_before, reach = _reach_m(before, spec)[0], _reach_m(after, spec)
    found = []
    for row, (still_on, drivable) in enumerate(zip(_on_road(after, spec), _drivable(before, after), strict=True)):
        said = ""
        if on_road and not still_on:
            said = "the agent is off the road"
        elif on_road and reach[row] < _REACH_KEPT * reach_before:
            said = "no way on is left"
        elif not drivable:
            said = "a speed or a turn cannot be driven"
        elif _touching(_boxes(after, row)) - touching:
            said = "two agents overlap"
        found.append(said)
    return found


def _on_road(batch: AgentBatch, spec: CropSpec) -> Bool[NDArray[np.bool_], "rows"]:
    """Whether the agent's middle is on road."""
    assert batch.crop is not None
    row = min(max(int(spec.behind_m * spec.px_per_m), 0), spec.height_px - 1)
    column = min(max(int(spec.right_m * spec.px_per_m), 0), spec.width_px - 1)
    near = batch.crop[:, road_channel(spec), max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    return np.asarray((near.amax((1, 2)) >= 0.5).numpy())


def _reach_m(batch: AgentBatch, spec: CropSpec) -> NDArray[np.float64]:
    """(rows,) how far ahead of the agent its own road leads, as the crow flies, metres."""
    assert batch.crop is not None
    x, y = np.moveaxis(pixel_centres_m(spec), -1, 0)
    away = np.where(x >= -1.0, np.hypot(x, y), np.inf)
    found = np.zeros(len(batch))
    for row, road in enumerate(batch.crop[:, road_channel(spec)].numpy() >= 0.5):
        labels, _ = ndimage.label(road & np.isfinite(away))
        near = np.where(labels > 0, away, np.inf)
        own = labels == labels.flat[int(near.argmin())]
        found[row] = away[own & (labels > 0)].max(initial=0.0)
    return found


def _drivable(before: AgentBatch, after: AgentBatch) -> Bool[NDArray[np.bool_], "rows"]:
    """Whether nobody who was changed drives backwards, too fast, or turns faster than tyres hold."""
    fine = np.ones(len(after), dtype=bool)
    same = min(before.neighbours.shape[1], after.neighbours.shape[1])
    for states, old in (
        (after.neighbours[:, :same, -1].numpy(), before.neighbours[:, :same, -1].numpy()),
        (after.history[:, None, -1].numpy(), before.history[:, None, -1].numpy()),
    ):
        changed = (states != old).any(-1)
        ahead = _ahead(states)
        bad = (ahead < np.minimum(-0.1, _ahead(old))) | (ahead > _FASTEST_MPS)
        bad |= _sideways(states) > np.maximum(SIDEWAYS_MPS2, _sideways(old))
        fine &= ~(changed & bad).any(1)
    return fine


def _ahead(states: NDArray[np.float32]) -> NDArray[np.float32]:
    """Speed along the heading, m/s."""
    return np.asarray(states[..., 2] * np.cos(states[..., 6]) + states[..., 3] * np.sin(states[..., 6]))


def _sideways(states: NDArray[np.float32]) -> NDArray[np.float32]:
    """Acceleration across the heading, |v · ω|, m/s²."""
    return np.asarray(np.abs(np.hypot(states[..., 2], states[..., 3]) * states[..., 7]))


def _boxes(batch: AgentBatch, row: int) -> dict[int, shapely.Polygon]:
    """Outlines at time 0 by slot, −1 for the agent itself; sizes are the usual ones of their types."""
    size = tuple(batch.size_m[row].tolist())
    boxes = {-1: _box(0.0, 0.0, 0.0, size)}
    for slot in np.flatnonzero(batch.neighbours_valid[row, :, -1].numpy()).tolist():
        x, y, heading = batch.neighbours[row, slot, -1, [0, 1, 6]].tolist()
        kind = AgentType(int(batch.neighbour_types[row, slot]))
        boxes[slot] = _box(x, y, heading, USUAL_SIZE_M.get(kind, USUAL_SIZE_M[AgentType.VEHICLE]))
    return boxes


def _box(x: float, y: float, heading_rad: float, size_m: tuple[float, ...]) -> shapely.Polygon:
    length, width = size_m
    flat = shapely.box(-length / 2, -width / 2, length / 2, width / 2)
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    return shapely.transform(flat, lambda xy: xy @ np.array([[cos, sin], [-sin, cos]]) + [x, y])


def _touching(boxes: dict[int, shapely.Polygon]) -> set[tuple[int, int]]:
    return {(a, b) for a, b in combinations(sorted(boxes), 2) if boxes[a].intersects(boxes[b])}
