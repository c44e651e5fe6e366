"""The maps of a forecaster: baked rasters, geometry, or functions of the place; all give the same crops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.core.errors import DataError, SceneError, one_of
from forecast.core.frames import rotate
from forecast.core.maps import MapSource
from forecast.data.maps.bake import TILE_CELLS, BakedMap, bake_for, planes, resolution
from forecast.data.maps.layers import directed_channels
from forecast.data.maps.pieces import check_held, check_layers
from forecast.data.maps.raster_file import load_raster
from forecast.data.maps.sampler import Sampler, pixel_centres, takes_nearest
from forecast.data.maps.sources import is_geojson, open_map
from forecast.prediction.readings import shown

if TYPE_CHECKING:
    from forecast.data.maps.patches import PatchSampler

#: Share of the ground that each channel of a crop covers, 0…1, (points, channels), at points (points, 2) of the world.
MapFunction = Callable[[NDArray[np.float64]], NDArray[np.floating[Any]]]
MapLike = MapSource | MapFunction | BakedMap | Path | str
Crops = Callable[[torch.Tensor], torch.Tensor]


class SceneMaps:
    """Makes crops of maps that are given in any of these forms.

    - a path: a raster that :func:`~forecast.data.maps.raster_file.save_raster` wrote, GeoJSON, or a map expansion;
    - a :class:`~forecast.core.maps.MapSource` (``PolygonMap``, ``from_geojson``, ``load_map``): drawn once, now;
    - a function from points (points, 2), world frame, metres, to (points, channels) in 0…1, asked at the centre of
      every pixel of every crop; it must be safe to call from several threads. Where the model reads the direction of
      traffic, those two channels are its components along the world's x and y, −1…1.

    Args:
        maps: by name.
        spec: what a crop looks like; None where the model reads no map.
        device: where crops are made.

    Raises:
        DataError: a map cannot be read, was baked for other crops, or holds nothing that the model reads.
    """

    def __init__(self, maps: Mapping[str, MapLike], spec: CropSpec | None, device: torch.device) -> None:
        self._spec, self._device = spec, device
        self._crops: dict[str, Crops] = {}
        self._extents: dict[str, NDArray[np.float64] | None] = {}
        self._lock = threading.Lock()
        if not isinstance(maps, Mapping):
            raise DataError(f"maps: expected maps by name, {{name: map}}, found {type(maps).__name__} {shown(maps)}")
        for name, given in maps.items():
            self.add(name, given)

    def __getstate__(self) -> dict[str, Any]:
        # A lock stays with its process.
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all maps."""
        return tuple(self._crops)

    def add(self, name: str, given: MapLike) -> None:
        """Add a map, or replace one; calls under way keep the old one.

        Raises:
            DataError: it cannot be read, was baked for other crops, or holds nothing that the model reads.
        """
        made, extent = (_no_crops, None) if self._spec is None else _crops_of(name, given, self._spec, self._device)
        with self._lock:
            self._crops = {**self._crops, name: made}
            self._extents = {**self._extents, name: extent}

    def check(self, name: str | None) -> None:
        """Refuse a name that no map has.

        Raises:
            SceneError: there is none.
        """
        try:
            known = name is None or name in self._crops
        except TypeError:  # a list, which cannot be a name
            known = False
        if not known:
            has = "this forecaster has none: give maps={name: map}"
            raise SceneError(
                f"scene: no map {shown(name)}: {one_of(map(str, self._crops), str(name)) if self._crops else has}"
            )

    def notes(
        self, name: str | None, position_m: NDArray[np.float64], blind: NDArray[np.bool_] | None = None
    ) -> tuple[str, ...]:
        """What to tell of agents in whose crops is nothing of their map: of all beyond its edge, else of most.

        Args:
            name: of the map.
            position_m: (agents, 2) world frame.
            blind: (agents,) whose crops are all 0; None where that is not known.
        """
        if name is None or self._spec is None or not len(position_m):
            return ()
        extent = self._extents.get(name)
        beyond = np.zeros(len(position_m), np.bool_)
        told: tuple[str, ...] = ()
        if extent is not None:
            beyond, told = self._beyond(name, extent, position_m)
        lost = np.zeros_like(beyond) if blind is None else blind & ~beyond
        # A few may be off every road; most are not.
        if 2 * lost.sum() > (~beyond).sum():
            x, y = position_m[lost][0].tolist()
            told += (
                f"map {name!r}: {int(lost.sum())} of {len(position_m)} agents see nothing of it, e.g. at ({x:.0f}, "
                f"{y:.0f}) m; is it the map of this place, in metres, and is x before y?",
            )
        return told

    def _beyond(
        self, name: str, extent: NDArray[np.float64], position_m: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
        """Who is so far from a map that nothing of it can be in their crops; and what to tell of them."""
        assert self._spec is not None
        off_m = np.hypot(*np.maximum(np.maximum(extent[0] - position_m, position_m - extent[1]), 0).T)
        spec = self._spec
        reach_m = float(np.hypot(max(spec.ahead_m, spec.behind_m), max(spec.left_m, spec.right_m)))
        beyond: NDArray[np.bool_] = off_m > reach_m
        if not beyond.any():
            return beyond, ()
        (x0, y0), (x1, y1) = extent.tolist()
        note = (
            f"map {name!r}: {int(beyond.sum())} of {len(position_m)} agents are beyond its edge, by up to "
            f"{off_m.max():,.0f} m, and see nothing of it; it reaches from ({x0:.0f}, {y0:.0f}) to ({x1:.0f}, "
            f"{y1:.0f}) m: expected the agents' own frame, metres"
        )
        return beyond, (note,)

    def crops(self, name: str | None, pose_world: torch.Tensor) -> torch.Tensor:
        """Crops (agents, channels, height, width) around poses (agents, 3); blank without a map and beyond its edge."""
        assert self._spec is not None
        if name is None:
            return torch.zeros((len(pose_world), *self._spec.shape), device=self._device)
        return self._crops[name](pose_world)


def all_zero(crops: torch.Tensor) -> NDArray[np.bool_]:
    """(agents,) True where a crop (agents, channels, height, width) is all zero; a few pixels rule most of them out."""
    blind: NDArray[np.bool_] = ~crops[:, :, ::8, ::8].flatten(1).any(1).cpu().numpy()
    if blind.any():
        rows = torch.from_numpy(np.flatnonzero(blind)).to(crops.device)
        blind[blind] = ~crops[rows].flatten(1).any(1).cpu().numpy()
    return blind


def _no_crops(pose_world: torch.Tensor) -> torch.Tensor:
    raise AssertionError("this model reads no map")


def _crops_of(
    name: str, given: MapLike, spec: CropSpec, device: torch.device
) -> tuple[Crops, NDArray[np.float64] | None]:
    """What makes crops of a map, and how far it reaches, where that is known."""
    if isinstance(given, type):
        raise DataError(f"map {name!r}: expected a map, found the class {given.__name__} itself: make one of it")
    if isinstance(given, (str, Path)):
        given = open_map(given) if _is_text(given) else load_raster(given, spec)
    if isinstance(given, MapSource):
        check_layers(given, spec.layers)
        check_held(given, spec.layers)
        given = bake_for(given, spec)
    if isinstance(given, BakedMap):
        _check_baked(name, given, spec)
        return _Sampled(_sampler(given, spec, device), spec, device), _extent_m(given)
    if callable(given):
        return _Asked(name, given, spec, device), None
    raise DataError(
        f"map {name!r}: expected the path of a baked raster or map file, a MapSource, or a function of points; "
        f"found {type(given).__name__}"
    )


def _is_text(path: Path | str) -> bool:
    """Whether a path names GeoJSON or a map expansion; any other file is a raster."""
    return Path(path).suffix.lower() == ".json" or is_geojson(path)


def _check_baked(name: str, baked: BakedMap, spec: CropSpec) -> None:
    """A raster does not say what its channels are, but how many and how fine."""
    wanted = len(planes(spec.channels)), resolution(spec)[0]
    found = len(baked.tiles), baked.cells_per_m
    if found[0] != wanted[0] or abs(found[1] - wanted[1]) > 1e-9 * wanted[1]:
        raise DataError(
            f"map {name!r}: baked as {found[0]} planes at {found[1]:g} cells/m; this model reads {wanted[0]} at "
            f"{wanted[1]:g}: bake the map again, for its config.crop"
        )


def _extent_m(baked: BakedMap) -> NDArray[np.float64] | None:
    """(2, 2) low and high corner of what is drawn, to whole tiles; None where nothing is."""
    rows, columns = np.nonzero(baked.pages)
    if not len(rows):
        return None
    first = np.array([columns.min(), rows.min()]) * TILE_CELLS + baked.origin_cells
    end = np.array([columns.max() + 1, rows.max() + 1]) * TILE_CELLS + baked.origin_cells
    corners_m: NDArray[np.float64] = np.stack([first, end]) / baked.cells_per_m
    return corners_m


def _sampler(baked: BakedMap, spec: CropSpec, device: torch.device) -> Sampler | PatchSampler:
    """The one that data sets use, where its OpenCV is installed: crops are then the same to the last bit."""
    if device.type == "cpu" and takes_nearest(baked, spec):
        try:
            from forecast.data.maps.patches import PatchSampler

            return PatchSampler(baked, spec)
        except ModuleNotFoundError:
            pass
    return Sampler(baked, spec, device)


@dataclass(frozen=True)
class _Sampled:
    """Crops of a baked map."""

    sampler: Sampler | PatchSampler
    spec: CropSpec
    device: torch.device

    def __call__(self, pose_world: torch.Tensor) -> torch.Tensor:
        crops = torch.empty((len(pose_world), *self.spec.shape), device=self.device)
        self.sampler.crop(pose_world, crops)
        return crops


class _Asked:
    """Crops of a map that is a function."""

    def __init__(self, name: str, function: MapFunction, spec: CropSpec, device: torch.device) -> None:
        self._name, self._function, self._spec, self._device = name, function, spec, device
        self._directed = directed_channels(spec.channels)
        rows_m, columns_m = (axis.numpy() for axis in pixel_centres(spec, False))
        self._ahead_left = np.stack(np.broadcast_arrays(rows_m[:, None], columns_m[None]), -1).reshape(-1, 2)

    def __call__(self, pose_world: torch.Tensor) -> torch.Tensor:
        pose = pose_world.cpu().numpy()
        cos, sin = np.cos(pose[:, 2])[:, None], np.sin(pose[:, 2])[:, None]
        ahead, left = self._ahead_left.T
        x = pose[:, :1] + cos * ahead - sin * left
        y = pose[:, 1:2] + sin * ahead + cos * left
        channels, height, width = self._spec.shape
        said = np.asarray(self._function(np.stack([x.ravel(), y.ravel()], 1)))
        if said.shape != (x.size, channels):
            raise SceneError(
                f"map {self._name!r}: its function gave shape {said.shape} for {x.size} points; expected "
                f"{(x.size, channels)}, one share of 0…1 for each of {self._spec.channels}"
            )
        crops = np.ascontiguousarray(said.reshape(len(pose), height, width, channels).transpose(0, 3, 1, 2), np.float32)
        least = np.zeros(channels)
        if self._directed is not None:
            least[self._directed] = -1
        # Written so that NaN fails too.
        if not ((crops >= least[:, None, None]) & (crops <= 1)).all():
            raise SceneError(f"map {self._name!r}: its function gave values outside 0…1 (directions: −1…1)")
        if self._directed is not None:
            world = np.moveaxis(crops[:, self._directed], 1, -1)
            crops[:, self._directed] = np.moveaxis(rotate(world, -pose[:, 2, None, None]), -1, 1)
        return torch.from_numpy(crops).to(self._device)
