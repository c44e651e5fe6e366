"""Bakes a map once: coverage by channel, packed into a byte a cell, in tiles; empty tiles are not stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.core.progress import progress
from forecast.data.maps.layers import DIRECTION, directed_channels, drawn_from, line_width_m
from forecast.data.maps.painter import Painter, painter
from forecast.data.maps.pieces import TiledAreas, areas

if TYPE_CHECKING:
    from forecast.data.maps.direction import BlockDirections

#: Side of a stored tile in cells; a power of two, so that a cell's address is shifts and additions.
TILE_BITS = 6
TILE_CELLS = 1 << TILE_BITS
#: Side of a block that is drawn at once, in tiles.
_BLOCK_TILES = 8
#: Finer than this, a map is not baked: the published outlines are no better.
_FINEST_CELLS_PER_M = 10.0
#: A map that reaches further, or covers more ground, is no map of a drive in metres: it would take gigabytes.
_WIDEST_M, _LARGEST_M2 = 100_000.0, 400e6
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


def planes(channels: Sequence[Sequence[str]]) -> list[range]:
    """Which channels share a byte: up to three of coverage; the direction of traffic takes a byte a component."""
    directed = directed_channels(channels)
    alone = range(len(channels))[directed] if directed else range(0)
    shared: list[range] = []
    for number in range(len(channels)):
        last = shared[-1] if shared else range(0)
        if not last or number in alone or last[0] in alone or len(last) == CHANNELS_PER_BYTE:
            shared.append(range(number, number + 1))
        else:
            shared[-1] = range(last.start, number + 1)
    return shared


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


def unpacking(channels: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
    """Tables from packed byte to value by plane, (channels, 256): share covered 0…1, components of directions −1…1."""
    directed = directed_channels(channels)
    signed = range(len(channels))[directed] if directed else range(0)
    return [_signed_table() if plane[0] in signed else _coverage_table(len(plane)) for plane in planes(channels)]


def _signed_table() -> NDArray[np.float32]:
    table: NDArray[np.float32] = (np.arange(256).astype(np.uint8).view(np.int8)[None] / np.float32(127)).astype(
        np.float32
    )
    return table


def _coverage_table(channels: int) -> NDArray[np.float32]:
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

    Raises:
        DataError: the map reaches too far, or covers too much, to be one in metres.
    """
    _check_extent(source, channels)
    block_cells = _BLOCK_TILES * TILE_CELLS
    paint, traffic = painter(), _traffic(source, channels)
    tiled = []
    for layers in channels:
        grow_m = border_m - paint.excess_m(cells_per_m)
        shapes = areas(source, layers, line_m=line_m, grow_m=grow_m)
        tiled.append(TiledAreas.cut(shapes, block_cells / cells_per_m, margin_m=2 / cells_per_m))
    blocks = set().union(*(channel.tiles for channel in tiled))
    if traffic is not None:
        blocks |= traffic.segments.squares(block_cells / cells_per_m, margin_m=line_width_m(DIRECTION[0][0]))
    if len(blocks) * (block_cells / cells_per_m) ** 2 > _LARGEST_M2:
        raise _too_large(source, channels)
    shared = planes(channels)
    if not blocks:
        empty = np.zeros((len(shared), 1, TILE_CELLS, TILE_CELLS), np.uint8)
        return BakedMap(cells_per_m, (0, 0), np.zeros((1, 1), np.int32), empty)
    low, high = np.min(list(blocks), axis=0), np.max(list(blocks), axis=0) + 1
    pages = np.zeros((high - low)[::-1] * _BLOCK_TILES, np.int32)
    tiles = [np.zeros((1, len(shared), TILE_CELLS, TILE_CELLS), np.uint8)]
    count = 1
    for block in progress(sorted(blocks), f"baking {source.name}"):
        images = _draw_block(tiled, block, cells_per_m, footprint_cells, paint)
        if traffic is not None:
            first = (block[0] * block_cells, block[1] * block_cells)
            images[traffic.channels] = traffic.draw(first, block_cells, cells_per_m, footprint_cells)
        drawn = _cut(np.stack([pack(images[plane.start : plane.stop]) for plane in shared]))
        kept = drawn.any(axis=(1, 2, 3))
        numbers = np.where(kept, count - 1 + np.cumsum(kept), 0)
        column, row = (np.array(block) - low) * _BLOCK_TILES
        pages[row : row + _BLOCK_TILES, column : column + _BLOCK_TILES] = numbers.reshape(_BLOCK_TILES, -1)
        tiles.append(drawn[kept])
        count += int(kept.sum())
    x, y = (low * block_cells).tolist()
    return BakedMap(cells_per_m, (x, y), pages, np.ascontiguousarray(np.concatenate(tiles).transpose(1, 0, 2, 3)))


def _drawn(source: MapSource, layers: Sequence[str]) -> NDArray[np.object_]:
    """All geometry that is drawn of some layers, as it is held."""
    read = [drawn_from(layer) for layer in layers]
    held = [layer for layer in dict.fromkeys(read) if layer in source.layers]
    return np.array([geometry for layer in held for geometry in source.geometries(layer)], dtype=object)


def _check_extent(source: MapSource, channels: Sequence[Sequence[str]]) -> None:
    """Refuse what could not be cut into tiles in any good time."""
    for layers in channels:
        shapes = _drawn(source, layers)
        # Layers of one channel may cover the same ground several times.
        if len(shapes) and shapely.area(shapes).sum() > max(len(layers), 4) * _LARGEST_M2:
            raise _too_large(source, channels)
    if (_span_m(source, channels) > _WIDEST_M).any():
        raise _too_large(source, channels)


def _span_m(source: MapSource, channels: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    shapes = _drawn(source, [layer for layers in channels for layer in layers])
    bounds: NDArray[np.float64] = shapely.total_bounds(shapes) if len(shapes) else np.zeros(4)
    return np.nan_to_num(bounds[2:] - bounds[:2])  # NaN where all is empty


def _too_large(source: MapSource, channels: Sequence[Sequence[str]]) -> DataError:
    width_km, height_km = (_span_m(source, channels) / 1000).tolist()
    return DataError(
        f"map {source.name}: spans {width_km:,.1f} × {height_km:,.1f} km, more than can be baked (at most "
        f"{_WIDEST_M / 1000:.0f} km across, {_LARGEST_M2 / 1e6:.0f} km² of ground): expected metres; cut the map to "
        "where you drive"
    )


def _draw_block(
    tiled: Sequence[TiledAreas], block: tuple[int, int], cells_per_m: float, footprint_cells: int, paint: Painter
) -> Bytes:
    """Draw the coverage of one block: (channels, cells, cells) as 0…255."""
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
    return images


def _cut(packed: Bytes) -> Bytes:
    """Cut a block (planes, cells, cells) into tiles: (tiles, planes, TILE_CELLS, TILE_CELLS)."""
    cut = packed.reshape(-1, _BLOCK_TILES, TILE_CELLS, _BLOCK_TILES, TILE_CELLS).transpose(1, 3, 0, 2, 4)
    return cut.reshape(-1, len(packed), TILE_CELLS, TILE_CELLS)


def _traffic(source: MapSource, channels: Sequence[Sequence[str]]) -> BlockDirections | None:
    pair = directed_channels(channels)
    if pair is None:
        return None
    try:
        import cv2  # noqa: F401
    except ModuleNotFoundError as missing:  # a driving stack may do without it
        raise DataError(
            "a direction of traffic is drawn with OpenCV: pip install opencv-python-headless, or bake the map elsewhere"
        ) from missing
    from forecast.data.maps.direction import BlockDirections

    return BlockDirections(source, pair)
