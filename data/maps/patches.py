"""Takes crops out of a baked map on a CPU: cut the tiles around an agent out, turn them, unpack the channels."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.crops import CropSpec, upright_bounds_m
from forecast.data.maps.bake import TILE_BITS, TILE_CELLS, BakedMap, unpacking
from forecast.data.maps.layers import directed_channels
from forecast.data.maps.sampler import pixel_centres

#: Fewer crops than this for a thread are not worth starting it.
_CROPS_PER_THREAD = 16
_FLAGS = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP


class PatchSampler:
    """One baked map, sampled agent by agent where it lies in memory.

    Does what :class:`~forecast.data.maps.sampler.Sampler` does for a batch on a GPU, for crops whose pixels take the
    nearest cell. All intermediate results of one agent fit a core's own cache.
    """

    def __init__(self, baked: BakedMap, spec: CropSpec, *, devkit_compatible: bool = False) -> None:
        """Take a map; its tiles stay memory-mapped.

        Args:
            baked: the map.
            spec: extent and resolution of the crops, and the channels that were baked.
            devkit_compatible: sample where the devkit has its pixels.
        """
        self._spec, self._baked = spec, baked
        rows_m, columns_m = pixel_centres(spec, devkit_compatible)
        self._first_m = float(rows_m[0]), float(columns_m[0])
        self._pixel_m = (
            float(rows_m[-1] - rows_m[0]) / (spec.height_px - 1) if spec.height_px > 1 else 1 / spec.px_per_m
        )
        # From the pixels rather than from the crop: the devkit's lie aside.
        self._extents_m = (
            float(rows_m[-1]) + self._pixel_m,
            self._pixel_m - float(rows_m[0]),
            float(columns_m[-1]) + self._pixel_m,
            self._pixel_m - float(columns_m[0]),
        )
        self._tables = [list(tables) for tables in unpacking(spec.channels)]
        self._directed = directed_channels(spec.channels)

    def crop(self, pose_world: torch.Tensor, out: torch.Tensor, chosen: torch.Tensor | None = None) -> None:
        """Sample crops.

        Args:
            pose_world: (poses, 3) float64 x, y in metres and heading in radians, on the CPU.
            out: (batch, channels, height, width) float32, written to: 0…1, directions −1…1.
            chosen: (poses,) index in ``out`` of each crop; without it, one after the other.
        """
        places = range(len(pose_world)) if chosen is None else chosen.tolist()
        work = list(zip(pose_world.tolist(), places, strict=True))
        images = out.numpy()
        threads = min(torch.get_num_threads(), len(work) // _CROPS_PER_THREAD)
        if threads < 2:
            self._crop_all(work, images)
            return
        parts = [work[number::threads] for number in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._crop_all, parts, [images] * threads))

    def _crop_all(self, work: list[tuple[list[float], int]], images: NDArray[np.float32]) -> None:
        for pose, place in work:
            self._crop(pose, images[place])

    def _crop(self, pose: list[float], image: NDArray[np.float32]) -> None:
        """Fill (channels, height, width)."""
        spec, baked = self._spec, self._baked
        x, y, heading = pose
        window = self._pages(x, y, heading) if math.isfinite(x + y + heading) else None
        if window is None:
            image.fill(0)
            return
        numbers, first_column, first_row = window
        size_cells = numbers.shape[0] * TILE_CELLS, numbers.shape[1] * TILE_CELLS
        cells_from_pixels = self._transform(x, y, heading, first_column, first_row)
        channel = 0
        for plane, tables in zip(baked.tiles, self._tables, strict=True):
            patch = plane[numbers].swapaxes(1, 2).reshape(size_cells)
            codes = cv2.warpAffine(patch, cells_from_pixels, (spec.width_px, spec.height_px), flags=_FLAGS)
            for table in tables:
                cv2.LUT(codes, table, image[channel])
                channel += 1
        if self._directed is not None:
            x, y = image[self._directed]
            cos, sin = np.float32(math.cos(heading)), np.float32(math.sin(heading))
            image[self._directed] = cos * x + sin * y, cos * y - sin * x

    def _pages(self, x: float, y: float, heading: float) -> tuple[NDArray[np.int32], int, int] | None:
        """Numbers of the tiles under the crop, and column and row of the first cell; None off the map."""
        baked = self._baked
        (x0, y0), (x1, y1) = upright_bounds_m((x, y, heading), self._extents_m)
        column, row = (first >> TILE_BITS for first in baked.origin_cells)
        scale = baked.cells_per_m / TILE_CELLS
        rows, columns = baked.pages.shape
        i0 = max(math.floor(x0 * scale) - column, 0)
        i1 = min(math.floor(x1 * scale) - column + 1, columns)
        j0 = max(math.floor(y0 * scale) - row, 0)
        j1 = min(math.floor(y1 * scale) - row + 1, rows)
        if i0 >= i1 or j0 >= j1:
            return None
        return baked.pages[j0:j1, i0:i1], (column + i0) << TILE_BITS, (row + j0) << TILE_BITS

    def _transform(self, x: float, y: float, heading: float, column: int, row: int) -> NDArray[np.float64]:
        """(2, 3) from a pixel's column and row to the patch's, whose first cell is given."""
        per_m, (ahead, left) = self._baked.cells_per_m, self._first_m
        cos, sin = math.cos(heading) * per_m, math.sin(heading) * per_m
        # OpenCV rounds to the nearest index, and the cell of index 0 begins at 0.
        x, y = x * per_m + cos * ahead - sin * left - column, y * per_m + sin * ahead + cos * left - row
        step = self._pixel_m
        return np.array([[-sin * step, cos * step, x - 0.5], [cos * step, sin * step, y - 0.5]])
