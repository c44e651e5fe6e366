"""What a simulated scene leaves behind, before it becomes tables: agents' boxes at key frames, and the ego's poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agent:
    """One annotated agent over the key frames of a scene. World frame, metres, radians.

    Attributes:
        category: nuScenes category name.
        size_m: (3,) width, length, height, as nuScenes orders them.
        first_frame: key frame of the first row; the rows are consecutive.
        poses: (rows, 3) x, y, heading.
        parked: whether it stands parked throughout.
    """

    category: str
    size_m: tuple[float, float, float]
    first_frame: int
    poses: Floats
    parked: bool = False


@dataclass(frozen=True)
class Recording:
    """One scene: its name, its city, the agents and the ego.

    Attributes:
        name: official scene name.
        city: name of the map.
        start_us: time of key frame 0, microseconds.
        ego: (frames, 3) x, y, heading of the ego vehicle's centre.
        agents: all annotated agents.
        targets: (agent, key frame) pairs of the prediction challenge.
    """

    name: str
    city: str
    start_us: int
    ego: Floats
    agents: list[Agent]
    targets: list[tuple[int, int]]


def challenge_targets(
    agents: list[Agent],
    rng: np.random.Generator,
    *,
    at_most: int,
    past: int = 2,
    future: int = 12,
    moved_m: float = 2.0,
) -> list[tuple[int, int]]:
    """Vehicles of four and more wheels that move, at key frames with enough annotated past and future.

    Args:
        at_most: keep a random choice of this many.
        past, future: key frames that must be annotated before and after.
        moved_m: displacement over the future below which an agent is left out.
    """
    found = []
    for number, agent in enumerate(agents):
        if not agent.category.startswith("vehicle") or agent.category.endswith("cycle"):
            continue
        rows = np.arange(past, len(agent.poses) - future)
        moved = np.hypot(*(agent.poses[rows + future, :2] - agent.poses[rows, :2]).T) >= moved_m
        found += [(number, agent.first_frame + int(row)) for row in rows[moved]]
    if len(found) > at_most:
        chosen = np.sort(rng.choice(len(found), at_most, replace=False))
        found = [found[i] for i in chosen]
    return found
