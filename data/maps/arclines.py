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
    """Turn the pieces of one lane into a line string in driving direction, with a point at least every metre."""
    points: list[tuple[float, float]] = []
    for piece in pieces:
        x, y, heading = piece.start_pose
        pose = (x, y, heading)
        points.append((x, y))
        for letter, length_m in zip(piece.shape, piece.segment_length, strict=True):
            steps = math.ceil(length_m / _STEP_M)
            for _ in range(steps):
                pose = _advance(pose, _TURN[letter] / piece.radius, length_m / steps)
                points.append(pose[:2])
    return shapely.remove_repeated_points(shapely.LineString(points), 1e-6)
