"""What kind of situation each agent-sample of a data set is in."""

from __future__ import annotations

import numpy as np

from forecast.eval.strata import Labels, strata
from forecast.prediction.physics import kinematics
from forecast.scoring.dataset_join import Joined


def strata_of_joined(joined: Joined) -> Labels:
    """Stratum of each of the split's agent-samples, by kind; speed and heading as the physics baselines read them."""
    rows = joined.rows[joined.official]
    now = kinematics(joined.tracks, rows)
    pose = np.concatenate([now.position_m, now.heading_rad[:, None]], -1)
    moves = strata(pose, now.speed_mps, joined.future_m[joined.official])
    return {"location": joined.locations[joined.official]} | moves
