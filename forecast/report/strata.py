"""What kind of situation each agent-sample is: location, manoeuvre, speed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.frames import agent_from_world, wrap_angle
from forecast.prediction.physics import kinematics
from forecast.report.join import Joined

#: Displacement over the annotated future below this is stationary, metres.
STATIONARY_M = 2.0
#: Change of direction of travel: straight below the first, a U-turn from the second on, degrees.
STRAIGHT_DEG, U_TURN_DEG = 20.0, 135.0
#: Limits between the speed strata, m/s.
SPEEDS_MPS = (0.5, 5.0, 10.0)


def strata(joined: Joined) -> dict[str, NDArray[np.str_]]:
    """Stratum of each of the split's agent-samples: (agents,) labels by kind."""
    speed = kinematics(joined.tracks, joined.rows[joined.official]).speed_mps
    names = np.array(["below 0.5 m/s", "0.5 to 5 m/s", "5 to 10 m/s", "10 m/s and more"])
    return {
        "location": joined.locations[joined.official],
        "manoeuvre": manoeuvres(joined),
        "speed": names[np.searchsorted(SPEEDS_MPS, speed, side="right")],
    }


def manoeuvres(joined: Joined) -> NDArray[np.str_]:
    """(agents,) what each agent does, by its annotated future: see the thresholds of this module."""
    rows = joined.rows[joined.official]
    pose = np.concatenate([joined.tracks.row_position_m[rows], joined.tracks.row_heading_rad[rows, None]], -1)
    path = agent_from_world(joined.future_m[joined.official], pose[:, None])
    travel = path[:, -1] - path[:, -3] if path.shape[1] > 2 else path[:, -1]
    turn_deg = np.degrees(wrap_angle(np.arctan2(travel[:, 1], travel[:, 0])))
    conditions = [
        ~np.isfinite(path[:, -1]).all(-1),
        np.linalg.norm(path[:, -1], axis=-1) < STATIONARY_M,
        np.abs(turn_deg) < STRAIGHT_DEG,
        np.abs(turn_deg) >= U_TURN_DEG,
        turn_deg > 0,
    ]
    return np.select(conditions, ["unknown", "stationary", "straight", "U-turn", "left"], default="right")
