"""Takes crops out of a baked map: one gather for a batch, on whatever device the map is on.

On a CPU this serves crops whose cells are interpolated; for the others :mod:`forecast.data.maps.patches` is faster.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.core.frames import rotate
from forecast.data.maps.bake import TILE_BITS, TILE_CELLS, BakedMap, unpacking
from forecast.data.maps.layers import directed_channels

#: Pixels handled at once, on a CPU so that intermediate results stay in its cache.
_CPU_CHUNK_PX = 160_000
_GPU_CHUNK_PX = 1 << 26
#: Stands for a pose that is not finite: off every map.
_NOWHERE_M = -1e12


class Sampler:
    """One baked map, ready to be sampled on one device."""

    def __init__(
        self, baked: BakedMap, spec: CropSpec, device: torch.device, *, devkit_compatible: bool = False
    ) -> None:
        """Put a map on a device; on a CPU its tiles stay memory-mapped.

        Args:
            baked: the map.
            spec: extent and resolution of the crops, and the channels that were baked.
            device: where poses and crops are.
            devkit_compatible: sample where the devkit has its pixels.
        """
        self._spec, self._device, self._cells_per_m = spec, device, baked.cells_per_m
        self._nearest = takes_nearest(baked, spec)
        rows_m, columns_m = pixel_centres(spec, devkit_compatible)
        pixels_m = float(rows_m[-1] - rows_m[0]), float(columns_m[-1] - columns_m[0])
        self._span_cells = (math.hypot(*pixels_m) + 2 / spec.px_per_m) * baked.cells_per_m
        # A border of empty pages as wide as a crop: positions are clamped into it, pixels never need to be.
        border = math.ceil(self._span_cells / TILE_CELLS) + 1
        pages = np.pad(baked.pages.astype(np.int64), border)
        rows, columns = np.indices(pages.shape)
        # A page's entry is where its tile would begin if the whole map were one tile: add row and column, and arrive.
        begins = (pages << 2 * TILE_BITS) - (rows << 2 * TILE_BITS) - (columns << TILE_BITS)
        index = torch.int32 if pages.max() < 1 << 31 - 2 * TILE_BITS else torch.int64
        self._begins = torch.from_numpy(begins).to(device, index).flatten()
        self._page_columns = pages.shape[1]
        self._size_cells = torch.tensor(pages.shape[::-1], device=device, dtype=torch.float64) * TILE_CELLS
        first = np.array(baked.origin_cells) - border * TILE_CELLS
        self._first_cell = torch.tensor(first, device=device, dtype=torch.float64)
        self._planes = [_mapped(plane).to(device) for plane in baked.tiles.reshape(len(baked.tiles), -1)]
        self._tables = [torch.from_numpy(tables).to(device).unbind(0) for tables in unpacking(spec.channels)]
        self._directed = directed_channels(spec.channels)
        # Of the pixels rather than of the crop: the devkit's lie aside.
        self._middle_m = (float(rows_m[0] + rows_m[-1]) / 2, float(columns_m[0] + columns_m[-1]) / 2)
        self._ahead_cells = (rows_m.to(device) - self._middle_m[0]) * baked.cells_per_m
        self._left_cells = (columns_m.to(device) - self._middle_m[1]) * baked.cells_per_m

    def crop(self, pose_world: torch.Tensor, out: torch.Tensor, chosen: torch.Tensor | None = None) -> None:
        """Sample crops.

        Args:
            pose_world: (poses, 3) float64 x, y in metres and heading in radians, on the sampler's device.
            out: (batch, channels, height, width) float32, written to.
            chosen: (poses,) where in ``out`` their crops go; without it, one after the other.
        """
        terms = self._terms(pose_world)
        chunk_px = _CPU_CHUNK_PX if self._device.type == "cpu" else _GPU_CHUNK_PX
        step = max(1, chunk_px // (self._spec.height_px * self._spec.width_px))
        for first in range(0, len(pose_world), step):
            chunk = slice(first, first + step)
            part = out[chunk] if chosen is None else torch.empty_like(out[: len(chosen[chunk])])
            self._sample([term[chunk] for term in terms], part)
            if self._directed is not None:
                directions = part[:, self._directed]
                directions.copy_(rotate(directions.movedim(1, -1), -pose_world[chunk, 2, None, None]).movedim(-1, 1))
            if chosen is not None:
                out[chosen[chunk]] = part

    def _sample(self, terms: list[torch.Tensor], out: torch.Tensor) -> None:
        column_by_row, column_by_column, row_by_row, row_by_column = terms
        column, row = column_by_row + column_by_column, row_by_row + row_by_column
        if self._nearest:
            for channel, values in enumerate(self._look_up(column, row)):
                out[:, channel].copy_(values)
            return
        column, row = column - 0.5, row - 0.5
        right, up = column - column.floor(), row - row.floor()
        near = zip(self._look_up(column, row), self._look_up(column + 1, row), strict=True)
        far = zip(self._look_up(column, row + 1), self._look_up(column + 1, row + 1), strict=True)
        for channel, (low, high) in enumerate(zip(near, far, strict=True)):
            out[:, channel].copy_(torch.lerp(torch.lerp(*low, right), torch.lerp(*high, right), up))

    def _look_up(self, column: torch.Tensor, row: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the coverage in the cells at some positions, channel by channel, in their shape."""
        # All positions are positive, so truncation is the floor.
        column_cell, row_cell = column.int().flatten(), row.int().flatten()
        page = torch.add(column_cell >> TILE_BITS, row_cell >> TILE_BITS, alpha=self._page_columns)
        addresses = self._begins.index_select(0, page).add_(column_cell).add_(row_cell, alpha=TILE_CELLS)
        for plane, tables in zip(self._planes, self._tables, strict=True):
            codes = plane.index_select(0, addresses).int()
            for table in tables:
                yield table.index_select(0, codes).view_as(column)

    def _terms(self, pose_world: torch.Tensor) -> list[torch.Tensor]:
        """Cell under each pixel, as sums of a term of its row and one of its column.

        Returns:
            the cell's column as (batch, height, 1) and (batch, 1, width) float32, and its row likewise.
        """
        finite = pose_world.isfinite().all(1, keepdim=True)
        pose_world = torch.where(finite, pose_world, _NOWHERE_M)
        cos, sin = torch.cos(pose_world[:, 2:]), torch.sin(pose_world[:, 2:])
        ahead_m, left_m = self._middle_m
        x = (pose_world[:, :1] + cos * ahead_m - sin * left_m) * self._cells_per_m - self._first_cell[0]
        y = (pose_world[:, 1:2] + sin * ahead_m + cos * left_m) * self._cells_per_m - self._first_cell[1]
        by_row = [self._within(x, 0) + cos * self._ahead_cells, self._within(y, 1) + sin * self._ahead_cells]
        by_column = [-sin * self._left_cells, cos * self._left_cells]
        return [
            by_row[0].float()[:, :, None],
            by_column[0].float()[:, None],
            by_row[1].float()[:, :, None],
            by_column[1].float()[:, None],
        ]

    def _within(self, middle: torch.Tensor, axis: int) -> torch.Tensor:
        margin = self._span_cells / 2 + 2
        return torch.minimum(middle.clamp(min=margin), self._size_cells[axis] - margin)


def takes_nearest(baked: BakedMap, spec: CropSpec) -> bool:
    """Whether a crop's pixels take the nearest cell: where a cell is as wide as a pixel, cells are interpolated."""
    return baked.cells_per_m > 1.5 * spec.px_per_m


def pixel_centres(spec: CropSpec, devkit_compatible: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """How far ahead each row (height,) and how far left each column (width,) is, metres, float64."""
    rows = torch.arange(spec.height_px, dtype=torch.float64)
    columns = torch.arange(spec.width_px, dtype=torch.float64)
    if devkit_compatible:
        from forecast.data.maps.devkit_style import DevkitGrid  # needs OpenCV, which a driving stack may not have

        grid = DevkitGrid(spec)
        from_left = spec.width_px - 1 - columns
        return (rows - grid.row_at_agent) / grid.px_per_m, (grid.column_at_agent - from_left) / grid.px_per_m
    return (rows + 0.5) / spec.px_per_m - spec.behind_m, (columns + 0.5) / spec.px_per_m - spec.right_m


def _mapped(array: NDArray[np.uint8]) -> torch.Tensor:
    """Make a tensor of memory-mapped bytes without a copy; it is never written to, whatever torch warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)
