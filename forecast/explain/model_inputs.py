"""Agent-samples of a data set as a model reads them, with crops."""

from __future__ import annotations

import numpy as np

from forecast.core.batch import AgentBatch
from forecast.data.dataset import AgentDataset
from forecast.data.map_crops import crop_adder
from forecast.data.samples import Samples
from forecast.data.track_source import TrackSource
from forecast.model.network_config import NetworkConfig


def inputs_of(config: NetworkConfig, dataset: TrackSource, samples: Samples) -> AgentBatch:
    """All of them as one batch; crops are made where the model reads no map, too, to show that it does not.

    Args:
        config: horizon, features and crop.
        dataset: open.
        samples: which.

    Raises:
        DataError: the data cannot be read so.
    """
    source = AgentDataset.read_by(config, dataset, samples)
    return crop_adder(dataset, config.crop)(source.batch(np.arange(len(source))))
