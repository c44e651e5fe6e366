"""Crops of a data set's own maps, and batches that are given them on their device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from forecast.core.batch import AgentBatch
from forecast.data.maps.crop import Cropper
from forecast.data.maps.expansion_map import load_map

if TYPE_CHECKING:
    from forecast.core.crops import CropSpec
    from forecast.data.cache import Dataset


def cropper_for(dataset: Dataset, spec: CropSpec) -> Cropper:
    """A cropper of the maps that a data set's scenes lie on; baked maps are kept beside the data set's cache.

    Args:
        dataset: as :func:`~forecast.data.cache.open_dataset` gives it.
        spec: what a crop looks like.
    """
    return Cropper(
        lambda name: load_map(dataset.map_expansion_path(name)),
        dataset.map_names,
        spec,
        cache=dataset.folder.parent,
    )


def crop_adder(dataset: Dataset, spec: CropSpec) -> Callable[[AgentBatch], AgentBatch]:
    """A function that adds crops to a batch.

    Args:
        dataset: whose maps to cut from.
        spec: what a crop looks like.
    """
    cropper = cropper_for(dataset, spec)
    return lambda batch: replace(batch, crop=cropper(batch.pose_world, batch.map_index))
