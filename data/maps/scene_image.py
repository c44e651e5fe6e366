"""One RGB picture of map and agents, for models that want a single image."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.core.maps import MapSource
from forecast.core.tracks import Tracks
from forecast.data.maps.agent_boxes import AgentPainter
from forecast.data.maps.area_fill import fill
from forecast.data.maps.exact import ExactDrawer
from forecast.data.maps.layers import LAYERS
from forecast.data.maps.segments import Segments

#: Layers from the lowest to the topmost, with their RGB colours.
DEFAULT_LAYERS: dict[str, tuple[int, int, int]] = {
    "drivable_area": (255, 255, 255),
    "ped_crossing": (119, 136, 153),
    "walkway": (0, 0, 255),
}
_HUES = 24
_COLOURS = [tuple(255 * part for part in colorsys.hsv_to_rgb((hue + 0.5) / _HUES, 1.0, 1.0)) for hue in range(_HUES)]


class SceneImage:
    """Draws map layers in colours, lanes coloured by their direction, and agents with their faded past above."""

    def __init__(
        self,
        tracks: Tracks,
        maps: Mapping[str, MapSource] | Callable[[str], MapSource],
        spec: CropSpec,
        *,
        layers: Mapping[str, tuple[int, int, int]] = DEFAULT_LAYERS,
        ego: bool = True,
    ) -> None:
        """Describe the picture.

        Args:
            tracks: all observations.
            maps: maps by name, or a function that gives the map of a name.
            spec: extent and resolution; its channels are not used.
            layers: layers and their colours, the lowest first.
            ego: draw the ego vehicle too.
        """
        self._tracks, self._maps, self._colours = tracks, maps, layers
        self._spec = replace(spec, channels=tuple((layer,) for layer in layers))
        self._agents = AgentPainter(tracks, spec, ego=ego)
        self._drawn: dict[str, tuple[ExactDrawer, _Lanes]] = {}

    def __call__(self, row: int) -> NDArray[np.uint8]:
        """Draw the surroundings of one observation: (height, width, 3) RGB, rows forward, columns to the left.

        Args:
            row: index into the rows of the tracks. Nothing later than it is drawn.
        """
        tracks, spec = self._tracks, self._spec
        drawer, lanes = self._map(str(tracks.scene_maps[tracks.sample_scene[tracks.row_sample[row]]]))
        pose_world = np.array([*tracks.row_position_m[row], tracks.row_heading_rad[row]])
        image: NDArray[np.uint8] = np.zeros((spec.height_px, spec.width_px, 3), np.uint8)
        for rings, colour in zip(drawer.outlines(pose_world), self._colours.values(), strict=True):
            fill(image, rings, colour)
        lanes.draw(image, pose_world, spec)
        return self._agents(row, image)

    def _map(self, name: str) -> tuple[ExactDrawer, _Lanes]:
        if name not in self._drawn:
            source = self._maps(name) if callable(self._maps) else self._maps[name]
            self._drawn[name] = ExactDrawer(source, self._spec, samples=1), _Lanes(source)
        return self._drawn[name]


class _Lanes:
    """Centre lines of one map, coloured by their direction as the target sees it."""

    def __init__(self, source: MapSource) -> None:
        lines = source.geometries("lane_centre") if "lane_centre" in source.layers else []
        self._segments = Segments.of(lines)

    def draw(self, image: NDArray[np.uint8], pose_world: NDArray[np.float64], spec: CropSpec) -> None:
        """Draw the lanes in reach; the colour circle starts with what points against the target."""
        ends_m, heading_rad = self._segments.near(pose_world, spec)
        cos, sin = np.cos(pose_world[2]), np.sin(pose_world[2])
        column_row = (ends_m - pose_world[:2]) @ np.array([[-sin, cos], [cos, sin]])
        column_row += spec.right_m, spec.behind_m
        pixels = np.rint(column_row * spec.px_per_m - 0.5).astype(np.int32)
        turn = (pose_world[2] - heading_rad + np.pi) / (2 * np.pi) % 1.0
        hue = (turn * _HUES).astype(int) % _HUES
        width_px = max(1, round(LAYERS["lane_centre"].line_width_m * spec.px_per_m))
        order = np.argsort(hue, kind="stable")
        bounds = np.searchsorted(hue[order], np.arange(_HUES + 1)).tolist()
        lines = list(pixels[order])
        for colour, begin, end in zip(_COLOURS, bounds, bounds[1:], strict=False):
            if begin < end:
                cv2.polylines(image, lines[begin:end], False, colour, width_px)
