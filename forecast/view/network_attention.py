"""Asks a network where its forecasts of a data set look."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import ConfigError
from forecast.view.attention_shares import AttentionShares, weighted_attention

if TYPE_CHECKING:
    from forecast.data.cache import Dataset
    from forecast.prediction.predictor import BatchPredictor

#: Where the forecasts of some observations of a data set look, one row each.
AttentionAnswers = Callable[[NDArray[np.int64]], AttentionShares]


def attention_answers(model: BatchPredictor | None, dataset: Dataset) -> AttentionAnswers | None:
    """A function that says where the forecasts of observations look; None of models that cannot say.

    Args:
        model: whose forecasts; None of files.
        dataset: of the observations.
    """
    import torch

    from forecast.data.dataset import AgentDataset
    from forecast.data.map_crops import crop_adder
    from forecast.data.samples import Samples
    from forecast.prediction.predictor import Predictor

    if not isinstance(model, Predictor) or not model.model.tells_attention:
        return None
    network, config, device = model.model, model.config, model.device
    add_crops = None if config.map_crop is None else crop_adder(dataset, config.map_crop)

    @torch.inference_mode()
    def of(rows: NDArray[np.int64]) -> AttentionShares:
        batch = AgentDataset.read_by(config, dataset, Samples(rows)).batch(range(len(rows))).to(device)
        batch = batch if add_crops is None else add_crops(batch)
        attention = network.attention(batch)
        if attention is None:
            raise ConfigError(f"a network '{config.network}' does not say where its modes look")
        return weighted_attention(attention, network.mixture(batch).probabilities, config.crop)

    return of
