"""Which agent-samples are learnt where a city is new: some of its scenes, and a memory of the cities known already."""

from __future__ import annotations

import numpy as np

from forecast.core.horizon import NUSCENES_HORIZON
from forecast.data.prepared import Dataset
from forecast.data.samples import Samples
from forecast.data.states import poses
from forecast.eval.strata import manoeuvres
from forecast.prediction.key_frame_future import key_frame_future
from forecast.training.schema import DataConfig


def of_some_scenes(dataset: Dataset, samples: Samples, count: int) -> Samples:
    """Those agent-samples that lie in some scenes, drawn once: a smaller count draws some of the same scenes.

    Args:
        dataset: whose samples.
        samples: to choose from.
        count: of scenes.
    """
    scene = dataset.tracks.track_scene[dataset.columns.row_track[samples.rows]]
    drawn = np.random.default_rng(0).permutation(np.unique(scene))[:count]
    return samples[np.isin(scene, drawn)]


def with_rehearsal(samples: Samples, dataset: Dataset, split: str, data: DataConfig) -> Samples:
    """Add the memory of known cities to what is learnt: of each manoeuvre and map a few agent-samples, drawn once.

    Args:
        samples: of the new city.
        dataset: a view of the known cities.
        split: from which the memory is drawn.
        data: how many of each, and how often each comes in an epoch.
    """
    known = dataset.samples(split).rows
    tracks, columns = dataset.tracks, dataset.columns
    future_m = key_frame_future(tracks, known, NUSCENES_HORIZON.future_steps)
    kinds = manoeuvres(poses(columns, known), future_m)
    places = dataset.scene_map[tracks.track_scene[columns.row_track[known]]]
    draw = np.random.default_rng(0)
    kept = [known[:0]]
    for place in np.unique(places):
        for kind in np.unique(kinds):
            rows = known[(places == place) & (kinds == kind)]
            kept.append(draw.permutation(rows)[: data.rehearsal_each])
    memory = np.sort(np.concatenate(kept))
    return Samples(np.concatenate([samples.rows, np.tile(memory, data.rehearsal_repeat)]))
