"""Everybody at one key frame of a data set: what a picture of a scene shows besides the forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import EGO_CATEGORY
from forecast.core.maps import MapSource
from forecast.core.tracks import Tracks
from forecast.data.prepared import map_if_any
from forecast.data.samples import vehicles_with_a_past
from forecast.pictures.agent_picture import Agent
from forecast.pictures.case_pictures import agent_at
from forecast.prediction.key_frame_future import key_frame_future

if TYPE_CHECKING:
    from forecast.data.cache import Dataset

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Moment:
    """A key frame.

    Attributes:
        sample: its index in the data set.
        scene, frame: name of the scene and number of the key frame in it, from 0.
        rows: (agents,) observations made at it.
        agents: the same, to draw.
        types: (agents,) :class:`~forecast.core.agents.AgentType`.
        ego: (agents,) which one is the ego vehicle.
        targets: (agents,) which ones a vehicle forecaster is asked about: vehicles with a past, the ego not among them.
        source: the map, or None where the data set holds none.
    """

    sample: int
    scene: str
    frame: int
    rows: Rows
    agents: tuple[Agent, ...]
    types: NDArray[np.int8]
    ego: NDArray[np.bool_]
    targets: NDArray[np.bool_]
    source: MapSource | None

    @property
    def positions_m(self) -> NDArray[np.float64]:
        """(agents, 2) world frame."""
        return np.array([agent.pose_world[:2] for agent in self.agents]).reshape(-1, 2)

    def truth_m(self, tracks: Tracks, steps: int) -> NDArray[np.float64]:
        """(targets, steps, 2) what the targets did afterwards; NaN where they were not annotated."""
        return key_frame_future(tracks, self.rows[self.targets], steps)


def moment_at(dataset: Dataset, sample: int) -> Moment:
    """Look up everybody at a key frame.

    Args:
        dataset: where.
        sample: index of the key frame.
    """
    tracks = dataset.tracks
    rows = np.flatnonzero(tracks.row_sample == sample)
    track = tracks.track_of(rows)
    types, ego = tracks.track_types[track], tracks.track_categories[track] == EGO_CATEGORY
    scene = str(tracks.scene_names[tracks.sample_scene[sample]])
    return Moment(
        sample=sample,
        scene=scene,
        frame=int(sample - tracks.frames_of(scene)[0]),
        rows=rows,
        agents=tuple(agent_at(tracks, int(row)) for row in rows),
        types=types,
        ego=ego,
        targets=vehicles_with_a_past(tracks, rows),
        source=map_if_any(dataset, str(tracks.scene_maps[tracks.sample_scene[sample]])),
    )
