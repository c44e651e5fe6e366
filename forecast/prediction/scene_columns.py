"""Resampled agents as the columns that a data set's inputs are made from: one code makes both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.tracks import Tracks
from forecast.data.backward_motion import backward_motion
from forecast.data.track_columns import TrackColumns
from forecast.prediction.resample import Resampled


@dataclass(frozen=True)
class SceneObservations:
    """A live scene as :class:`~forecast.data.track_source.Observations`: batches are made of it as of a data set.

    Attributes:
        columns: its agents over its steps.
        map_name: where it is, or None.
    """

    columns: TrackColumns
    map_name: str | None

    @property
    def map_names(self) -> tuple[str, ...]:
        """The one map, ``""`` where there is none."""
        return (self.map_name or "",)

    @property
    def scene_map(self) -> NDArray[np.int64]:
        """(1,) index of the one map."""
        return np.zeros(1, np.int64)


_NO_STRINGS = np.array([], np.str_)


def columns_of(
    steps: Resampled, agent_types: NDArray[np.int64], size_m: NDArray[np.float64], shown: NDArray[np.bool_]
) -> tuple[TrackColumns, NDArray[np.int64]]:
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
    columns = TrackColumns(
        tracks=tracks,
        row_track=row_agent.astype(np.int32),
        row_motion=backward_motion(tracks),
        row_attribute=np.full(len(row_agent), -1, np.int16),
        attribute_names=_NO_STRINGS,
        sample_first=sample_first,
        sample_rows=listed.astype(np.int32),
    )
    return columns, present


@dataclass(frozen=True)
class Part:
    """Some targets, and the columns with all that can be their neighbours.

    Attributes:
        targets: (n,) indices into the targets.
        columns: whose last step lists those near enough.
    """

    targets: NDArray[np.int64]
    columns: TrackColumns


def parts_of(
    columns: TrackColumns, rows: NDArray[np.int64], reach_m: float, agents_at_once: int, pairs_at_once: int
) -> list[Part]:
    """Divide the targets of a large scene, so that memory stays bounded and few are compared who are far apart.

    Args:
        columns: as :func:`columns_of` gives them.
        rows: (targets,) their rows.
        reach_m: beyond this, nobody is a neighbour.
        agents_at_once: targets in a part.
        pairs_at_once: targets times possible neighbours in a part.
    """
    if len(rows) <= agents_at_once and len(rows) * len(columns.sample_rows) <= pairs_at_once:
        return [Part(np.arange(len(rows)), columns)] if len(rows) else []
    # Along strips of some width, so that the targets of a part lie together.
    place = columns.tracks.row_position_m[rows]
    order = np.lexsort((place[:, 0], np.floor(place[:, 1] / (4 * reach_m))))
    listed = columns.tracks.row_position_m[columns.sample_rows]
    parts: list[Part] = []
    waiting = [order[first : first + agents_at_once] for first in range(0, len(order), agents_at_once)][::-1]
    while waiting:
        targets = waiting.pop()
        low, high = place[targets].min(0) - reach_m, place[targets].max(0) + reach_m
        near = columns.sample_rows[((listed >= low) & (listed <= high)).all(1)]
        if len(targets) > 1 and len(targets) * len(near) > pairs_at_once:
            waiting += [targets[len(targets) // 2 :], targets[: len(targets) // 2]]
            continue
        first = columns.sample_first.copy()
        first[-1] = len(near)
        parts.append(Part(targets, replace(columns, sample_first=first, sample_rows=near)))
    return parts
