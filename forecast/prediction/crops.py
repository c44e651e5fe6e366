"""Gives batches of a data set their map crops, on the batch's device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec

if TYPE_CHECKING:
    from forecast.data.cache import Dataset


def crop_adder(dataset: Dataset, spec: CropSpec) -> Callable[[AgentBatch], AgentBatch]:
    """A function that adds crops to a batch.

    Args:
        dataset: whose maps to cut from.
        spec: what a crop looks like.
    """
    from forecast.data.crops import cropper_for

    cropper = cropper_for(dataset, spec)
    return lambda batch: replace(batch, crop=cropper(batch.pose_world, batch.map_index))
