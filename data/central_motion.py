"""Velocity, acceleration and yaw rate of tracks as published: central differences, which read the future.

The published code of CAB (arXiv 2109.08048), like its backbone's (arXiv 2001.03093), differentiates whole tracks by
central differences. So the velocity of time 0 holds the position of the next key frame, and its acceleration that of
the one after: up to a second of the future is in the input. Here only to price that. No filter, no frozen tracks.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from forecast.core.frames import wrap_angle
from forecast.core.shapes import Float64
from forecast.core.tracks import Tracks
from forecast.data.backward_motion import MAX_GAP_S, MOTION_CHANNELS
from forecast.data.track_columns import TrackColumns
from forecast.data.track_source import Observations


def central_motion(tracks: Tracks, *, max_gap_s: float = MAX_GAP_S) -> Float64[NDArray[np.float64], "rows 5"]:
    """Central differences over real time stamps; one-sided at both ends of a track and at gaps.

    Args:
        tracks: whole tracks, future and all.
        max_gap_s: observations further apart than this say nothing about a rate.

    Returns:
        (rows, 5) :data:`~forecast.data.backward_motion.MOTION_CHANNELS` in m/s, m/s² and radians a second, world frame;
        NaN where a track was observed once alone.
    """
    motion = np.full((len(tracks.row_sample), len(MOTION_CHANNELS)), np.nan)
    time_s = tracks.row_time_us * 1e-6
    apart = (np.diff(tracks.row_track) != 0) | (np.diff(time_s) > max_gap_s)
    for run in np.split(np.arange(len(time_s)), np.flatnonzero(apart) + 1):
        if len(run) < 2:
            continue
        turned = np.cumsum(np.concatenate([[0.0], wrap_angle(np.diff(tracks.row_heading_rad[run]))]))
        motion[run, :2] = np.gradient(tracks.row_position_m[run], time_s[run], axis=0)
        motion[run, 2:4] = np.gradient(motion[run, :2], time_s[run], axis=0)
        motion[run, 4] = np.gradient(turned, time_s[run])
    return motion


class AsPublished:
    """The same observations with rates as published.

    Args:
        source: a data set.
    """

    def __init__(self, source: Observations) -> None:
        self._source = source
        self.map_names, self.scene_map = source.map_names, source.scene_map

    @cached_property
    def columns(self) -> TrackColumns:
        """All that was seen; rates read what comes next."""
        given = self._source.columns
        return replace(given, row_motion=central_motion(given.tracks))
