"""Makes what a model is given of target agents: their own past and their neighbours', in each target's frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import STATE_CHANNELS, AgentType
from forecast.core.horizon import Horizon
from forecast.data.states import agent_states, poses
from forecast.data.track_columns import TrackColumns
from forecast.data.windows import NeighbourRule, neighbours, window


@dataclass(frozen=True)
class Inputs:
    """What is known of targets at time 0; names, shapes and frames as in :class:`~forecast.core.batch.AgentBatch`."""

    history: NDArray[np.float32]
    history_valid: NDArray[np.bool_]
    neighbours: NDArray[np.float32]
    neighbours_valid: NDArray[np.bool_]
    neighbour_types: NDArray[np.int64]
    pose_world: NDArray[np.float64]


def inputs_of(columns: TrackColumns, rows: NDArray[np.int64], horizon: Horizon, rule: NeighbourRule) -> Inputs:
    """Look up histories and neighbours, and move them into the targets' frames.

    Args:
        columns: all that was seen.
        rows: (n,) observations of the targets at time 0; nothing later is read.
        horizon: how many steps back.
        rule: who counts as a neighbour.
    """
    pose = poses(columns, rows)
    history, valid = agent_states(columns, window(columns, rows, horizon.history_steps, 0), pose)
    return Inputs(history, valid, *_padded_neighbours(columns, rows, pose, horizon, rule), pose)


def _padded_neighbours(
    columns: TrackColumns, rows: NDArray[np.int64], pose: NDArray[np.float64], horizon: Horizon, rule: NeighbourRule
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    """Histories of the neighbours, their validity and types, padded to the largest number of them."""
    target, place, row = neighbours(columns, rows, rule)
    states, valid = agent_states(columns, window(columns, row, horizon.history_steps, 0), pose[target])
    shape = (len(rows), int(place.max(initial=-1)) + 1)
    padded = np.zeros((*shape, horizon.history_rows, len(STATE_CHANNELS)), np.float32)
    padded_valid = np.zeros((*shape, horizon.history_rows), np.bool_)
    types = np.full(shape, int(AgentType.PADDING), np.int64)
    padded[target, place] = states
    padded_valid[target, place] = valid
    types[target, place] = columns.tracks.track_types[columns.row_track[row]]
    return padded, padded_valid, types
