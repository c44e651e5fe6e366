"""Crops of a data set's own maps, and batches that are given them on their device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.data.maps.crop import Cropper
from forecast.data.track_source import TrackSource


def cropper_for(dataset: TrackSource, spec: CropSpec) -> Cropper:
    """A cropper of the maps that a data set's scenes lie on; baked maps are kept beside the data set's cache.

    Args:
        dataset: as :func:`~forecast.data.cache.open_dataset` gives it.
        spec: what a crop looks like.
    """
    return Cropper(dataset.load_map, dataset.map_names, spec, cache=dataset.cache)


def crop_adder(dataset: TrackSource, spec: CropSpec) -> Callable[[AgentBatch], AgentBatch]:
    """A function that adds crops to a batch.

    Args:
        dataset: whose maps to cut from.
        spec: what a crop looks like.
    """
    cropper = cropper_for(dataset, spec)
    return lambda batch: replace(batch, crop=cropper(batch.pose_world, batch.map_index))
