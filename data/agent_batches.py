"""Makes batches of target agents: the one place where tracks become what a model is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.agents import STATE_CHANNELS, AgentType
from forecast.core.batch import AgentBatch
from forecast.core.horizon import Horizon
from forecast.core.shapes import Int64
from forecast.data.samples import Samples
from forecast.data.states import agent_positions, agent_states, poses
from forecast.data.track_columns import TrackColumns
from forecast.data.track_source import Observations
from forecast.data.windows import NeighbourRule, neighbours, window


def agent_batch(
    source: Observations, rows: Int64[NDArray[np.int64], "batch"], horizon: Horizon, rule: NeighbourRule
) -> AgentBatch:
    """Look up histories, neighbours and futures of targets, and move them into each target's frame.

    Of histories and neighbours nothing after time 0 is read; futures are as observed, and all unknown where nothing
    was observed later, as in a live scene.

    Args:
        source: a data set or a live scene.
        rows: (batch,) observations of the targets at time 0.
        horizon: how many steps back and ahead; they count key frames.
        rule: who counts as a neighbour.

    Returns:
        A batch on the CPU, without crops.
    """
    columns = source.columns
    tracks = columns.tracks
    track = columns.row_track[rows]
    pose = poses(columns, rows)
    history, history_valid = agent_states(columns, window(columns, rows, horizon.history_steps, 0), pose)
    beside = _padded_neighbours(columns, rows, pose, horizon, rule)
    future, future_valid = agent_positions(columns, window(columns, rows, 0, horizon.future_steps)[:, 1:], pose)
    samples = Samples(rows)
    return AgentBatch(
        history=torch.from_numpy(history),
        history_valid=torch.from_numpy(history_valid),
        target_type=torch.from_numpy(tracks.track_types[track].astype(np.int64)),
        size_m=torch.from_numpy(tracks.row_size_m[rows]),
        neighbours=torch.from_numpy(beside.states),
        neighbours_valid=torch.from_numpy(beside.valid),
        neighbour_types=torch.from_numpy(beside.types),
        pose_world=torch.from_numpy(pose),
        map_index=torch.from_numpy(source.scene_map[tracks.track_scene[track]]),
        future=torch.from_numpy(future),
        future_valid=torch.from_numpy(future_valid),
        map_names=source.map_names,
        track_tokens=tuple(samples.track_tokens(tracks)),
        sample_tokens=tuple(samples.sample_tokens(tracks)),
        time_s=torch.from_numpy(tracks.sample_time_us[tracks.row_sample[rows]] / 1e6),
    )


@dataclass(frozen=True)
class _Neighbours:
    """Neighbours of each target, padded to the largest number of them.

    Attributes:
        states: (batch, neighbours, history, channels), agent frame of the target.
        valid: (batch, neighbours, history).
        types: (batch, neighbours), ``PADDING`` in empty slots.
    """

    states: NDArray[np.float32]
    valid: NDArray[np.bool_]
    types: NDArray[np.int64]


def _padded_neighbours(
    columns: TrackColumns, rows: NDArray[np.int64], pose: NDArray[np.float64], horizon: Horizon, rule: NeighbourRule
) -> _Neighbours:
    target, place, row = neighbours(columns, rows, rule)
    states, valid = agent_states(columns, window(columns, row, horizon.history_steps, 0), pose[target])
    shape = (len(rows), int(place.max(initial=-1)) + 1)
    padded = np.zeros((*shape, horizon.history_rows, len(STATE_CHANNELS)), np.float32)
    padded_valid = np.zeros((*shape, horizon.history_rows), np.bool_)
    types = np.full(shape, int(AgentType.PADDING), np.int64)
    padded[target, place] = states
    padded_valid[target, place] = valid
    types[target, place] = columns.tracks.track_types[columns.row_track[row]]
    return _Neighbours(padded, padded_valid, types)
