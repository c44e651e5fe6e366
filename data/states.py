"""Turns observations into what a model is given: states in each target's own frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import STATE_CHANNELS
from forecast.core.frames import agent_from_world, rotate, wrap_angle
from forecast.data.nuscenes.columns import Columns


def poses(columns: Columns, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, 3) x, y, heading of observations, world frame."""
    tracks = columns.tracks
    return np.concatenate([tracks.row_position_m[rows], tracks.row_heading_rad[rows][:, None]], axis=1)


def agent_states(
    columns: Columns, rows: NDArray[np.int64], pose_world: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """States of observations as seen from agents.

    Args:
        columns: the data set.
        rows: (n, steps) observations; −1 for none.
        pose_world: (n, 3) the agents that see them.

    Returns:
        states (n, steps, channels) in :data:`~forecast.core.agents.STATE_CHANNELS`, agent frame, 0 where there is
        none and where a rate has nothing earlier to be taken from; and validity (n, steps).
    """
    tracks = columns.tracks
    valid = rows >= 0
    seen = rows[valid]
    pose = np.broadcast_to(pose_world[:, None], (*rows.shape, 3))[valid]
    motion = np.nan_to_num(columns.row_motion[seen], nan=0.0)
    away = -pose[:, 2]
    states = np.zeros((*rows.shape, len(STATE_CHANNELS)), np.float32)
    states[valid] = np.concatenate(
        [
            agent_from_world(tracks.row_position_m[seen], pose),
            rotate(motion[:, 0:2], away),
            rotate(motion[:, 2:4], away),
            wrap_angle(tracks.row_heading_rad[seen] + away)[:, None],
            motion[:, 4:5],
        ],
        axis=1,
    )
    return states, valid


def agent_positions(
    columns: Columns, rows: NDArray[np.int64], pose_world: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Annotated positions (n, steps, 2) in the agents' frames, 0 where there is none, and validity (n, steps)."""
    valid = rows >= 0
    pose = np.broadcast_to(pose_world[:, None], (*rows.shape, 3))[valid]
    positions = np.zeros((*rows.shape, 2), np.float32)
    positions[valid] = agent_from_world(columns.tracks.row_position_m[rows[valid]], pose)
    return positions, valid
