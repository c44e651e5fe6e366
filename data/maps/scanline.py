"""Draws areas by the exact share of each cell's width that they cover, with NumPy alone.

Along a scan line, coverage is what lies between crossings with the outlines, by the even-odd rule. A crossing at ``x``
adds, to the cell it lies in, the part to its right, and 1 to all cells further on: two entries of an array of
differences, summed up along the line at the end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def coverage(points_px: Points, ends: NDArray[np.int64], shape: tuple[int, int], lines: int) -> NDArray[np.uint8]:
    """Draw disjoint areas by the even-odd rule: exact along the rows, by scan lines across them.

    Args:
        points_px: (points, 2) column and row on the image, in pixels from its corner: pixel (0, 0) spans 0…1.
        ends: (rings,) where each ring ends in ``points_px``; its last point is joined to its first.
        shape: height and width of the image.
        lines: scan lines a row.

    Returns:
        (height, width) share of each pixel that is covered, as 0…255.
    """
    height, width = shape
    line, column = _crossings(points_px, ends, height * lines, lines)
    order = np.lexsort((column, line))
    line, column = line[order], column[order]
    # Every line has an even number of crossings: outlines are closed. Odd ones enter an area, even ones leave it.
    sign = 1.0 - 2.0 * (np.arange(len(line)) % 2)
    column = np.clip(column, 0.0, width)
    cell = np.minimum(column.astype(np.int64), width - 1)
    right = cell + 1 - column
    at = (line // lines) * (width + 1) + cell
    size = height * (width + 1)
    steps = np.bincount(at, sign * right, size) + np.bincount(at + 1, sign * (1 - right), size + 1)[:size]
    covered = steps.reshape(height, width + 1).cumsum(1)[:, :width]
    return np.rint(np.clip(covered * (255 / lines), 0, 255)).astype(np.uint8)


def _crossings(
    points_px: Points, ends: NDArray[np.int64], count: int, lines: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where outlines cross scan lines: (crossings,) line and column, in no order. Line k is at row (k + ½) / lines."""
    first = np.concatenate([[0], ends[:-1]])
    following = np.arange(1, len(points_px) + 1)
    following[ends - 1] = first
    x0, y0 = points_px[:, 0], points_px[:, 1] * lines - 0.5
    x1, y1 = x0[following], y0[following]
    # An edge meets the lines from its lower end, included, to its upper end, left out: no corner counts twice.
    begin = np.clip(np.ceil(np.minimum(y0, y1)), 0, count).astype(np.int64)
    end = np.clip(np.ceil(np.maximum(y0, y1)), 0, count).astype(np.int64)
    times = end - begin
    edge = np.repeat(np.arange(len(times)), times)
    line = np.arange(len(edge)) - np.repeat(np.cumsum(times) - times, times) + begin[edge]
    slope = (x1 - x0)[edge] / (y1 - y0)[edge]
    return line, x0[edge] + (line - y0[edge]) * slope
