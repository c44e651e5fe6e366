"""Where the pixels of a crop are, and crops whose pixels are read elsewhere: bent, turned, moved."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forecast.core.crops import CropSpec
from forecast.core.shapes import Float, Float64
from forecast.model.query.map_tokens import read_at


def pixel_centres_m(spec: CropSpec) -> Float64[NDArray[np.float64], "height width 2"]:
    """x, y of the middle of each pixel, agent frame, metres."""
    rows, columns = np.mgrid[: spec.height_px, : spec.width_px]
    ahead = (rows + 0.5) / spec.px_per_m - spec.behind_m
    return np.stack([ahead, (columns + 0.5) / spec.px_per_m - spec.right_m], -1)


def resampled(
    crops: Float[Tensor, "rows channels height width"],
    from_m: Float[Tensor, "rows height width 2"],
    spec: CropSpec,
) -> Float[Tensor, "rows channels height width"]:
    """Crops whose pixels show what lay elsewhere, values as in the crops; what comes from outside is 0.

    Args:
        crops: to read.
        from_m: x, y of the place that each pixel shows, agent frame, metres.
        spec: of the crops.
    """
    return read_at(crops, from_m.to(crops), spec).permute(0, 3, 1, 2)


def centres(spec: CropSpec) -> Float[Tensor, "height width 2"]:
    """:func:`pixel_centres_m` as a tensor, float64."""
    return torch.from_numpy(pixel_centres_m(spec))
