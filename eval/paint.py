"""Draws any window of a map's polygons, pixel for pixel as the whole map would be drawn at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from forecast.eval.results import Bools, Integers

#: How far a canvas may reach beyond its window, to hold the edges that cross the window in full.
CANVAS_REACH_PX = 4096

Pixels = NDArray[np.int32]
_NONE: Pixels = np.zeros((0, 4), dtype=np.int32)


class RasterPainter:
    """Polygons as rings of pixels; each is filled, then its holes are cleared, polygon after polygon.

    Vertices are rounded to pixels and outlines belong to the area, as the devkit has it.
    """

    def __init__(self, rings: Sequence[Pixels], polygon: Integers, is_hole: Bools) -> None:
        """Take closed rings (vertices, 2), each with the number of its polygon, in the order of drawing."""
        self._rings, self._polygon, self._is_hole = rings, polygon, is_hole
        self._low = np.array([ring.min(0) for ring in rings], dtype=np.int32).reshape(-1, 2)
        self._high = np.array([ring.max(0) for ring in rings], dtype=np.int32).reshape(-1, 2)

    @classmethod
    def of(cls, polygons: Sequence[Any], px_per_m: int) -> RasterPainter:
        """Take polygons (shapely, world frame, metres); parts of multi-polygons count as polygons."""
        parts = [part for geometry in polygons for part in getattr(geometry, "geoms", [geometry])]
        shapes = [(part.exterior, *part.interiors) for part in parts if not part.is_empty]
        return cls(
            [_pixels(ring, px_per_m) for shape in shapes for ring in shape],
            np.array([number for number, shape in enumerate(shapes) for _ in shape], dtype=np.int64),
            np.array([place > 0 for shape in shapes for place in range(len(shape))], dtype=bool),
        )

    def within(self, window_px: Pixels) -> RasterPainter:
        """A painter that draws the same in this window, and in all windows inside it, with far fewer vertices."""
        near = np.flatnonzero(((self._low < window_px[2:]) & (self._high >= window_px[:2])).all(-1))
        rings = [_thinned(self._rings[number], window_px) for number in near.tolist()]
        return RasterPainter(rings, self._polygon[near], self._is_hole[near])

    def draw(self, window_px: Pixels) -> NDArray[np.uint8]:
        """(height, width) 1 where drivable in a window: left, top, right, bottom in pixels, the last two exclusive."""
        near = self.within(window_px)
        edges = near.edges_px(window_px)
        if not len(edges):  # all or nothing: one pixel tells
            size = window_px[2:] - window_px[:2]
            one = near.on_canvas(np.concatenate([window_px[:2], window_px[:2] + 1]))
            return np.full((size[1], size[0]), one[0, 0])
        canvas_px = _canvas(edges, window_px)
        (left, top), (right, bottom) = window_px[:2] - canvas_px[:2], window_px[2:] - canvas_px[:2]
        return near.on_canvas(canvas_px)[top:bottom, left:right]

    def edges_px(self, window_px: Pixels) -> Pixels:
        """(edges, 4) low x, low y, high x, high y of the edges that may come into a window."""
        low = [np.minimum(ring[1:], ring[:-1]) for ring in self._rings]
        high = [np.maximum(ring[1:], ring[:-1]) for ring in self._rings]
        edges: Pixels = np.concatenate([np.concatenate([*pair], -1) for pair in zip(low, high, strict=True)] or [_NONE])
        touching = (edges[:, :2] <= window_px[2:]).all(-1) & (edges[:, 2:] >= window_px[:2]).all(-1)
        found: Pixels = edges[touching]
        return found

    def on_canvas(self, canvas_px: Pixels) -> NDArray[np.uint8]:
        """Draw all rings on one canvas: left, top, right, bottom."""
        origin = canvas_px[:2]
        canvas = np.zeros((canvas_px[3] - origin[1], canvas_px[2] - origin[0]), dtype=np.uint8)
        for polygon in np.unique(self._polygon).tolist():
            for fill, wanted in ((1, ~self._is_hole), (0, self._is_hole)):
                chosen = np.flatnonzero(wanted & (self._polygon == polygon)).tolist()
                if chosen:
                    cv2.fillPoly(canvas, [self._rings[number] - origin for number in chosen], fill)
        return canvas


def _pixels(ring: Any, px_per_m: int) -> Pixels:
    points: Pixels = (np.asarray(ring.coords)[:, :2] * px_per_m).round().astype(np.int32)
    return points


def _thinned(ring: Pixels, window_px: Pixels) -> Pixels:
    """The ring without the corners that only lead about beyond one side of the window.

    A run of vertices beyond the same side is replaced by its two ends: the edge between them lies beyond that side
    too, so that no pixel of the window changes.
    """
    x, y = ring.T
    left, top, right, bottom = window_px.tolist()
    across = np.where(x < left, 3, np.where(x >= right, 4, 0))
    side = np.where(y < top, 1, np.where(y >= bottom, 2, across))
    kept = np.ones(len(ring), dtype=bool)
    kept[1:-1] = (side[1:-1] == 0) | (side[1:-1] != side[:-2]) | (side[1:-1] != side[2:])
    thinned: Pixels = ring[kept]
    return thinned


def _canvas(edges_px: Pixels, window_px: Pixels) -> Pixels:
    """Left, top, right, bottom of a canvas that clips no edge which comes near the window.

    OpenCV clips lines at the canvas and then draws what is left, which may shift its pixels by one.
    """
    first = np.minimum(edges_px[:, :2].min(0), window_px[:2])
    last = np.maximum(edges_px[:, 2:].max(0) + 1, window_px[2:])
    return np.concatenate(
        [
            np.maximum(first, window_px[:2] - CANVAS_REACH_PX),
            np.minimum(last, window_px[2:] + CANVAS_REACH_PX),
        ]
    )
