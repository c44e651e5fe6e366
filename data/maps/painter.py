"""Chooses what draws a baked map: OpenCV where it is installed, else NumPy; the two differ by a fraction of a grade."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
_LINES = 4
_FOOTPRINT = np.array([0.25, 0.5, 0.25])


class Painter(Protocol):
    """Draws areas on a grid of cells."""

    def excess_m(self, cells_per_m: float) -> float:
        """By how much areas come out too wide on each side, metres: they are shrunk by it before."""

    def coverage(self, points: NDArray[np.float64], ends: NDArray[np.int64], shape: tuple[int, int]) -> Image:
        """Draw disjoint areas.

        Args:
            points: (points, 2) column and row, in cells (pixels) from the image's corner.
            ends: (rings,) where each ring ends in ``points``.
            shape: height and width of the image, cells.

        Returns:
            (height, width) share of each cell that is covered, as 0…255.
        """

    def widened(self, image: Image) -> Image:
        """Coverage of an area twice as wide around each cell; the outermost cells are not to be read."""


class OpenCvPainter:
    """Counts 4 × 4 points a cell."""

    def excess_m(self, cells_per_m: float) -> float:
        """OpenCV fills the border of an outline too."""
        from forecast.data.maps.area_fill import excess_m

        return excess_m(cells_per_m, _LINES)

    def coverage(self, points: NDArray[np.float64], ends: NDArray[np.int64], shape: tuple[int, int]) -> Image:
        """As :class:`Painter` says: (height, width) share of each cell that is covered, 0…255."""
        from forecast.data.maps.area_fill import coverage

        return coverage(points, ends, shape, _LINES)

    def widened(self, image: Image) -> Image:
        """As :class:`Painter` says."""
        import cv2

        wide: Image = cv2.sepFilter2D(image, -1, _FOOTPRINT, _FOOTPRINT)
        return wide


class NumpyPainter:
    """Four scan lines a cell, exact along each."""

    def excess_m(self, cells_per_m: float) -> float:
        """None: coverage is exact."""
        return 0.0

    def coverage(self, points: NDArray[np.float64], ends: NDArray[np.int64], shape: tuple[int, int]) -> Image:
        """As :class:`Painter` says: (height, width) share of each cell that is covered, 0…255."""
        from forecast.data.maps.scanline import coverage

        return coverage(points, ends, shape, _LINES)

    def widened(self, image: Image) -> Image:
        """As :class:`Painter` says."""
        wide = image.astype(np.float32)
        for axis in (0, 1):
            wide = 0.5 * wide + 0.25 * np.roll(wide, 1, axis) + 0.25 * np.roll(wide, -1, axis)
        return np.rint(wide).astype(np.uint8)


def painter() -> Painter:
    """The one at hand."""
    try:
        import cv2  # noqa: F401
    except ModuleNotFoundError:
        return NumpyPainter()
    return OpenCvPainter()
