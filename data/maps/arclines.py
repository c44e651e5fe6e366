"""Centre lines of lanes: arc–line–arc paths as line strings."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

#: Turn direction of the three segments of a path, by the letters of its shape; the middle S is straight.
_TURN = {"L": 1.0, "S": 0.0, "R": -1.0}
_STEP_M = 1.0
#: Below this a lane leads nowhere; above, a number is wrong.
_SHORTEST_M, _LONGEST_M = 1e-3, 1e5


class ArcLine(msgspec.Struct):
    """One piece of a centre line: three segments, each an arc of the given radius or straight (a Dubins path).

    Attributes:
        start_pose: x, y in metres, heading in radians, world frame.
        shape: e.g. ``LSR``: left arc, straight, right arc.
        radius: of the arcs, metres.
        segment_length: lengths of the segments, metres.
    """

    start_pose: list[float]
    end_pose: list[float]
    shape: str
    radius: float
    segment_length: list[float]


def _advance(pose: tuple[float, float, float], curvature: float, length_m: float) -> tuple[float, float, float]:
    x, y, heading = pose
    turned = curvature * length_m
    # The chord of an arc points half a turn ahead; sin(a)/a stays finite as the arc becomes straight.
    chord = length_m * float(np.sinc(turned / 2 / math.pi))
    direction = heading + turned / 2
    return x + chord * math.cos(direction), y + chord * math.sin(direction), heading + turned


def centre_line(pieces: list[ArcLine]) -> BaseGeometry:
    """Turn the pieces of one lane into a line string in driving direction, with a point at least every metre.

    A lane without any length gives an empty one.

    Raises:
        ValueError: a piece is not one: in words, what is wrong with it.
    """
    points: list[tuple[float, float]] = []
    for piece in pieces:
        _check(piece)
        x, y, heading = piece.start_pose
        pose = (x, y, heading)
        points.append((x, y))
        for letter, length_m in zip(piece.shape, piece.segment_length, strict=True):
            steps = math.ceil(length_m / _STEP_M)
            for _ in range(steps):
                curvature = _TURN[letter] / piece.radius if _TURN[letter] else 0.0
                pose = _advance(pose, curvature, length_m / steps)
                points.append(pose[:2])
    # Not from the first point alone: a lane may be a loop.
    if len(points) < 2 or np.ptp(points, axis=0).max() < _SHORTEST_M:
        return shapely.LineString()
    return shapely.remove_repeated_points(shapely.LineString(points), 1e-6)


def _check(piece: ArcLine) -> None:
    if len(piece.start_pose) != 3 or not np.isfinite(piece.start_pose).all():
        raise ValueError(f"start_pose {piece.start_pose}: expected x, y and heading, finite numbers")
    lengths = piece.segment_length
    if len(piece.shape) != len(lengths) or not set(piece.shape) <= set(_TURN):
        raise ValueError(f"shape {piece.shape!r:.20} with {len(lengths)} lengths: expected one of L, S, R for each")
    if not all(0 <= length <= _LONGEST_M for length in lengths):
        raise ValueError(f"segment_length {lengths}: expected metres, 0 to {_LONGEST_M:,.0f}")
    turns = any(_TURN[letter] and length for letter, length in zip(piece.shape, lengths, strict=True))
    if turns and not piece.radius > 0:
        raise ValueError(f"radius {piece.radius:g} of an arc: expected metres, more than 0")
