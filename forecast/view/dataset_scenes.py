"""Scenes of a data set for the player."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import EGO_CATEGORY
from forecast.core.rows import ForecastRows, TruthRows
from forecast.core.tracks import Tracks
from forecast.data.prepared import map_if_any
from forecast.data.samples import vehicles_with_a_past
from forecast.view.attention_shares import joined_attention
from forecast.view.ground_outlines import outlines
from forecast.view.model_in_scene import beside_truth
from forecast.view.network_attention import AttentionAnswers
from forecast.view.view_scene import ViewAgents, ViewForecasts, ViewScene

if TYPE_CHECKING:
    from forecast.data.cache import Dataset

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
#: Forecasts of observations of a data set, one row each, NaN throughout where there is none.
Answers = Callable[[Integers], ForecastRows]
_STEP_S = 0.5
_AT_ONCE = 256


@dataclass(frozen=True)
class DatasetModel:
    """Whose forecasts of a data set are shown.

    Attributes:
        name: for people.
        of: its forecasts.
        everyone: whether it is asked about everybody, as files are; else about vehicles with a past.
        attention: where its forecasts look; None where that is not shown.
    """

    name: str
    of: Answers
    everyone: bool
    attention: AttentionAnswers | None = None


def dataset_scene(dataset: Dataset, name: str, models: Sequence[DatasetModel], step_s: float = _STEP_S) -> ViewScene:
    """Gather a scene.

    Its clock counts key frames, as the metrics on data sets do: one is ``step_s``.

    Args:
        dataset: where.
        name: of the scene.
        models: whose forecasts are shown.
        step_s: seconds between two key frames.

    Raises:
        DataError: no such scene.
        ForecastError: a model cannot forecast there.
    """
    tracks = dataset.tracks
    frames = tracks.frames_of(name)
    scene = int(tracks.sample_scene[frames[0]])
    time_s = step_s * np.arange(len(frames))
    rows = np.flatnonzero(tracks.sample_scene[tracks.row_sample] == scene)
    agents, tokens = _agents(tracks, rows, int(frames[0]))
    truth = TruthRows(tokens[agents.agent], time_s[agents.frame], tracks.row_position_m[rows])
    found = tuple(_forecasts(model, tracks, rows, truth, tokens.tolist(), time_s, int(frames[0])) for model in models)
    place = str(tracks.scene_maps[scene])
    source = map_if_any(dataset, place)
    ground = {} if source is None else outlines(source, tracks.row_position_m[rows])
    return ViewScene(name, place if ground else "", time_s, agents, truth, ground, found)


def _agents(tracks: Tracks, rows: Integers, first_frame: int) -> tuple[ViewAgents, NDArray[np.str_]]:
    track = tracks.track_of(rows)
    present, agent = np.unique(track, return_inverse=True)
    size_m = np.stack([np.median(tracks.row_size_m[rows[agent == one]], axis=0) for one in range(len(present))])
    tokens = tracks.track_tokens[present]
    agents = ViewAgents(
        names=tokens.tolist(),
        categories=tracks.track_categories[present].tolist(),
        kinds=tracks.track_types[present].astype(np.int64),
        ego=tracks.track_categories[present] == EGO_CATEGORY,
        agent=agent.astype(np.int64).reshape(-1),
        frame=tracks.row_sample[rows].astype(np.int64) - first_frame,
        pose_world=np.concatenate([tracks.row_position_m[rows], tracks.row_heading_rad[rows, None]], 1),
        size_m=size_m.astype(np.float64),
    )
    return agents, tokens


def _forecasts(
    model: DatasetModel,
    tracks: Tracks,
    rows: Integers,
    truth: TruthRows,
    names: list[str],
    time_s: Floats,
    first_frame: int,
) -> ViewForecasts:
    track = tracks.track_of(rows)
    everybody = tracks.track_categories[track] != EGO_CATEGORY
    asked = everybody if model.everyone else vehicles_with_a_past(tracks, rows)
    wanted = rows[asked]
    groups = [wanted[at : at + _AT_ONCE] for at in range(0, len(wanted), _AT_ONCE)] or [wanted]
    parts = [model.of(group) for group in groups]
    positions = np.concatenate([part.positions_m for part in parts])
    probabilities = np.concatenate([part.probabilities for part in parts])
    whole = replace(
        parts[0],
        track=tracks.track_tokens[track[asked]],
        issue_time_s=time_s[tracks.row_sample[wanted] - first_frame],
        positions_m=positions,
        probabilities=probabilities,
        covariances_m2=None,
        samples_m=None,
        row_lead_s=None,
        sample_tokens=None,
    )
    found = beside_truth(whole.take(whole.known), truth, names, time_s)
    if model.attention is None:
        return found
    return replace(found, attention=joined_attention([model.attention(group) for group in groups]).take(whole.known))
