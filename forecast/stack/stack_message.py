"""One message of a stack: who is where, and where each may go. Fixed frame, metres, seconds, radians, float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Float64

Floats = NDArray[np.float64]

#: Kinds of objects that the formats share.
KINDS = ("unknown", "car", "truck", "bus", "trailer", "motorcycle", "bicycle", "pedestrian")

#: Who moves by less from point to point has no direction of travel, metres.
STANDS_M = 0.05


@dataclass(frozen=True)
class PredictedPath:
    """One possible future of an object.

    Attributes:
        probability: as the stack says it; those of an object need not add up to 1.
        lead_s: (points,) seconds after the message, increasing, above 0.
        positions_m: (points, 2).
    """

    probability: float
    lead_s: Float64[Floats, "points"]
    positions_m: Float64[Floats, "points 2"]


@dataclass(frozen=True)
class StackObject:
    """One tracked object.

    Attributes:
        track: its name, the same in all messages.
        position_m: (2,) now.
        heading_rad: direction of its box.
        velocity_mps: (2,) in the fixed frame.
        size_m: length and width; 0 where they are not known.
        kind: one of :data:`KINDS`.
        paths: its possible futures; none where it is tracked alone.
        seen_s: when it was where it is, seconds, where that is not the time of its message; its paths count from then.
    """

    track: str
    position_m: tuple[float, float]
    heading_rad: float = 0.0
    velocity_mps: tuple[float, float] = (0.0, 0.0)
    size_m: tuple[float, float] = (0.0, 0.0)
    kind: str = "unknown"
    paths: tuple[PredictedPath, ...] = ()
    seen_s: float | None = None

    def time_s(self, message_s: float) -> float:
        """When it was where it is, seconds, in a message of a time."""
        return message_s if self.seen_s is None else self.seen_s


@dataclass(frozen=True)
class StackMessage:
    """What a stack says at one time.

    Attributes:
        time_s: of all positions that are now, seconds, but for objects that say when they were seen.
        where: file and number of the message, for errors.
        objects: everybody.
    """

    time_s: float
    where: str
    objects: tuple[StackObject, ...]


def headings_along(
    position_m: tuple[float, float], heading_rad: float, path_m: Float64[Floats, "points 2"]
) -> Float64[Floats, "points"]:
    """Direction of travel at the points of a path; who hardly moves keeps the direction that it had, radians.

    Args:
        position_m, heading_rad: of the object now.
        path_m: metres.
    """
    steps = np.diff(np.concatenate([[position_m], path_m]), axis=0)
    found = np.arctan2(steps[:, 1], steps[:, 0])
    moves = np.hypot(*steps.T) >= STANDS_M
    last = np.maximum.accumulate(np.where(moves, np.arange(len(steps)), -1))
    return np.where(last < 0, heading_rad, found[np.maximum(last, 0)])
