"""Resampled agents as the columns that a data set's inputs are made from: one code makes both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.tracks import Tracks
from forecast.data.motion import backward_motion
from forecast.data.nuscenes.columns import Columns
from forecast.prediction.resample import Resampled

_NO_STRINGS = np.array([], np.str_)


def columns_of(
    steps: Resampled, agent_types: NDArray[np.int64], size_m: NDArray[np.float64], shown: NDArray[np.bool_]
) -> tuple[Columns, NDArray[np.int64]]:
    """Lay agents out as tracks over the steps of one scene.

    Args:
        steps: poses at the scene's steps.
        agent_types: (agents,).
        size_m: (agents, 2).
        shown: (agents,) who can be a neighbour.

    Returns:
        The columns; and (agents,) each agent's row at the last step, −1 where it is not known there.
    """
    agents, count = steps.valid.shape
    row_agent, row_step = np.nonzero(steps.valid)
    names = np.zeros(agents, "U1")
    tracks = Tracks(
        scene_names=np.zeros(1, "U1"),
        scene_maps=np.zeros(1, "U1"),
        sample_tokens=np.zeros(count, "U1"),
        sample_time_us=steps.step_us,
        sample_scene=np.zeros(count, np.int32),
        track_tokens=names,
        track_categories=names,
        track_types=agent_types.astype(np.int8),
        track_scene=np.zeros(agents, np.int32),
        first_row=np.concatenate([[0], np.cumsum(steps.valid.sum(1))]),
        row_sample=row_step.astype(np.int32),
        row_position_m=steps.pose_world[steps.valid][:, :2],
        row_heading_rad=steps.pose_world[steps.valid][:, 2],
        row_size_m=size_m.astype(np.float32)[row_agent],
    )
    present = np.where(steps.valid[:, -1], tracks.first_row[1:] - 1, -1)
    # Only the last step is ever searched for neighbours; objects that are nobody's are left out of the search.
    listed = present[shown & (present >= 0) & (agent_types != AgentType.OTHER)]
    sample_first = np.zeros(count + 1, np.int64)
    sample_first[-1] = len(listed)
    columns = Columns(
        tracks=tracks,
        row_track=row_agent.astype(np.int32),
        row_motion=backward_motion(tracks),
        row_attribute=np.full(len(row_agent), -1, np.int16),
        attribute_names=_NO_STRINGS,
        sample_first=sample_first,
        sample_rows=listed.astype(np.int32),
    )
    return columns, present
