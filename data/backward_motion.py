"""Velocity, acceleration and yaw rate of tracks, from the present and the past alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.frames import wrap_angle
from forecast.core.tracks import Tracks

#: Columns of a motion array: m/s, m/s² and rad/s in the world frame.
MOTION_CHANNELS = ("vx", "vy", "ax", "ay", "yaw_rate")

#: Two observations further apart than this say nothing about a rate; the devkit's ``max_time_diff``.
MAX_GAP_S = 1.5


def backward_motion(tracks: Tracks, *, max_gap_s: float = MAX_GAP_S) -> NDArray[np.float64]:
    """Backward differences over real time stamps, as the devkit's ``PredictHelper`` takes them.

    The velocity at an observation is the displacement since the track's previous observation over the time between
    the two; the acceleration is the same difference of velocities, the yaw rate that of headings (wrapped).

    Returns:
        (rows, 5) float64, :data:`MOTION_CHANNELS`, world frame; NaN where there is no earlier observation to take
        the difference from, or it lies more than ``max_gap_s`` back.
    """
    rows = len(tracks.row_sample)
    motion = np.full((rows, len(MOTION_CHANNELS)), np.nan)
    if rows < 2:
        return motion
    # Differences of whole microseconds: a stream, whose clock starts elsewhere, gets the same bits.
    elapsed_s = np.diff(tracks.row_time_us) * 1e-6
    track = tracks.row_track
    usable = (track[1:] == track[:-1]) & (elapsed_s <= max_gap_s)
    elapsed_s = np.where(usable, elapsed_s, np.nan)
    motion[1:, :2] = np.diff(tracks.row_position_m, axis=0) / elapsed_s[:, None]
    motion[1:, 2:4] = np.diff(motion[:, :2], axis=0) / elapsed_s[:, None]
    motion[1:, 4] = wrap_angle(np.diff(tracks.row_heading_rad)) / elapsed_s
    return motion
