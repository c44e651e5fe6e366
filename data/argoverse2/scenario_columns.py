"""Lays scenarios out as tracks over key frames, at the model's step, anchored at the present of each scenario."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import EGO_CATEGORY, USUAL_SIZE_M, AgentType, agent_type
from forecast.core.tracks import Tracks
from forecast.data.argoverse2.scenario_file import STEP_S, Scenario
from forecast.data.track_columns import TrackColumns

#: The recording vehicle's track.
EGO_TRACK = "AV"
#: Types that are no road users. Argoverse's ``construction`` is a cone or a barrier, not a vehicle as in nuScenes.
_OBJECTS = ("static", "background", "construction", "riderless_bicycle", "unknown")


def track_token(scenario_id: str, track_id: str) -> str:
    """A track's name in the data set; ids alone are unique within their scenario only."""
    return f"{scenario_id}:{track_id}"


def sample_token(scenario_id: str, step: int) -> str:
    """A key frame's name in the data set."""
    return f"{scenario_id}:t{step}"


def type_of_object(object_type: str) -> AgentType:
    """The agent type of an Argoverse object type.

    >>> type_of_object("motorcyclist"), type_of_object("construction")
    (<AgentType.CYCLIST: 2>, <AgentType.OTHER: 3>)
    """
    return AgentType.OTHER if object_type in _OBJECTS else agent_type(object_type)


def columns_of_scenarios(scenarios: Iterable[Scenario], step_s: float) -> TrackColumns:
    """Take every n-th time step of scenarios, counted from the present.

    Nothing is interpolated: a track that was not seen at a key frame has a gap there, and velocities are differences
    between key frames, as in every data set of this package.

    Args:
        scenarios: in the order that they shall have.
        step_s: between key frames; a multiple of 0.1 s.
    """
    every = round(step_s / STEP_S)
    parts = [_Part(number, scenario, every) for number, scenario in enumerate(scenarios)]
    samples, tracks = (np.cumsum([0, *(getattr(part, name) for part in parts)]) for name in ("samples", "tracks"))
    row_sample = np.concatenate([part.row_sample + start for part, start in zip(parts, samples, strict=False)])
    row_track = np.concatenate([part.row_track + start for part, start in zip(parts, tracks, strict=False)])
    laid_out = Tracks(
        scene_names=_strings([part.name for part in parts]),
        scene_maps=_strings([part.name for part in parts]),
        sample_tokens=_strings([token for part in parts for token in part.sample_tokens]),
        sample_time_us=np.concatenate([part.sample_time_us for part in parts]),
        sample_scene=np.repeat(np.arange(len(parts), dtype=np.int32), [part.samples for part in parts]),
        track_tokens=_strings([token for part in parts for token in part.track_tokens]),
        track_categories=_strings([category for part in parts for category in part.categories]),
        track_types=np.array([kind for part in parts for kind in part.types], np.int8),
        track_scene=np.repeat(np.arange(len(parts), dtype=np.int32), [part.tracks for part in parts]),
        first_row=np.concatenate([[0], np.cumsum(np.bincount(row_track, minlength=int(tracks[-1])))]).astype(np.int64),
        row_sample=row_sample.astype(np.int32),
        row_position_m=np.concatenate([part.row_position_m for part in parts]),
        row_heading_rad=np.concatenate([part.row_heading_rad for part in parts]),
        row_size_m=_usual_sizes(np.array([kind for part in parts for kind in part.types], np.int64))[row_track],
    )
    return TrackColumns.of(laid_out)


class _Part:
    """What is kept of one scenario; indices count within it."""

    def __init__(self, number: int, scenario: Scenario, every: int) -> None:
        kept = (scenario.row_step - scenario.present_step) % every == 0
        seen = np.unique(scenario.row_track[kept])  # who was seen between key frames alone is no track
        frames = np.arange(scenario.present_step % every, int(scenario.row_step.max()) + 1, every)
        self.name, self.number = scenario.scenario_id, number
        self.samples, self.tracks = len(frames), len(seen)
        self.sample_tokens = [sample_token(self.name, step) for step in frames.tolist()]
        self.sample_time_us = time_us(scenario, frames)
        ids = scenario.track_ids[seen].tolist()
        self.track_tokens = [track_token(self.name, track_id) for track_id in ids]
        types = scenario.object_types[seen].tolist()
        pairs = list(zip(ids, types, strict=True))
        self.categories = [EGO_CATEGORY if track_id == EGO_TRACK else kind for track_id, kind in pairs]
        self.types = [AgentType.VEHICLE if track_id == EGO_TRACK else type_of_object(kind) for track_id, kind in pairs]
        self.row_track = np.searchsorted(seen, scenario.row_track[kept])
        self.row_sample = scenario.row_step[kept] // every
        self.row_position_m = scenario.row_position_m[kept]
        self.row_heading_rad = scenario.row_heading_rad[kept]


def time_us(scenario: Scenario, steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times of time steps, microseconds, the shape of ``steps``."""
    return scenario.start_us + steps * round(STEP_S * 1e6)


def _usual_sizes(types: NDArray[np.int64]) -> NDArray[np.float32]:
    """(tracks, 2) length and width, metres: the files hold none, so they are what is usual for a type."""
    by_type = np.array([USUAL_SIZE_M[kind] for kind in sorted(USUAL_SIZE_M)], np.float32)
    return by_type[types]


def _strings(values: list[str]) -> NDArray[np.str_]:
    return np.array(values, np.str_)
