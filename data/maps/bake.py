"""Bakes a map once: coverage by channel, packed into a byte a cell, in tiles; empty tiles are not stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.core.maps import MapSource
from forecast.core.progress import progress
from forecast.data.maps.painter import Painter, painter
from forecast.data.maps.pieces import TiledAreas, areas

#: Side of a stored tile in cells; a power of two, so that a cell's address is shifts and additions.
TILE_BITS = 6
TILE_CELLS = 1 << TILE_BITS
#: Side of a block that is drawn at once, in tiles.
_BLOCK_TILES = 8
#: Finer than this, a map is not baked: the published outlines are no better.
_FINEST_CELLS_PER_M = 10.0
#: Channels that share one byte, and how many grades of coverage each then has: 6 · 6 · 6 ≤ 256.
CHANNELS_PER_BYTE = 3
GRADES = {1: 256, 2: 16, 3: 6}

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class BakedMap:
    """A map as tiles of bytes.

    Attributes:
        cells_per_m: resolution.
        origin_cells: column and row, on the grid through the world's origin, of the first cell of the page table;
            multiples of the tile's side.
        pages: (tile rows, tile columns) int32 index into ``tiles``; 0 is the empty tile.
        tiles: (planes, tiles, TILE_CELLS, TILE_CELLS); up to three channels a plane, see :func:`pack`.
    """

    cells_per_m: float
    origin_cells: tuple[int, int]
    pages: NDArray[np.int32]
    tiles: Bytes


def planes(channels: int) -> list[range]:
    """Which channels share a byte."""
    return [range(first, min(first + CHANNELS_PER_BYTE, channels)) for first in range(0, channels, CHANNELS_PER_BYTE)]


def pack(images: Bytes) -> Bytes:
    """Pack the coverage (0…255) of up to three channels into one byte: the digits of a number to base ``GRADES``.

    Args:
        images: (channels, height, width).
    """
    grades = GRADES[len(images)]
    digits = np.rint(images.astype(np.float32) * ((grades - 1) / 255)).astype(np.uint8)
    weights = (grades ** np.arange(len(images))).astype(np.uint8)
    packed: Bytes = np.einsum("chw,c->hw", digits, weights)
    return packed


def unpacking(channels: int) -> NDArray[np.float32]:
    """Tables from packed byte to coverage 0…1: (channels, 256), for the channels of one plane."""
    grades = GRADES[channels]
    digits = np.arange(256)[None] // grades ** np.arange(channels)[:, None] % grades
    table: NDArray[np.float32] = (digits / (grades - 1)).astype(np.float32)
    return table


def resolution(spec: CropSpec) -> tuple[float, int]:
    """Cells per metre to bake at, and how many cells a pixel of the crop is wide.

    Two cells a pixel: the nearest cell is then a quarter of a pixel away at most on either axis. From 0.2 m per
    pixel downwards one cell a pixel.
    """
    cells = 2 if 2 * spec.px_per_m <= _FINEST_CELLS_PER_M else 1
    return spec.px_per_m * cells, cells


def bake_for(source: MapSource, spec: CropSpec) -> BakedMap:
    """Bake a map for crops of some channels and resolution; their extent does not matter."""
    return bake(source, spec.channels, *resolution(spec))


def bake(
    source: MapSource,
    channels: Sequence[Sequence[str]],
    cells_per_m: float,
    footprint_cells: int,
    border_m: float = 0.0,
    line_m: float | None = None,
) -> BakedMap:
    """Bake a map.

    Args:
        source: the map.
        channels: layers of each channel; their union is baked.
        cells_per_m: resolution.
        footprint_cells: 1: a cell holds its own coverage; 2: that of an area twice as wide around it, which is what
            the pixel of a crop at half the resolution covers, whatever its rotation.
        line_m: width of all lines, metres, in place of each layer's own.
        border_m: width of a border that is drawn around areas, as the devkit does.
    """
    block_cells = _BLOCK_TILES * TILE_CELLS
    paint = painter()
    tiled = []
    for layers in channels:
        grow_m = border_m - paint.excess_m(cells_per_m)
        shapes = areas(source, layers, line_m=line_m, grow_m=grow_m)
        tiled.append(TiledAreas.cut(shapes, block_cells / cells_per_m, margin_m=2 / cells_per_m))
    blocks = sorted(set().union(*(channel.tiles for channel in tiled)))
    if not blocks:
        empty = np.zeros((len(planes(len(channels))), 1, TILE_CELLS, TILE_CELLS), np.uint8)
        return BakedMap(cells_per_m, (0, 0), np.zeros((1, 1), np.int32), empty)
    low, high = np.min(blocks, axis=0), np.max(blocks, axis=0) + 1
    pages = np.zeros((high - low)[::-1] * _BLOCK_TILES, np.int32)
    tiles = [np.zeros((1, len(planes(len(channels))), TILE_CELLS, TILE_CELLS), np.uint8)]
    count = 1
    for block in progress(blocks, f"baking {source.name}"):
        drawn = _draw_block(tiled, block, cells_per_m, footprint_cells, paint)
        kept = drawn.any(axis=(1, 2, 3))
        numbers = np.where(kept, count - 1 + np.cumsum(kept), 0)
        column, row = (np.array(block) - low) * _BLOCK_TILES
        pages[row : row + _BLOCK_TILES, column : column + _BLOCK_TILES] = numbers.reshape(_BLOCK_TILES, -1)
        tiles.append(drawn[kept])
        count += int(kept.sum())
    x, y = (low * block_cells).tolist()
    return BakedMap(cells_per_m, (x, y), pages, np.ascontiguousarray(np.concatenate(tiles).transpose(1, 0, 2, 3)))


def _draw_block(
    tiled: Sequence[TiledAreas], block: tuple[int, int], cells_per_m: float, footprint_cells: int, paint: Painter
) -> Bytes:
    """Draw one block and cut it into tiles: (tiles, planes, TILE_CELLS, TILE_CELLS)."""
    cells, halo = _BLOCK_TILES * TILE_CELLS, 1
    images = np.zeros((len(tiled), cells, cells), np.uint8)
    for image, channel in zip(images, tiled, strict=True):
        if block not in channel.tiles:
            continue
        pieces = channel.tiles[block]
        points = pieces.points * cells_per_m + (halo - np.array(block, np.float64) * cells)
        drawn = paint.coverage(points, pieces.ends, (cells + 2 * halo, cells + 2 * halo))
        if footprint_cells == 2:
            drawn = paint.widened(drawn)
        image[:] = drawn[halo:-halo, halo:-halo]
    packed = np.stack([pack(images[plane.start : plane.stop]) for plane in planes(len(tiled))])
    cut = packed.reshape(-1, _BLOCK_TILES, TILE_CELLS, _BLOCK_TILES, TILE_CELLS).transpose(1, 3, 0, 2, 4)
    return cut.reshape(-1, len(packed), TILE_CELLS, TILE_CELLS)
