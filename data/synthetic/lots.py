"""Off-street car parks: two rows of bays and an aisle, inside a block, with a drive to the road."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

Floats = NDArray[np.float64]

_FROM_KERB_M = 6.0
_BAY_M, _BAY_DEPTH_M, _AISLE_M, _DRIVE_M = 2.7, 5.2, 6.4, 6.0
_BAYS = (6, 18)
_PER_BLOCK = 2


@dataclass(frozen=True)
class Lot:
    """A car park: its outline with the drive, and (x, y, heading) of every bay."""

    outline: Polygon
    bays: tuple[Floats, ...]


def draw_lots(drivable: Polygon, rng: np.random.Generator) -> list[Lot]:
    """Put up to two car parks into each block that has room; they touch the road with their drives alone.

    Args:
        drivable: roads and junctions; its holes are the blocks.
    """
    lots = []
    for ring in drivable.interiors:
        block = Polygon(ring)
        free = block.buffer(-_FROM_KERB_M)
        for _ in range(int(rng.integers(_PER_BLOCK + 1))):
            lot = _draw(block, free, rng)
            if lot is not None:
                lots.append(lot)
                free = free.difference(lot.outline.buffer(2.0))
    return lots


def _draw(block: Polygon, free: Polygon, rng: np.random.Generator) -> Lot | None:
    """Try a few places beside the block's kerb, parallel to it."""
    kerb = block.exterior
    for _ in range(8):
        s, count = rng.uniform(0, kerb.length), int(rng.integers(*_BAYS))
        here, there = (np.array(kerb.interpolate((s + d) % kerb.length).coords[0]) for d in (0.0, 4.0))
        along = (there - here) / np.hypot(*(there - here))
        inwards = np.array([-along[1], along[0]]) * (1.0 if kerb.is_ccw else -1.0)
        depth = 2 * _BAY_DEPTH_M + _AISLE_M
        corner = here + inwards * (_FROM_KERB_M + 0.5) - along * count * _BAY_M / 2
        sides = along * count * _BAY_M, inwards * depth
        lot = Polygon([corner, corner + sides[0], corner + sides[0] + sides[1], corner + sides[1]])
        if not shapely.contains(free, lot):
            continue
        drive = _drive(here, along, inwards)
        if not drive.difference(lot).within(block.buffer(0.3)):
            continue
        return Lot(shapely.union_all([lot, drive]), _bays(corner, along, inwards, count))
    return None


def _drive(kerb_m: Floats, along: Floats, inwards: Floats) -> Polygon:
    """From the road to the aisle."""
    far = _FROM_KERB_M + _BAY_DEPTH_M + 1.0
    ends = [kerb_m + 0.2 * inwards + s * along * _DRIVE_M / 2 for s in (-1, 1)]
    return Polygon([ends[0], ends[1], ends[1] + far * inwards, ends[0] + far * inwards])


def _bays(corner_m: Floats, along: Floats, inwards: Floats, count: int) -> tuple[Floats, ...]:
    """Bays of both rows; the drive takes those in its way."""
    heading = float(np.arctan2(inwards[1], inwards[0]))
    depth = 2 * _BAY_DEPTH_M + _AISLE_M
    bays = []
    for row, across in ((0, _BAY_DEPTH_M / 2), (1, depth - _BAY_DEPTH_M / 2)):
        for i in range(count):
            place = (i + 0.5) * _BAY_M
            if row == 0 and abs(place - count * _BAY_M / 2) < (_DRIVE_M + _BAY_M) / 2:
                continue
            bays.append(np.array([*(corner_m + along * place + inwards * across), heading + np.pi * row]))
    return tuple(bays)
