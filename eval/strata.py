"""What kind of situation each agent-sample is: location, manoeuvre, speed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from forecast.core.frames import agent_from_world, wrap_angle
from forecast.eval.results import Floats

#: Displacement over the annotated future below this is stationary, metres.
STATIONARY_M = 2.0
#: Change of direction of travel: straight below the first, a U-turn from the second on, degrees.
STRAIGHT_DEG, U_TURN_DEG = 20.0, 135.0
#: Limits between the speed strata, m/s.
SPEEDS_MPS = (0.5, 5.0, 10.0)
#: Labels in the order in which tables give them.
UNKNOWN = "unknown"
SPEEDS = ("below 0.5 m/s", "0.5 to 5 m/s", "5 to 10 m/s", "10 m/s and more", UNKNOWN)
MANOEUVRES = ("stationary", "straight", "left", "right", "U-turn", UNKNOWN)

Labels = dict[str, NDArray[np.str_]]


def strata_of_rows(past_m: Floats, future_m: Floats, step_s: float) -> Labels:
    """The same for rows: speed and heading are those of the last step before the issue; no heading below 0.5 m/s.

    Args:
        past_m: (agents, history, 2) world frame, the present last; NaN where unknown.
        future_m: (agents, steps, 2) world frame, NaN where unknown.
        step_s: seconds between the rows of the past.
    """
    moved = past_m[:, -1] - past_m[:, -2]
    speed = np.linalg.norm(moved, axis=-1) / step_s
    heading = np.where(speed < SPEEDS_MPS[0], np.nan, np.arctan2(moved[:, 1], moved[:, 0]))
    return strata(np.concatenate([past_m[:, -1], heading[:, None]], -1), speed, future_m)


def strata(pose_world: Floats, speed_mps: Floats, future_m: Floats) -> Labels:
    """Label agents by manoeuvre and speed.

    Args:
        pose_world: (agents, 3) x, y, heading at time 0.
        speed_mps: (agents,).
        future_m: (agents, steps, 2) world frame, NaN where unknown.
    """
    place = np.searchsorted(SPEEDS_MPS, np.nan_to_num(speed_mps), side="right")
    speeds = np.array(SPEEDS)[np.where(np.isfinite(speed_mps), place, len(SPEEDS) - 1)]
    return {"manoeuvre": manoeuvres(pose_world, future_m), "speed": speeds}


def manoeuvres(pose_world: Floats, future_m: Floats) -> NDArray[np.str_]:
    """(agents,) what each agent does, by its annotated future: see the thresholds of this module."""
    path = agent_from_world(future_m, pose_world[:, None])
    travel = path[:, -1] - path[:, -3] if path.shape[1] > 2 else path[:, -1]
    turn_deg = np.degrees(wrap_angle(np.arctan2(travel[:, 1], travel[:, 0])))
    conditions = [
        ~np.isfinite(future_m[:, -1]).all(-1) | ~np.isfinite(pose_world[:, :2]).all(-1),
        np.linalg.norm(future_m[:, -1] - pose_world[:, :2], axis=-1) < STATIONARY_M,
        ~np.isfinite(turn_deg),
        np.abs(turn_deg) < STRAIGHT_DEG,
        np.abs(turn_deg) >= U_TURN_DEG,
        turn_deg > 0,
    ]
    return np.select(conditions, ["unknown", "stationary", "unknown", "straight", "U-turn", "left"], default="right")


def in_order(kind: str, labels: NDArray[np.str_]) -> list[str]:
    """The labels that occur, in the order in which a table gives them."""
    found = set(labels.tolist())
    known = {"speed": SPEEDS, "manoeuvre": MANOEUVRES}.get(kind, tuple(sorted(found, key=_place)))
    return [label for label in known if label in found]


def _place(label: str) -> tuple[bool, float, str]:
    """Numbers by their size, then text by the alphabet, then what is unknown."""
    try:
        return False, float(label), ""
    except ValueError:
        return label == UNKNOWN, math.inf, label
