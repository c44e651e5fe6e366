"""Motion forecasting as a plain torch data set, for any model, on any kind of data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forecast.core.agents import AgentType, Features
from forecast.core.batch import AgentBatch
from forecast.core.horizon import NUSCENES_HORIZON, Horizon
from forecast.core.shapes import Int64
from forecast.data.agent_batches import agent_batch
from forecast.data.cache import open_dataset
from forecast.data.central_motion import AsPublished
from forecast.data.clock import check_step
from forecast.data.samples import Samples
from forecast.data.track_source import Observations, TrackSource
from forecast.data.windows import NeighbourRule

#: Key frames further apart than this, in steps, do not follow each other.
_LATE_STEPS = 1.5
Indices = Sequence[int] | NDArray[np.int64] | Tensor


class Reads(Protocol):
    """What a network asks of its inputs; its configuration says so."""

    @property
    def horizon(self) -> Horizon:
        """How many key frames back and ahead."""

    @property
    def features(self) -> Features:
        """How rates come about."""


class AgentDataset(torch.utils.data.Dataset[AgentBatch]):
    """Target agents at time 0: their history, their neighbours, and the truth.

    Whole batches are made at once: iterate over ``.batch(indices)``, or give a
    :class:`torch.utils.data.DataLoader` this data set and ``collate_fn=as_is``. An agent's values do not depend on
    which others share its batch, except for the padding of ``neighbours``. Histories and neighbours hold nothing
    that happened after time 0; futures are the raw annotations.

    Args:
        dataroot: the data set's folder; see :func:`forecast.data.cache.open_dataset`.
        version: of nuScenes, e.g. ``v1.0-mini``; None for data sets without versions.
        split: e.g. ``mini_train``; :attr:`~forecast.data.prepared.Dataset.splits` names those that a folder holds.
        horizon: how many key frames back and ahead; its ``step_s`` must be that of the data.
        dense: every agent at every key frame at which it was seen before, instead of the challenge's list.
        types: which agents, where ``dense``; by default those that the data set is about: vehicles in nuScenes.
        ego: the ego vehicle as a target too, where ``dense``.
        neighbour_rule: who counts as a neighbour.
        features: ``causal``, or ``as_published``: rates that read the future (:mod:`forecast.data.central_motion`).
        cache: where prepared data are kept; see :func:`forecast.data.cache.open_dataset`.

    Raises:
        DataError: one line saying what is wrong with the folder, the version or the split.

    Attributes:
        dataset: the prepared folder.
        samples: the targets, in order.
    """

    def __init__(
        self,
        dataroot: str | Path,
        version: str | None,
        split: str,
        *,
        horizon: Horizon = NUSCENES_HORIZON,
        dense: bool = False,
        types: Sequence[AgentType] | None = None,
        ego: bool = False,
        neighbour_rule: NeighbourRule = NeighbourRule(),  # noqa: B008 - frozen
        features: Features = "causal",
        cache: str | Path | None = None,
    ) -> None:
        dataset = open_dataset(dataroot, version, cache)
        samples = dataset.samples(split, dense=dense, types=None if types is None else tuple(types), ego=ego)
        self._set_up(dataset, samples, horizon, neighbour_rule, features)

    @classmethod
    def of(
        cls,
        dataset: TrackSource,
        samples: Samples,
        *,
        horizon: Horizon = NUSCENES_HORIZON,
        neighbour_rule: NeighbourRule = NeighbourRule(),  # noqa: B008 - frozen
        features: Features = "causal",
    ) -> AgentDataset:
        """Make one from an open data set and any choice of samples."""
        made = cls.__new__(cls)
        made._set_up(dataset, samples, horizon, neighbour_rule, features)
        return made

    @classmethod
    def read_by(cls, config: Reads, dataset: TrackSource, samples: Samples) -> AgentDataset:
        """Make one as the network of a configuration reads it."""
        return cls.of(dataset, samples, horizon=config.horizon, features=config.features)

    def _set_up(
        self, dataset: TrackSource, samples: Samples, horizon: Horizon, rule: NeighbourRule, features: Features
    ) -> None:
        check_step(dataset.tracks, horizon, dataset.where, samples.rows)
        self.dataset, self.samples, self.horizon, self.neighbour_rule = dataset, samples, horizon, rule
        self._seen: Observations = dataset if features == "causal" else AsPublished(dataset)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> AgentBatch:
        """A batch of one agent."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} agent-samples")
        return self.batch([index])

    def __getitems__(self, indices: Indices) -> AgentBatch:
        """What torch's loaders call for a whole batch."""
        return self.batch(indices)

    def batch(self, indices: Indices) -> AgentBatch:
        """Make a batch of agent-samples at once.

        Args:
            indices: (batch,) indices into :attr:`samples`.
        """
        rows = self.samples[_whole_numbers(indices)].rows
        return agent_batch(self._seen, rows, self.horizon, self.neighbour_rule)

    def following(self) -> Int64[Tensor, "samples"]:
        """Of each agent-sample, the one of the same agent a key frame later; −1 where there is none."""
        columns, rows = self.dataset.columns, self.samples.rows
        place = np.full(len(columns.row_track) + 1, -1)
        place[rows] = np.arange(len(rows))
        time_us = np.append(columns.tracks.row_time_us, 0)
        late = time_us[rows + 1] - time_us[rows] > _LATE_STEPS * self.horizon.step_s * 1e6
        other = np.append(columns.row_track, -1)[rows + 1] != columns.row_track[rows]
        return torch.from_numpy(np.where(late | other, -1, place[rows + 1]))


#: The name before version 0.2.
NuScenesForecasts = AgentDataset


def _whole_numbers(indices: Indices) -> NDArray[np.int64]:
    given = np.asarray(indices)
    if given.size and given.dtype.kind not in "iu":
        raise TypeError(f"batch: expected indices, whole numbers, got {given.dtype}; of a mask take np.flatnonzero")
    return given.astype(np.int64)


def as_is(batch: AgentBatch) -> AgentBatch:
    """The ``collate_fn`` for torch's loaders: batches come whole."""
    return batch
