"""Draws outlines onto images by area: a pixel holds the share of it that is covered."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_FRACTION_BITS = 8
Image = NDArray[np.uint8]


def excess_m(px_per_m: float, samples: int) -> float:
    """By how much drawn areas come out too wide on each side, metres: shrink them by it before they are drawn.

    OpenCV fills the border of an outline too, whichever half of a sample is inside.
    """
    return 0.5 / (px_per_m * samples)


def fill(points_px: NDArray[np.float64], ends: NDArray[np.int64], shape: tuple[int, int]) -> Image:
    """Fill disjoint areas by the even-odd rule: 255 inside, 0 outside.

    Args:
        points_px: (points, 2) column and row on the image, in pixels from its corner: pixel (0, 0) spans 0…1.
        ends: (rings,) where each ring ends in ``points_px``.
        shape: height and width of the image.
    """
    image: Image = np.zeros(shape, np.uint8)
    fill_on(image, points_px, ends, 255)
    return image


def fill_on(
    image: Image, points_px: NDArray[np.float64], ends: NDArray[np.int64], colour: int | tuple[int, int, int]
) -> None:
    """Fill disjoint areas on an image; arguments as in :func:`fill`."""
    if len(ends):
        # OpenCV counts from the centre of the first pixel, in fixed point.
        fixed = np.rint((points_px - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)
        stops = ends.tolist()
        rings = [fixed[begin:end] for begin, end in zip([0, *stops[:-1]], stops, strict=True)]
        cv2.fillPoly(image, rings, colour, cv2.LINE_8, _FRACTION_BITS)


def coverage(points_px: NDArray[np.float64], ends: NDArray[np.int64], shape: tuple[int, int], samples: int) -> Image:
    """Draw disjoint areas with ``samples`` × ``samples`` points per pixel; ``samples`` is a power of two.

    Returns:
        (height, width) share of each pixel that is covered, as 0…255.
    """
    height, width = shape
    if not len(ends):
        return np.zeros(shape, np.uint8)
    fine = fill(points_px * samples, ends, (height * samples, width * samples))
    if samples == 1:
        return fine
    while samples % 2 == 0:  # halving is what OpenCV has fast code for
        samples //= 2
        fine = cv2.resize(fine, (width * samples, height * samples), interpolation=cv2.INTER_AREA)
    averaged: Image = fine
    return averaged
