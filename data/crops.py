"""The crops of a data set's own maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.data.maps.crop import Cropper
from forecast.data.maps.layers import load_map

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
