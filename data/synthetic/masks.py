"""The semantic-prior mask of a map: white where one may drive or walk, 10 pixels a metre, north up."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from shapely.geometry import Polygon

PX_PER_M = 10
#: Larger maps (junction worlds of thousands of plots) would need gigabytes; theirs is a single black pixel.
LARGEST_M = 4000.0


def write_mask(path: Path, shapes: Iterable[Polygon], extent_m: float) -> None:
    """Draw polygons with holes into a one-channel PNG of 0 and 255."""
    side = round(extent_m * PX_PER_M)
    image = np.zeros((side, side) if extent_m <= LARGEST_M else (1, 1), np.uint8)
    for shape in shapes if extent_m <= LARGEST_M else ():
        rings = [np.asarray(ring.coords) * PX_PER_M for ring in (shape.exterior, *shape.interiors)]
        # fillPoly fills by the even-odd rule, so that the rings of one polygon leave its holes free;
        # it adds to what other polygons drew.
        cv2.fillPoly(image, [np.stack([r[:, 0], side - r[:, 1]], 1).astype(np.int32) for r in rings], (255,))
    done, png = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_BILEVEL, 1])
    if not done:
        raise OSError(f"{path}: the mask could not be written")
    path.write_bytes(png.tobytes())  # not imwrite, which breaks down over names that the locale lacks
