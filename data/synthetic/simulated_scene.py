"""What a simulated scene leaves behind, before it becomes tables: agents' boxes at key frames, and the ego's poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SimulatedAgent:
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
    agents: list[SimulatedAgent]
    targets: list[tuple[int, int]]


def outlines(agent: SimulatedAgent) -> NDArray[np.object_]:
    """(rows,) boxes on the ground as polygons, world frame, metres."""
    width, length, _ = agent.size_m
    corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * [length / 2, width / 2]
    cos, sin = np.cos(agent.poses[:, 2]), np.sin(agent.poses[:, 2])
    turn = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], 1)
    return np.asarray(shapely.polygons(agent.poses[:, None, :2] + corners @ turn))


def without_overlaps(
    agents: list[SimulatedAgent], standing: list[SimulatedAgent], ego: SimulatedAgent
) -> list[SimulatedAgent]:
    """Leave out whoever would overlap one who comes earlier in the list: the ego, those who move, those who stand.

    Args:
        agents, standing: all others.
    """
    everyone = [ego, *agents, *standing]
    boxes = np.concatenate([outlines(agent) for agent in everyone])
    owner = np.repeat(np.arange(len(everyone)), [len(agent.poses) for agent in everyone])
    frame = np.concatenate([agent.first_frame + np.arange(len(agent.poses)) for agent in everyone])
    # Key frames are laid side by side, so that one search finds the pairs of all of them.
    apart = shapely.transform(boxes, lambda xy: xy + np.repeat(frame * 1e5, 5)[:, None] * [1.0, 0.0])
    first, second = shapely.STRtree(apart).query(apart, predicate="intersects")
    pairs = sorted(set(zip(owner[first].tolist(), owner[second].tolist(), strict=True)))
    dropped: set[int] = set()
    for one, other in pairs:
        if one < other and one not in dropped:
            dropped.add(other)
    return [agent for number, agent in enumerate(everyone) if number and number not in dropped]


def challenge_targets(
    agents: list[SimulatedAgent],
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
