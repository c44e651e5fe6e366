"""Changes of the road in a map crop: arms closed, bent or opened, the road widened, its dividers moved.

All work on the raster, so on any map that a forecaster reads. An amount of 0 changes nothing, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from forecast.core.crops import CropSpec
from forecast.core.frames import rotate
from forecast.core.shapes import Bool, Float
from forecast.explain.arms import Arm
from forecast.explain.crop_geometry import centres, resampled

#: Lines, crossings and walkways within this distance of an arm go with it.
_BESIDE_M = 3.0
#: An arm is bent over this length after the fork; a longer one would make it swing out.
_RAMP_M = 4.0
#: Names of layers that are lines between lanes.
_DIVIDERS = ("road_divider", "lane_divider")


def road_channel(spec: CropSpec) -> int:
    """The channel that shows the road: the first one with ``drivable_area``, or the first."""
    return next((place for place, names in enumerate(spec.channels) if "drivable_area" in names), 0)


@dataclass(frozen=True)
class ArmArea:
    """An arm with what lies beside it.

    Attributes:
        arm: as it was found.
        mask: (height, width) bool: its pixels and those beside it that are no other road.
    """

    arm: Arm
    mask: Bool[Tensor, "height width"]


def arm_area(arm: Arm, road: NDArray[np.bool_], spec: CropSpec) -> ArmArea:
    """Widen an arm by what lies within 3 m beside it and is no road of another arm.

    Args:
        arm: of the crop.
        road: (height, width) bool.
        spec: of the crop.
    """
    away_m = ndimage.distance_transform_edt(~arm.mask) / spec.px_per_m
    return ArmArea(arm, torch.from_numpy(arm.mask | ((away_m <= _BESIDE_M) & ~road)))


def moved_arms(
    crops: Float[Tensor, "rows channels height width"],
    areas: Sequence[ArmArea],
    bend_rad: Float[Tensor, "rows arms"],
    closed: Bool[Tensor, "rows arms"],
    spec: CropSpec,
) -> Float[Tensor, "rows channels height width"]:
    """Turn arms about their forks, and take arms away.

    Args:
        crops: to change.
        areas: of the arms.
        bend_rad: to the left, of each arm, radians.
        closed: whether each arm is gone.
        spec: of the crops.
    """
    moving = (bend_rad != 0) | closed
    lifted = torch.zeros(len(crops), *crops.shape[2:], dtype=torch.bool)
    for place, area in enumerate(areas):
        lifted |= area.mask & moving[:, place, None, None]
    whole = crops * ~lifted[:, None]
    for place, area in enumerate(areas):
        chosen = (moving[:, place] & ~closed[:, place]).nonzero().flatten()
        if not len(chosen):
            continue
        arm = _turned(crops[chosen] * area.mask, area.arm.fork_m, bend_rad[chosen, place], spec)
        # What covers more of a pixel wins; directions have signs.
        whole[chosen] = torch.where(arm.abs() > whole[chosen].abs(), arm, whole[chosen])
    return whole


def bent_points(
    points_m: Float[NDArray[np.float64], "points 2"], fork_m: tuple[float, float], angle_rad: float
) -> Float[NDArray[np.float64], "points 2"]:
    """Where points of an arm come to lie that is bent about its fork, agent frame, metres.

    Args:
        points_m: of the arm.
        fork_m: (2,) x, y.
        angle_rad: to the left.
    """
    away = points_m - np.asarray(fork_m)
    angle = angle_rad * np.clip(np.linalg.norm(away, axis=-1) / _RAMP_M, None, 1.0)
    bent: NDArray[np.float64] = rotate(away, angle) + np.asarray(fork_m)
    return bent


def _turned(images: Tensor, centre_m: tuple[float, float], angle_rad: Tensor, spec: CropSpec) -> Tensor:
    """Turn images about a point, little near it and fully from the ramp's end on."""
    away = centres(spec).to(images) - torch.tensor(centre_m)
    back = -angle_rad.to(images)[:, None, None] * (away.norm(dim=-1) / _RAMP_M).clamp(max=1)
    return resampled(images, rotate(away.expand(len(images), -1, -1, -1), back) + torch.tensor(centre_m), spec)


def opened(
    crops: Float[Tensor, "rows channels height width"],
    length_m: Float[Tensor, "rows"],
    side: int,
    at_m: float,
    width_m: float,
    spec: CropSpec,
) -> Float[Tensor, "rows channels height width"]:
    """Add an arm straight to one side: road, without lines.

    Args:
        crops: to change.
        length_m: of each row's arm, from the middle of the own lane, metres.
        side: 1 left, −1 right.
        at_m: how far ahead its middle is, metres.
        width_m: of the arm, metres.
        spec: of the crops.
    """
    x, y = centres(spec).unbind(-1)
    aside = side * y
    there = ((x - at_m).abs() <= width_m / 2) & (aside > 0) & (aside <= length_m[:, None, None])
    changed, channel = crops.clone(), road_channel(spec)
    changed[:, channel] = torch.where(there, 1.0, changed[:, channel])
    return changed


def widened(
    crops: Float[Tensor, "rows channels height width"], by_m: Float[Tensor, "rows"], spec: CropSpec
) -> Float[Tensor, "rows channels height width"]:
    """Move the road's edges outwards, or inwards where ``by_m`` is negative; lines stay where they are.

    Args:
        crops: to change, the same map in each row.
        by_m: of each side, metres.
        spec: of the crops.
    """
    changed, channel = crops.clone(), road_channel(spec)
    for row in by_m.nonzero().flatten().tolist():
        road = (crops[row, channel] >= 0.5).numpy()
        if not road.any() or road.all():
            continue
        inside = ndimage.distance_transform_edt(road) - ndimage.distance_transform_edt(~road)
        # A pixel's middle lies half a pixel from its edge.
        edge = (
            torch.from_numpy(inside / spec.px_per_m).to(crops)
            + by_m[row]
            + torch.where(torch.from_numpy(road), -0.5, 0.5) / spec.px_per_m
        )
        changed[row, channel] = (0.5 + edge * spec.px_per_m).clamp(0, 1)
    return changed


def dividers_moved(
    crops: Float[Tensor, "rows channels height width"], by_m: Float[Tensor, "rows"], spec: CropSpec
) -> Float[Tensor, "rows channels height width"]:
    """Move all lines between lanes to the left, or to the right where ``by_m`` is negative.

    Args:
        crops: to change.
        by_m: of each row, metres.
        spec: of the crops.
    """
    lines = [place for place, names in enumerate(spec.channels) if all(name in _DIVIDERS for name in names)]
    chosen = by_m.nonzero().flatten()
    if not lines or not len(chosen):
        return crops
    moved = torch.stack([torch.zeros_like(by_m), by_m], -1)[chosen, None, None]
    changed = crops.clone()
    changed[chosen[:, None], torch.tensor(lines)] = resampled(crops[chosen][:, lines], centres(spec) - moved, spec)
    return changed
