"""Crops of the map around agents, for a whole batch at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch

from forecast.core.crops import CropSpec
from forecast.core.errors import DataError, one_of
from forecast.core.maps import MapSource
from forecast.data.maps.baked_file import open_baked
from forecast.data.maps.devkit_style import DevkitDrawer
from forecast.data.maps.exact import ExactDrawer
from forecast.data.maps.layers import directed_channels
from forecast.data.maps.patches import PatchSampler
from forecast.data.maps.pieces import check_held, check_layers
from forecast.data.maps.sampler import Sampler, takes_nearest

#: Maps that are held open; of data sets with one map a scene there are more than a process may map.
_MOST_MAPS = 512
K = TypeVar("K")
V = TypeVar("V")
Maps = Mapping[str, MapSource] | Callable[[str], MapSource]


class Cropper:
    """Makes the map crops that a forecaster sees.

    ``baked`` samples a raster that was made once per map and is kept in a cache: one gather for a batch, on the
    device of the poses. ``exact`` draws each crop from the geometry itself, on the CPU. Both are deterministic and
    safe to call from several threads.

    Where there is no map (beyond its edge, in an empty layer, at a pose that is not finite), a crop is 0.
    """

    def __init__(
        self,
        maps: Maps,
        map_names: tuple[str, ...],
        spec: CropSpec,
        engine: Literal["baked", "exact"] = "baked",
        cache: Path | str | None = None,
        *,
        missing: Literal["error", "blank"] = "error",
        devkit_compatible: bool = False,
    ) -> None:
        """Describe the crops; maps are read when first needed.

        Args:
            maps: maps by name, or a function that gives the map of a name.
            map_names: what ``map_index`` refers to.
            spec: extent, resolution and channels.
            engine: see above.
            cache: folder for baked maps; by default ``$FORECAST_CACHE``, then the user's cache folder.
            missing: what to do about a name that ``maps`` does not know: raise, or warn once and leave crops blank.
            devkit_compatible: follow the pixel conventions of nuScenes-devkit instead of the right ones; see
                :mod:`forecast.data.maps.devkit_style`.

        Raises:
            DataError: a direction of traffic is not in two channels of its own, or ``devkit_compatible``.
        """
        if engine not in ("baked", "exact"):
            raise ValueError(f"engine: expected 'baked' or 'exact', got {engine!r}")
        if directed_channels(spec.channels) is not None and devkit_compatible:
            raise DataError("devkit_compatible: the devkit draws no direction of traffic; leave these channels out")
        self.spec, self.map_names, self.engine = spec, map_names, engine
        self._maps, self._cache, self._missing, self._devkit = maps, cache, missing, devkit_compatible
        self._sources: dict[int, MapSource | None] = {}
        self._drawers: dict[int, ExactDrawer | DevkitDrawer] = {}
        self._samplers: dict[tuple[int, torch.device], Sampler | PatchSampler] = {}

    def __call__(self, pose_world: torch.Tensor, map_index: torch.Tensor) -> torch.Tensor:
        """Make crops.

        Args:
            pose_world: (batch, 3) float64 x, y in metres and heading in radians, world frame.
            map_index: (batch,) index into ``map_names``; −1 for an agent that has no map.

        Returns:
            (batch, channels, height, width) float32 in 0…1, directions in −1…1, on the poses' device; axes as in
            :class:`~forecast.core.crops.CropSpec`.

        Raises:
            DataError: a map is missing or damaged, or a channel names an unknown layer.
        """
        crops = torch.empty((len(pose_world), *self.spec.shape), device=pose_world.device)
        # Sorted out on the processor: each look into a GPU's memory would wait for all that it has still to do.
        of_map = map_index.cpu()
        indices = set(of_map.tolist())
        for index in indices:
            chosen = None if len(indices) == 1 else (of_map == index).nonzero().flatten().to(pose_world.device)
            source = self._source(index)
            if source is None:
                crops[slice(None) if chosen is None else chosen] = 0
                continue
            poses = (pose_world if chosen is None else pose_world[chosen]).double()
            if self.engine == "baked":
                self._sampler(index, source, pose_world.device).crop(poses, crops, chosen)
            else:
                self._draw(self._drawer(index, source), poses, crops, chosen)
        return crops

    @staticmethod
    def _draw(
        drawer: ExactDrawer | DevkitDrawer, poses: torch.Tensor, crops: torch.Tensor, chosen: torch.Tensor | None
    ) -> None:
        images = crops.numpy() if crops.device.type == "cpu" else np.empty(crops.shape, np.float32)
        places = range(len(poses)) if chosen is None else chosen.tolist()
        for pose, place in zip(poses.cpu().numpy(), places, strict=True):
            drawer.draw(pose, images[place])
        if crops.device.type != "cpu":
            every = slice(None) if chosen is None else chosen
            crops[every] = torch.from_numpy(images)[every if chosen is None else chosen.cpu()].to(crops.device)

    def _source(self, index: int) -> MapSource | None:
        return _remembered(self._sources, index, lambda: self._find(index))

    def _find(self, index: int) -> MapSource | None:
        if index < 0:
            return None
        if index >= len(self.map_names):
            raise DataError(f"map_index {index} is beyond the {len(self.map_names)} names of map_names")
        name = self.map_names[index]
        try:
            source = self._maps(name) if callable(self._maps) else self._maps[name]
        except (KeyError, DataError) as problem:
            known = "" if callable(self._maps) else f": {one_of(self._maps, name)}"
            told = str(problem) if isinstance(problem, DataError) else f"no map {name!r}{known}"
            if self._missing == "error":
                raise DataError(told) from problem
            warnings.warn(f"crops on map {name!r} stay blank: {told}", stacklevel=4)
            return None
        check_layers(source, self.spec.layers)
        return source

    def _drawer(self, index: int, source: MapSource) -> ExactDrawer | DevkitDrawer:
        def make() -> ExactDrawer | DevkitDrawer:
            check_held(source, self.spec.layers, may_be_blank=True)
            return (DevkitDrawer if self._devkit else ExactDrawer)(source, self.spec)

        return _remembered(self._drawers, index, make)

    def _sampler(self, index: int, source: MapSource, device: torch.device) -> Sampler | PatchSampler:
        def make() -> Sampler | PatchSampler:
            baked = open_baked(source, self.spec, self._cache, devkit_compatible=self._devkit)
            if device.type == "cpu" and takes_nearest(baked, self.spec):
                return PatchSampler(baked, self.spec, devkit_compatible=self._devkit)
            return Sampler(baked, self.spec, device, devkit_compatible=self._devkit)

        return _remembered(self._samplers, (index, device), make)


def _remembered(kept: dict[K, V], key: K, make: Callable[[], V]) -> V:
    """What was made for a key, made now where it was not; the oldest ones are dropped. Safe for several threads."""
    try:
        return kept[key]
    except KeyError:
        value = kept[key] = make()
    for oldest in list(kept)[: max(len(kept) - _MOST_MAPS, 0)]:
        kept.pop(oldest, None)
    return value
