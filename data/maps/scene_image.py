"""One RGB picture of map and agents, for models that want a single image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.core.maps import MapSource
from forecast.core.tracks import Tracks
from forecast.data.maps.agents import AgentPainter
from forecast.data.maps.exact import ExactDrawer

#: Layers from the lowest to the topmost, with their RGB colours.
DEFAULT_LAYERS: dict[str, tuple[int, int, int]] = {
    "drivable_area": (255, 255, 255),
    "ped_crossing": (119, 136, 153),
    "walkway": (0, 0, 255),
}


class SceneImage:
    """Draws map layers in colours, and agents with their faded past above them."""

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
        self._drawers: dict[str, ExactDrawer] = {}

    def __call__(self, row: int) -> NDArray[np.uint8]:
        """Draw the surroundings of one observation: (height, width, 3) RGB, rows forward, columns to the left.

        Args:
            row: index into the rows of the tracks.
        """
        tracks = self._tracks
        map_name = str(tracks.scene_maps[tracks.sample_scene[tracks.row_sample[row]]])
        if map_name not in self._drawers:
            source = self._maps(map_name) if callable(self._maps) else self._maps[map_name]
            self._drawers[map_name] = ExactDrawer(source, self._spec)
        x, y = tracks.row_position_m[row]
        masks = self._drawers[map_name].crop(np.array([x, y, tracks.row_heading_rad[row]]))
        # A palette by the set of layers at a pixel, so that colouring is a single look-up.
        code = np.zeros(masks.shape[1:], np.uint8)
        palette = np.zeros((1 << len(masks), 3), np.uint8)
        for bit, (mask, colour) in enumerate(zip(masks, self._colours.values(), strict=True)):
            code |= (mask >> 7) << bit
            palette[1 << bit : 2 << bit] = colour
        image: NDArray[np.uint8] = palette[code]
        agents = self._agents(row)
        np.copyto(image, agents, where=agents.any(axis=2, keepdims=True))
        return image
