"""Draws outlines onto images by area: a pixel holds the share of it that is covered."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

#: OpenCV counts in fixed point: this many steps a pixel.
FRACTION_BITS = 8
FIXED_PER_PX = 1 << FRACTION_BITS
#: From an image's 0…255 to a share.
PER_GRADE = np.float32(1 / 255)
Image = NDArray[np.uint8]


def excess_m(px_per_m: float, samples: int) -> float:
    """By how much drawn areas come out too wide on each side, metres: shrink them by it before they are drawn.

    OpenCV fills the border of an outline too, whichever half of a sample is inside.
    """
    return 0.5 / (px_per_m * samples)


def to_fixed(points_px: NDArray[np.float64]) -> NDArray[np.int32]:
    """Turn (points, 2) column and row, in pixels from the image's corner, into what :func:`fill` takes."""
    # OpenCV counts from the centre of the first pixel, in fixed point.
    fixed: NDArray[np.int32] = np.rint((points_px - 0.5) * FIXED_PER_PX).astype(np.int32)
    return fixed


def fill(image: Image, rings: Sequence[NDArray[np.int32]], colour: int | tuple[int, int, int] = 255) -> None:
    """Fill disjoint areas on an image by the even-odd rule.

    Args:
        image: (height, width) or (height, width, 3), drawn on.
        rings: (points, 2) each, outer rings and holes alike, see :func:`to_fixed`.
        colour: what the areas are filled with.
    """
    if rings:
        cv2.fillPoly(image, rings, colour, cv2.LINE_8, FRACTION_BITS)


def averaged(fine: Image, samples: int) -> Image:
    """Shrink an image to one pixel for every ``samples`` × ``samples``; ``samples`` is a power of two."""
    height, width = fine.shape
    while samples % 2 == 0:  # halving is what OpenCV has fast code for
        samples, height, width = samples // 2, height // 2, width // 2
        fine = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return fine


def coverage(points_px: NDArray[np.float64], ends: NDArray[np.int64], shape: tuple[int, int], samples: int) -> Image:
    """Draw disjoint areas with ``samples`` × ``samples`` points per pixel; ``samples`` is a power of two.

    Args:
        points_px: (points, 2) column and row on the image, in pixels from its corner: pixel (0, 0) spans 0…1.
        ends: (rings,) where each ring ends in ``points_px``.
        shape: height and width of the image.
        samples: points per pixel along each axis.

    Returns:
        (height, width) share of each pixel that is covered, as 0…255.
    """
    height, width = shape
    fine: Image = np.zeros((height * samples, width * samples), np.uint8)
    fixed, stops = to_fixed(points_px * samples), ends.tolist()
    fill(fine, [fixed[begin:end] for begin, end in zip([0, *stops], stops, strict=False)])
    return averaged(fine, samples)
