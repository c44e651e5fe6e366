"""How often the most likely futures of one scene run into each other: a cheap sanity check of a scene's forecasts.

Real traffic seldom collides; a share far above the usual one indicates that something is wrong with tracks, map or
clock, or that the model sees no neighbours. It is no measure of safety: each agent's mode is chosen by itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Bool, Float

Floats = NDArray[np.float64]


def overlapping(
    path_m: Float[Floats, "agents steps 2"],
    heading_rad: Float[Floats, "agents steps"],
    pose_world: Float[Floats, "agents 3"],
    size_m: Float[Floats, "agents 2"],
) -> Bool[NDArray[np.bool_], "agents"]:
    """Which agents' boxes meet another's at any step, one future each.

    Boxes have the agents' sizes and point along the direction of travel. Pairs whose boxes meet already at time 0 are
    left out: that is the tracker's doing, not the forecast's.

    Args:
        path_m: (agents, steps, 2) metres, world frame.
        heading_rad: (agents, steps) radians, world frame.
        pose_world: (agents, 3) x, y in metres and heading in radians at time 0, world frame.
        size_m: (agents, 2) length and width, metres.

    Returns:
        (agents,) bool.
    """
    hit = np.zeros(len(path_m), np.bool_)
    if len(path_m) < 2:
        return hit
    reach_m = np.hypot(*size_m.T) / 2
    first, second = _near_pairs(path_m, reach_m)
    met = _meet(path_m, heading_rad, size_m, reach_m, first, second).any(1)
    first, second = first[met], second[met]
    before = _meet(pose_world[:, None, :2], pose_world[:, None, 2], size_m, reach_m, first, second)[:, 0]
    met = ~before
    hit[first[met]] = hit[second[met]] = True
    return hit


def _near_pairs(path_m: Floats, reach_m: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs whose upright bounds over all steps meet; agents are swept along x, so that far ones are never compared."""
    # A path may end before the others: NaN.
    low, high = np.fmin.reduce(path_m, axis=1) - reach_m[:, None], np.fmax.reduce(path_m, axis=1) + reach_m[:, None]
    order = np.argsort(low[:, 0], kind="stable")
    begins = low[order, 0]
    ends = np.searchsorted(begins, high[order, 0], side="right")
    counts = ends - np.arange(len(order)) - 1
    one = np.repeat(np.arange(len(order)), counts)
    other = np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts) + one + 1
    first, second = order[one], order[other]
    meets = (low[first, 1] <= high[second, 1]) & (low[second, 1] <= high[first, 1])
    return first[meets], second[meets]


def _meet(
    centre_m: Floats,
    heading_rad: Floats,
    size_m: Floats,
    reach_m: Floats,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """(pairs, steps) whether the boxes of two agents overlap; only those that are near each other are looked at."""
    between = centre_m[second] - centre_m[first]
    near = (between[..., 0] ** 2 + between[..., 1] ** 2) < ((reach_m[first] + reach_m[second]) ** 2)[:, None]
    pair, step = np.nonzero(near)
    a, b = first[pair], second[pair]
    met = np.zeros(near.shape, np.bool_)
    met[pair, step] = _boxes_meet(
        centre_m[a, step, None], heading_rad[a, step, None], size_m[a],
        centre_m[b, step, None], heading_rad[b, step, None], size_m[b],
    )[:, 0]  # fmt: skip
    return met


def _boxes_meet(
    centre_a: Floats, heading_a: Floats, size_a: Floats, centre_b: Floats, heading_b: Floats, size_b: Floats
) -> NDArray[np.bool_]:
    """(pairs, steps) whether two boxes overlap: no side of either parts them (separating axes).

    Args:
        centre_a, centre_b: (pairs, steps, 2).
        heading_a, heading_b: (pairs, steps).
        size_a, size_b: (pairs, 2).
    """
    between = centre_b - centre_a
    cos, sin = np.abs(np.cos(heading_b - heading_a)), np.abs(np.sin(heading_b - heading_a))
    meet = np.ones(cos.shape, np.bool_)
    for heading, own, other in ((heading_a, size_a, size_b), (heading_b, size_b, size_a)):
        along = np.abs(between[..., 0] * np.cos(heading) + between[..., 1] * np.sin(heading))
        across = np.abs(between[..., 1] * np.cos(heading) - between[..., 0] * np.sin(heading))
        length, width = other[:, :1], other[:, 1:]
        meet &= along < (own[:, :1] + length * cos + width * sin) / 2
        meet &= across < (own[:, 1:] + length * sin + width * cos) / 2
    return meet
