"""The agents that an audit asks about: some of a split, with crops, scenes and their neighbours' true futures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Float64
from forecast.data.dataset import AgentDataset
from forecast.data.prepared import Dataset
from forecast.data.samples import Samples
from forecast.data.states import agent_positions
from forecast.data.windows import neighbours, window
from forecast.explain.audit.asked import Agents
from forecast.explain.model_inputs import inputs_of
from forecast.model.network_config import NetworkConfig


def agents_of(config: NetworkConfig, dataset: Dataset, samples: Samples) -> Agents:
    """Agent-samples as a model reads them; the arguments are those of :func:`inputs_of`."""
    source = AgentDataset.read_by(config, dataset, samples)
    batch = inputs_of(config, dataset, samples)
    tracks = dataset.tracks
    scenes = tracks.scene_names[tracks.track_scene[dataset.columns.row_track[samples.rows]]]
    slots = batch.neighbours.shape[1]
    futures = neighbour_futures_m(dataset, source, batch.pose_world.numpy(), slots)
    return Agents(batch, scenes, futures)


def neighbour_futures_m(
    dataset: Dataset, source: AgentDataset, pose_world: Float64[NDArray[np.float64], "agents 3"], slots: int
) -> Float64[NDArray[np.float64], "agents neighbours steps 2"]:
    """True futures of the neighbours in the targets' frames, metres, in the order of :attr:`AgentBatch.neighbours`.

    Args:
        dataset: open.
        source: the targets.
        pose_world: of the targets at time 0.
        slots: of the batch.
    """
    steps = source.horizon.future_steps
    target, place, row = neighbours(dataset.columns, source.samples.rows, source.neighbour_rule)
    ahead = window(dataset.columns, row, 0, steps)[:, 1:]
    positions, known = agent_positions(dataset.columns, ahead, pose_world[target])
    found = np.full((len(source), slots, steps, 2), np.nan)
    found[target, place] = np.where(known[..., None], positions, np.nan)
    return found


def some_of(dataset: Dataset, split: str, agents: int, seed: int) -> Samples:
    """A random choice of a split's agent-samples, in the split's order; all where there are fewer."""
    samples = dataset.samples(split)
    if len(samples) <= agents:
        return samples
    return samples[np.sort(np.random.default_rng(seed).choice(len(samples), agents, replace=False))]
