"""Finds the arms of the road ahead in a map crop: where it forks, and where each branch leads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra

from forecast.core.crops import CropSpec
from forecast.core.shapes import Bool, Float
from forecast.explain.crop_geometry import pixel_centres_m

Mask = NDArray[np.bool_]

#: The road is followed in steps of this length.
_BAND_M = 2.0
#: A branch that is shorter is a bay, not an arm.
_SHORTEST_M = 5.0
#: A road that does not fork is one arm from here on.
_FROM_M = 4.0
#: Within this angle of the agent's heading an arm leads ahead, beyond the second it leads back, degrees.
_AHEAD_DEG, _BACK_DEG = 30.0, 150.0
#: How far from the agent road may begin.
_NEAR_M = 6.0


@dataclass(frozen=True)
class Arm:
    """A branch of the road ahead. Agent frame.

    Attributes:
        name: ``left_arm``, ``right_arm``, ``ahead_arm``; a second one of a kind is ``left_arm_2``, nearest first.
        mask: (height, width) the pixels of its road.
        along_m: (height, width) distance on the road from where it leaves, metres; 0 outside.
        fork_m: (2,) x, y of where it leaves, metres.
        length_m: of what lies in the crop.
        far_end_m: (2,) x, y of its far end's middle, metres.
    """

    name: str
    mask: Bool[Mask, "height width"]
    along_m: Float[NDArray[np.float64], "height width"]
    fork_m: tuple[float, float]
    length_m: float
    far_end_m: tuple[float, float]


def find_arms(road: Float[NDArray[np.float32], "height width"], spec: CropSpec) -> tuple[Arm, ...]:
    """The arms of the road that the agent is on, as far as the crop shows them.

    The road is cut into bands of equal driving distance from the agent. A band in several pieces is a fork; a piece
    with all that is reached through it, up to the end, is a branch.

    Args:
        road: share of each pixel that is road, the first channel of a crop.
        spec: of the crop.

    Returns:
        nearest fork first; none where the agent is not on a road.
    """
    on_road = np.asarray(road) >= 0.5
    distance_m = _driving_distance_m(on_road, spec)
    if distance_m is None:
        return ()
    band = (np.where(np.isfinite(distance_m), distance_m, -_BAND_M) // _BAND_M).astype(int)
    pieces, parent = _pieces(band)
    branches = _branches(band, pieces, parent)
    arms = [_arm(members, first, pieces, distance_m, spec) for first, members in branches]
    return _named([arm for arm in arms if arm is not None], spec)


def _pairs(node: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64], float]]:
    """Neighbouring pixels that have nodes: two arrays of nodes a direction, and the distance between them in pixels."""
    found = []
    for down, right in ((1, 0), (0, 1), (1, 1), (1, -1)):
        a = node[: node.shape[0] - down, max(0, -right) : node.shape[1] - max(0, right)]
        b = node[down:, max(0, right) : node.shape[1] + min(0, right)]
        there = (a >= 0) & (b >= 0)
        found.append((a[there], b[there], float(np.hypot(down, right))))
    return found


def _driving_distance_m(road: Mask, spec: CropSpec) -> NDArray[np.float64] | None:
    """Distance from the agent over road pixels ahead of it, metres; infinite elsewhere."""
    x, y = np.moveaxis(pixel_centres_m(spec), -1, 0)
    ahead = road & (x >= -1.0)
    away = np.where(ahead, np.hypot(x, y), np.inf)
    if away.min(initial=np.inf) > _NEAR_M:
        return None
    node = np.full(road.shape, -1)
    node[ahead] = np.arange(ahead.sum())
    pairs = _pairs(node)
    first, second = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    length = np.concatenate([np.full(len(pair[0]), pair[2] / spec.px_per_m) for pair in pairs])
    graph = coo_array((length, (first, second)), shape=(ahead.sum(), ahead.sum())).tocsr()
    found = np.full(road.shape, np.inf)
    found[ahead] = dijkstra(graph, directed=False, indices=node.flat[int(away.argmin())])
    return found


def _pieces(band: NDArray[np.int64]) -> tuple[NDArray[np.int64], dict[int, int]]:
    """Number the connected pieces of all bands, and say through which piece each is reached; 0 is no road."""
    node = np.full(band.shape, -1)
    on = band >= 0
    node[on] = np.arange(on.sum())
    level = band[on]
    pairs = [(a, b) for a, b, _ in _pairs(node)]
    first, second = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    same = level[first] == level[second]
    graph = coo_array((np.ones(same.sum()), (first[same], second[same])), shape=(on.sum(), on.sum()))
    _, of_node = connected_components(graph, directed=False)
    # The piece before is the one that touches most of this one's pixels.
    later = level[second] > level[first]
    near, far = np.where(later, first, second)[~same], np.where(later, second, first)[~same]
    touching, counts = np.unique(np.stack([of_node[far], of_node[near]], 1), axis=0, return_counts=True)
    parent = dict.fromkeys(range(1, int(of_node.max(initial=-1)) + 2), 0)
    for row in np.argsort(counts, kind="stable").tolist():
        piece, before = (touching[row] + 1).tolist()
        parent[piece] = before
    pieces = np.zeros(band.shape, int)
    pieces[on] = of_node + 1
    return pieces, parent


def _branches(
    band: NDArray[np.int64], pieces: NDArray[np.int64], parent: dict[int, int]
) -> list[tuple[int, list[int]]]:
    """First piece and all pieces of each arm: the branches after the last fork on the way to each end."""
    first_of = np.unique(pieces, return_index=True)
    level = {piece: int(band.flat[place]) for piece, place in zip(*(part.tolist() for part in first_of), strict=True)}
    children: dict[int, list[int]] = {}
    for piece, before in parent.items():
        children.setdefault(before, []).append(piece)
    reach: dict[int, int] = {}
    for piece in sorted(parent, key=lambda one: -level[one]):
        reach[piece] = max([level[piece], *(reach[child] for child in children.get(piece, []))])
    shortest = round(_SHORTEST_M / _BAND_M)

    def long_children(piece: int) -> list[int]:
        return [child for child in children.get(piece, []) if reach[child] - level[piece] >= shortest]

    def whole(piece: int) -> list[int]:
        return [piece, *(one for child in children.get(piece, []) for one in whole(child))]

    found, open_ends = [], [piece for piece in children.get(0, []) if reach[piece] >= shortest]
    while open_ends:
        piece = start = open_ends.pop()
        while len(on := long_children(piece)) == 1:
            piece = on[0]
        if on:
            open_ends += on
        elif reach[start] - level[start] >= shortest or parent[start]:
            found.append((start, whole(start)))
    return found


def _arm(
    members: list[int], first: int, pieces: NDArray[np.int64], distance_m: NDArray[np.float64], spec: CropSpec
) -> tuple[float, Arm] | None:
    """Where an arm begins, in metres of driving, and the arm without its name; None where it is too short."""
    x, y = np.moveaxis(pixel_centres_m(spec), -1, 0)
    mask = np.isin(pieces, members) & (distance_m >= _FROM_M)
    if not mask.any():
        return None
    start_m = float(distance_m[mask].min())
    along_m = np.where(mask, distance_m - start_m, 0.0)
    length_m = float(along_m.max())
    near = mask & (along_m <= _BAND_M)
    fork_m = float(x[near].mean()), float(y[near].mean())
    far = mask & (along_m >= length_m - _BAND_M)
    far_end_m = float(x[far].mean()), float(y[far].mean())
    return (start_m, Arm("", mask, along_m, fork_m, length_m, far_end_m)) if length_m >= _SHORTEST_M - _BAND_M else None


def _named(arms: list[tuple[float, Arm]], spec: CropSpec) -> tuple[Arm, ...]:
    """Name arms by where they lead, the nearest first; those that lead back are left out."""
    found: list[Arm] = []
    counts: dict[str, int] = {}
    for _, arm in sorted(arms, key=lambda one: one[0]):
        x, y = np.moveaxis(pixel_centres_m(spec), -1, 0)
        far = arm.mask & (arm.along_m >= arm.length_m * 2 / 3)
        angle = np.degrees(np.arctan2(y[far].mean() - arm.fork_m[1], x[far].mean() - arm.fork_m[0]))
        if abs(angle) > _BACK_DEG:
            continue
        side = "ahead" if abs(angle) <= _AHEAD_DEG else "left" if angle > 0 else "right"
        counts[side] = counts.get(side, 0) + 1
        name = f"{side}_arm" + (f"_{counts[side]}" if counts[side] > 1 else "")
        found.append(replace(arm, name=name))
    return tuple(found)
