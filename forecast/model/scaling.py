"""States as networks like them: relative, and divided by what is usual on the road."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from forecast.core.agents import STATE_CHANNELS, AgentType
from forecast.core.frames import wrap_angle
from forecast.core.shapes import Bool, Float, Shaped

#: The target's own past positions are divided by this, its future positions by the next.
PAST_M, FUTURE_M = 30.0, 80.0
#: Within this distance at time 0 an agent of this type counts as a neighbour.
NEIGHBOUR_RADIUS_M = {AgentType.VEHICLE: 30.0, AgentType.PEDESTRIAN: 20.0}

_HEADING = STATE_CHANNELS.index("heading")
_USUAL_SPEED_MPS = {AgentType.VEHICLE: 15.0, AgentType.PEDESTRIAN: 2.0}
_USUAL_ACCELERATION_MPS2 = {AgentType.VEHICLE: 4.0, AgentType.PEDESTRIAN: 1.0}


def _divisors(position_m: float, kind: AgentType, like: Tensor) -> Tensor:
    speed, acceleration = _USUAL_SPEED_MPS[kind], _USUAL_ACCELERATION_MPS2[kind]
    return like.new_tensor([position_m] * 2 + [speed] * 2 + [acceleration] * 2 + [math.pi, 1.0])


def scaled_history(
    history: Float[Tensor, "batch history channels"], valid: Bool[Tensor, "batch history"]
) -> Float[Tensor, "batch history channels"]:
    """Scale a target's own states; invalid rows become 0.

    Args:
        history: (batch, history, channels), agent frame, SI units.
        valid: (batch, history) bool.
    """
    return history / _divisors(PAST_M, AgentType.VEHICLE, history) * valid[..., None]


def scaled_future(
    future: Float[Tensor, "batch steps 2"], valid: Bool[Tensor, "batch steps"]
) -> Float[Tensor, "batch steps 2"]:
    """Scale future positions; invalid rows become 0.

    Args:
        future: (batch, steps, 2) metres, agent frame.
        valid: (batch, steps) bool.

    Returns:
        (batch, steps, 2), no unit.
    """
    return future / FUTURE_M * valid[..., None]


def scaled_neighbours(
    neighbours: Float[Tensor, "batch neighbours history channels"],
    valid: Bool[Tensor, "batch neighbours history"],
    present: Float[Tensor, "batch channels"],
    kind: AgentType,
) -> Float[Tensor, "batch neighbours history channels"]:
    """Scale neighbours' states relative to the target's present state; invalid rows become 0.

    Args:
        neighbours: (batch, neighbours, history, channels), agent frame, SI units.
        valid: (batch, neighbours, history) bool.
        present: (batch, channels), the target's own state at time 0.
        kind: type of these neighbours, which sets the divisors.
    """
    relative = neighbours - present[:, None, None]
    relative = torch.cat(
        [relative[..., :_HEADING], wrap_angle(relative[..., _HEADING, None]), relative[..., _HEADING + 1 :]], -1
    )
    return relative / _divisors(NEIGHBOUR_RADIUS_M[kind], kind, neighbours) * valid[..., None]


def checked_crop(
    crop: Shaped[Tensor, "batch channels height width"], shape: tuple[int, int, int], dtype: torch.dtype
) -> Float[Tensor, "batch channels height width"]:
    """Crops of the shape and in the precision of a network, still in 0…1.

    Args:
        crop: (batch, channels, height, width) in 0…1, as :class:`~forecast.core.crops.CropSpec` lays out.
        shape: channels, height and width that the network was made for.
        dtype: to compute in.

    Raises:
        ValueError: a crop of another shape.
    """
    if tuple(crop.shape[1:]) != shape:
        raise ValueError(f"map crop: expected (batch, {shape}), got {tuple(crop.shape)}")
    return crop.to(dtype)


def scaled_crop(
    crop: Shaped[Tensor, "batch channels height width"], shape: tuple[int, int, int], dtype: torch.dtype
) -> Float[Tensor, "batch channels height width"]:
    """The same scaled to −1…1.

    Args:
        crop, shape, dtype: as for :func:`checked_crop`.

    Raises:
        ValueError: a crop of another shape.
    """
    return checked_crop(crop, shape, dtype) * 2 - 1
