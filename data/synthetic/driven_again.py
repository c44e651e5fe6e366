"""What a driver of the junction world does on a road, or before a vehicle, that was changed.

The rules are those by which :mod:`forecast.data.synthetic.junction_plots` draws plots: turn where the road turns, slow
down for the bend, stop for whoever stands in the lane or crosses it. Where a change makes an arm too short to drive on
for 6 s it is a dead end: nobody takes it while there is another, and where there is none it is driven to its end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Float64
from forecast.data.synthetic.curves import Curve
from forecast.data.synthetic.junction_plots import (
    ARC_AT_0_M,
    BRAKE_MPS2,
    LATERAL_MPS2,
    PAST,
    TIMES_S,
    driven,
    slowing_m,
)

Floats = NDArray[np.float64]

#: Half a lane's clear width: who is nearer to its middle is in the way, metres.
_IN_THE_WAY_M = 2.2
#: Who crosses within this time of the own arrival is waited for, seconds.
_GAP_S = 2.0
#: The target stops so far before the middle of the vehicle that it waits for, metres.
_BEFORE_M = 7.0
#: Arms that lie at least so close to a path's end are as long as the path needs, metres.
_SLACK_M = 3.0


def stops_for(neighbour: Sequence[float], speed_mps: float) -> float | None:
    """How far the target drives before it has come to a stop for a vehicle, metres; None where it drives on.

    Args:
        neighbour: x, y, vx, vy of the other one at time 0 in the target's frame, metres and m/s; it goes on so.
        speed_mps: of the target, straight on.
    """
    x, y, vx, vy = neighbour
    if abs(vy) < 0.3:
        if abs(y) >= _IN_THE_WAY_M or x <= _BEFORE_M - 2 or vx >= speed_mps:
            return None
        return max(x - _BEFORE_M, 1.0)
    crosses_s = -y / vy
    there_s = x / max(speed_mps, 0.1)
    if x <= 0 or crosses_s < 0 or abs(crosses_s - there_s) > _GAP_S:
        return None
    return max(x - _BEFORE_M, 1.0)


def drive(path: Curve, speed_mps: float, reach_m: float) -> Float64[Floats, "times 3"]:
    """Poses over :data:`TIMES_S` of a target that follows a path from time 0 on, and stops where the road ends.

    Args:
        path: centre line; the target is at its arc :data:`ARC_AT_0_M` at time 0.
        speed_mps: at time 0, m/s.
        reach_m: driving distance to the end of the road, metres.
    """
    ahead = path.arc_m >= ARC_AT_0_M
    bend = np.abs(path.curvature_per_m[ahead])
    along = path.arc_m[ahead] - ARC_AT_0_M
    sharpest = float(bend.max(initial=0.0))
    slow = min(speed_mps, float(np.sqrt(LATERAL_MPS2 / sharpest))) if sharpest > 1e-3 else speed_mps
    begins = float(along[bend >= 0.3 * sharpest][0]) if sharpest > 1e-3 else 0.0
    needed = max(3.0, (speed_mps**2 - slow**2) / (2 * BRAKE_MPS2))
    arc = slowing_m(speed_mps, slow, max(begins, needed))
    if arc[-1] > reach_m:
        arc = np.minimum(arc, slowing_m(speed_mps, 0.0, max(reach_m, 1.0)))
    return driven(path, arc)


def drive_all(
    paths: Sequence[Curve], probabilities: Sequence[float], speed_mps: float, reach_m: Sequence[float]
) -> tuple[Float64[Floats, "outcomes times 3"], Float64[Floats, "outcomes"]]:
    """Poses and probabilities of a target that may take several arms; dead ends are not taken where others are open.

    Args:
        paths: centre lines of the arms.
        probabilities: of each while all are open.
        speed_mps: at time 0.
        reach_m: driving distance to the end of each arm.
    """
    poses = [drive(path, speed_mps, reach) for path, reach in zip(paths, reach_m, strict=True)]
    wanted = [
        float(np.linalg.norm(np.diff(drive(path, speed_mps, np.inf)[PAST:, :2], axis=0), axis=1).sum())
        for path in paths
    ]
    dead_end = np.array([reach + _SLACK_M < want for reach, want in zip(reach_m, wanted, strict=True)])
    odds = np.asarray(probabilities, dtype=np.float64)
    if dead_end.all():
        odds = np.where(np.arange(len(paths)) == int(np.argmax(reach_m)), 1.0, 0.0)
    else:
        odds = np.where(dead_end, 0.0, odds)
    return np.stack(poses), odds / odds.sum()


def drive_before(neighbour: Sequence[float], speed_mps: float, path: Curve) -> Float64[Floats, "times 3"]:
    """Poses, metres and radians, on a straight road with another vehicle: the target stops where it must.

    Args:
        neighbour, speed_mps: as for :func:`stops_for`.
        path: centre line of the own lane.
    """
    room_m = stops_for(neighbour, speed_mps)
    return driven(path, speed_mps * TIMES_S if room_m is None else slowing_m(speed_mps, 0.0, room_m))
