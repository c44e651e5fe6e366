"""Turns observations into model inputs: states in each target's own frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import STATE_CHANNELS
from forecast.core.frames import agent_from_world, wrap_angle
from forecast.core.shapes import Bool, Float32, Float64, Int64
from forecast.data.track_columns import TrackColumns


def poses(columns: TrackColumns, rows: Int64[NDArray[np.int64], "agents"]) -> Float64[NDArray[np.float64], "agents 3"]:
    """(n, 3) x, y, heading of observations, world frame."""
    tracks = columns.tracks
    return np.concatenate([tracks.row_position_m[rows], tracks.row_heading_rad[rows][:, None]], axis=1)


def agent_states(
    columns: TrackColumns,
    rows: Int64[NDArray[np.int64], "agents steps"],
    pose_world: Float64[NDArray[np.float64], "agents 3"],
) -> tuple[Float32[NDArray[np.float32], "agents steps channels"], Bool[NDArray[np.bool_], "agents steps"]]:
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
    seen, agent = rows[valid], np.nonzero(valid)[0]
    # An agent sees many observations: its sine and cosine are taken once.
    cos, sin = np.cos(pose_world[:, 2])[agent], np.sin(pose_world[:, 2])[agent]
    states = np.zeros((*rows.shape, len(STATE_CHANNELS)), np.float32)
    values = np.empty((len(seen), len(STATE_CHANNELS)))
    motion = columns.row_motion[seen]
    away = tracks.row_position_m[seen] - pose_world[agent, :2]
    for first, vectors in ((0, away), (2, motion[:, 0:2]), (4, motion[:, 2:4])):
        values[:, first] = cos * vectors[:, 0] + sin * vectors[:, 1]
        values[:, first + 1] = cos * vectors[:, 1] - sin * vectors[:, 0]
    values[:, 6] = wrap_angle(tracks.row_heading_rad[seen] - pose_world[agent, 2])
    values[:, 7] = motion[:, 4]
    states[valid] = np.nan_to_num(values, copy=False, nan=0.0)
    return states, valid


def agent_positions(
    columns: TrackColumns,
    rows: Int64[NDArray[np.int64], "agents steps"],
    pose_world: Float64[NDArray[np.float64], "agents 3"],
) -> tuple[Float32[NDArray[np.float32], "agents steps 2"], Bool[NDArray[np.bool_], "agents steps"]]:
    """Annotated positions (n, steps, 2) in the agents' frames, 0 where there is none, and validity (n, steps)."""
    valid = rows >= 0
    pose = np.broadcast_to(pose_world[:, None], (*rows.shape, 3))[valid]
    positions = np.zeros((*rows.shape, 2), np.float32)
    positions[valid] = agent_from_world(columns.tracks.row_position_m[rows[valid]], pose)
    return positions, valid
