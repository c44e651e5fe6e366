"""Planar frames: the world, and an agent's own frame at time 0.

``world`` is the map's metric frame, float64. ``agent`` has its origin at the agent, x forward, y left, angles
counter-clockwise. Functions are named destination first, as in ``agent_from_world``. All of them work on NumPy
arrays and on torch tensors alike, and broadcast over leading axes. torch is imported only by whoever has tensors:
opening a data set needs none, and starts a second sooner.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from forecast.core.shapes import Float

if TYPE_CHECKING:
    import torch

ArrayT = TypeVar("ArrayT", "np.ndarray", "torch.Tensor")  # type: ignore[type-arg]


def wrap_angle(angle_rad: Float[ArrayT, "*axes"]) -> Float[ArrayT, "*axes"]:
    """Wrap angles to [−π, π).

    Args:
        angle_rad: any shape, radians.

    Returns:
        The same shape, radians.
    """
    wrapped: ArrayT = (angle_rad + math.pi) % (2 * math.pi) - math.pi
    return wrapped


def rotate(vectors: Float[ArrayT, "*#axes 2"], angle_rad: Float[ArrayT, "*#axes"]) -> Float[ArrayT, "*#axes 2"]:
    """Rotate planar vectors counter-clockwise.

    Args:
        vectors: (..., 2), any unit.
        angle_rad: (...) radians; broadcasts against the vectors' leading axes.

    Returns:
        (..., 2), the vectors' unit.
    """
    lib: Any = _library_of(vectors)
    cos, sin = lib.cos(angle_rad), lib.sin(angle_rad)
    x, y = vectors[..., 0], vectors[..., 1]
    rotated: ArrayT = lib.stack([cos * x - sin * y, sin * x + cos * y], -1)
    return rotated


def _library_of(array: np.ndarray[Any, Any] | torch.Tensor) -> Any:
    if isinstance(array, (np.ndarray, np.generic)):
        return np
    import torch

    return torch


def agent_from_world(
    points_world: Float[ArrayT, "*#axes 2"], pose_world: Float[ArrayT, "*#axes 3"]
) -> Float[ArrayT, "*#axes 2"]:
    """Express world points in the frame of an agent.

    Args:
        points_world: (..., 2) metres, world frame, float64 where precision matters.
        pose_world: (..., 3) x, y in metres and heading in radians of the agent, world frame; its leading axes
            broadcast against ``points_world.shape[:-1]``, so add axes as needed: ``pose[:, None]``.

    Returns:
        (..., 2) metres, agent frame.
    """
    return rotate(points_world - pose_world[..., :2], -pose_world[..., 2])


def world_from_agent(
    points_agent: Float[ArrayT, "*#axes 2"], pose_world: Float[ArrayT, "*#axes 3"]
) -> Float[ArrayT, "*#axes 2"]:
    """Express points of an agent's frame in the world; the inverse of :func:`agent_from_world`.

    Float32 points are promoted by a float64 pose, as world coordinates need it.

    Args:
        points_agent: (..., 2) metres, agent frame.
        pose_world: (..., 3) x, y in metres and heading in radians, world frame; leading axes broadcast.

    Returns:
        (..., 2) metres, world frame.
    """
    points: ArrayT = rotate(points_agent, pose_world[..., 2]) + pose_world[..., :2]
    return points
