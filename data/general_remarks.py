"""What the user of any data set should know of its tracks."""

from __future__ import annotations

import numpy as np

from forecast.core.agents import AgentType
from forecast.core.tracks import Tracks
from forecast.data.backward_motion import backward_motion
from forecast.data.clock import long_gaps

#: Of so many boxes of vehicles that move faster than this, no more than that share head aside of their motion.
_DRIVES_MPS, _ENOUGH, _ASIDE_SHARE = 4.0, 50, 0.2


def gap_remarks(tracks: Tracks) -> list[str]:
    """Of key frames that are missing within a scene."""
    count, longest = long_gaps(tracks)
    if not count:
        return []
    return [
        f"{count} gaps between key frames are more than half as long again as their scene's step, the longest is "
        f"{longest}: steps count key frames, so forecasts across a gap are compared with a later truth"
    ]


def heading_remarks(tracks: Tracks) -> list[str]:
    """Of headings that are not where vehicles drive."""
    velocity = backward_motion(tracks)[:, :2]
    vehicle = np.repeat(tracks.track_types == AgentType.VEHICLE, np.diff(tracks.first_row))
    moving = vehicle & (np.hypot(velocity[:, 0], velocity[:, 1]) > _DRIVES_MPS)  # NaN is not greater than anything
    direction = np.arctan2(velocity[moving, 1], velocity[moving, 0])
    # Reversing is no fault, nor are boxes the wrong way round.
    along = np.abs(np.cos(tracks.row_heading_rad[moving] - direction))
    aside, count = int((along < 0.5).sum()), len(along)
    if count < _ENOUGH or aside <= _ASIDE_SHARE * count:
        return []
    return [
        f"the headings of {aside:,} of {count:,} boxes of moving vehicles are not where they drive (more than 60° "
        "aside): are rotations w, x, y, z, and is x before y?"
    ]
