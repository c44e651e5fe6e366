"""A data set that was read into columns: a :class:`~forecast.data.track_source.TrackSource` of any kind of folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import AgentType, types_named
from forecast.core.errors import DataError, one_of
from forecast.core.maps import MapSource
from forecast.core.rows import TruthRows
from forecast.core.tracks import Tracks
from forecast.data.data_format import DataFolder, SourceNotes
from forecast.data.samples import Samples, dense_samples, listed_samples, thin_standing
from forecast.data.store import Damaged, read_store
from forecast.data.track_columns import TrackColumns


class Dataset:
    """A folder, prepared and memory-mapped; made by :func:`~forecast.data.cache.open_dataset`.

    Pickling passes the location on, not the arrays, so that loader workers map the same memory.

    Attributes:
        files: the folder as its kind sees it.
        dataroot: the folder that the user named.
        version: what reports call the data set, e.g. ``v1.0-trainval``.
        fingerprint: hash of all that was read and of the cache's format.
        folder: where the cache lies.
        columns: all arrays.
        locations: names of maps whose scenes alone this view shows; None for all (:meth:`at`).
    """

    locations: tuple[str, ...] | None = None

    def __init__(self, files: DataFolder, fingerprint: str, folder: Path, *, verify: bool = True) -> None:
        arrays, notes = read_store(folder, fingerprint, verify=verify)
        self.files, self.dataroot, self.version, self.where = files, files.dataroot, files.version, files.where
        self.fingerprint, self.folder = fingerprint, folder
        try:
            self.columns = TrackColumns.from_arrays(arrays)
            self._notes = msgspec.json.decode(notes, type=SourceNotes)
        except (KeyError, ValueError) as fault:
            raise Damaged(f"{folder}: {fault}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.files, self.fingerprint, self.folder, self.locations)

    def at(self, locations: Sequence[str] | None) -> Dataset:
        """The same data set, whose splits hold the scenes of some locations alone.

        Args:
            locations: names of maps, e.g. ``boston-seaport``; None for all.

        Raises:
            DataError: no scene lies on a map of that name.
        """
        unknown = [name for name in locations or () if name not in self.map_names]
        if unknown or (locations is not None and not locations):
            raise DataError(
                f"{self.where}: no scene at location {unknown[0] if unknown else ''!r}; "
                f"{one_of(self.map_names, unknown[0] if unknown else '')}"
            )
        view: Dataset = object.__new__(type(self))
        # All but what depends on the locations; the arrays are shared.
        view.__dict__ |= {name: value for name, value in self.__dict__.items() if name != "splits"}
        view.locations = None if locations is None else tuple(locations)
        return view

    def is_at_locations(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(rows,) whether observations lie at :attr:`locations`."""
        if self.locations is None:
            return np.ones(len(rows), np.bool_)
        wanted = np.isin(np.array(self.map_names), self.locations)
        found: NDArray[np.bool_] = wanted[self.scene_map[self.tracks.track_scene[self.columns.row_track[rows]]]]
        return found

    @cached_property
    def _held(self) -> dict[str, str]:
        """Name of each scene → its map."""
        return dict(zip(self.tracks.scene_names.tolist(), self.tracks.scene_maps.tolist(), strict=True))

    def __repr__(self) -> str:
        return f"Dataset({str(self.dataroot)!r}, {self.version!r}, {len(self.tracks.scene_names)} scenes)"

    @property
    def tracks(self) -> Tracks:
        """All that was seen: scenes, key frames, tracks and observations."""
        return self.columns.tracks

    @property
    def remarks(self) -> tuple[str, ...]:
        """What its user should know: pieces that are missing, and what was taken instead; one line each."""
        return tuple(self._notes.remarks)

    @property
    def cache(self) -> Path:
        """Folder of caches."""
        return self.folder.parent

    @cached_property
    def map_names(self) -> tuple[str, ...]:
        """Names of the maps that the scenes lie on, sorted; ``AgentBatch.map_index`` counts in this order."""
        return tuple(sorted(set(self.tracks.scene_maps.tolist())))

    @cached_property
    def scene_map(self) -> NDArray[np.int64]:
        """(scenes,) index into ``map_names`` of the map that each scene lies on."""
        return np.searchsorted(np.array(self.map_names), self.tracks.scene_maps).astype(np.int64)

    @cached_property
    def _track_index(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tracks.track_tokens.tolist())}

    @cached_property
    def _sample_index(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tracks.sample_tokens.tolist())}

    def locate(self, track_token: str, sample_token: str) -> int:
        """Row of an agent's observation at a key frame.

        Raises:
            DataError: the track or the key frame is unknown, or the one was not seen at the other.
        """
        track, sample = self._track_index.get(track_token), self._sample_index.get(sample_token)
        if track is None:
            raise DataError(f"{self.where}: no annotated instance {track_token!r}")
        if sample is None:
            raise DataError(f"{self.where}: no sample {sample_token!r}")
        first, end = (int(bound) for bound in self.tracks.first_row[track : track + 2])
        row = first + int(np.searchsorted(self.tracks.row_sample[first:end], sample))
        if row == end or self.tracks.row_sample[row] != sample:
            raise DataError(f"{self.where}: instance {track_token} has no annotation at sample {sample_token}")
        return row

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Splits of which this folder holds at least one scene."""
        return tuple(name for name, split in self._notes.splits.items() if self._shown(split.scenes))

    @property
    def default_splits(self) -> tuple[str, str] | None:
        """Splits that training and validation take unless others are named, or None."""
        return self._notes.default_splits

    @property
    def lists_challenge(self) -> bool:
        """Whether the folder lists agent-samples; without a list there are dense ones only."""
        return bool(self._notes.listings)

    def scenes_of(self, split: str) -> tuple[str, ...]:
        """Names of a split's scenes that this folder holds, in the official order.

        Raises:
            DataError: unknown split, or one of which this folder holds no scene.
        """
        if split not in self._notes.splits:
            raise DataError(f"no split {split!r}; {one_of(self._notes.splits, split)}")
        scenes = self._shown(self._notes.splits[split].scenes)
        if not scenes:
            place = "" if self.locations is None else f" at {', '.join(self.locations)}"
            raise DataError(
                f"{self.where}: holds no scene of split {split!r}{place}; of these it does: "
                f"{', '.join(self.splits) or 'none'}"
            )
        return scenes

    def shows(self, scene: str) -> bool:
        """Whether the folder holds a scene, and it lies at the locations of this view."""
        held = self._held
        return scene in held and (self.locations is None or held[scene] in self.locations)

    def _shown(self, scenes: Iterable[str]) -> tuple[str, ...]:
        return tuple(filter(self.shows, scenes))

    def samples(
        self,
        split: str,
        *,
        dense: bool = False,
        types: tuple[AgentType, ...] | None = None,
        ego: bool = False,
        standing: float = 1.0,
    ) -> Samples:
        """The agent-samples of a split.

        Args:
            split: one of :attr:`splits`, e.g. ``mini_val``.
            dense: every agent at every key frame at which it was seen at least once before, whether or not its
                future is annotated, instead of the data set's own list.
            types: which agents, where ``dense``; two-wheelers are cyclists, never vehicles. By default those that the
                data set is about: vehicles in nuScenes, all road users in Argoverse 2.
            ego: the ego vehicle too, where ``dense``.
            standing: where ``dense``, the share to keep of agents that stand at time 0; most are parked.

        Raises:
            DataError: unknown split, no scene of it here, or no list where one is needed.
        """
        scenes = self.scenes_of(split)
        if dense:
            wanted = types_named(self._notes.types) if types is None else types
            found = dense_samples(self.columns, scenes, wanted, ego=ego)
            return thin_standing(self.columns, found, standing) if standing < 1 else found
        listing = self._notes.listings.get(self._notes.splits[split].listing)
        path = self.files.listing_path
        if listing is None:
            raise DataError(f"{path}: missing; it lists the challenge's agents (without it, use dense samples)")
        return listed_samples(self.locate, listing, scenes, path)

    def map_file(self, map_name: str) -> Path:
        """Where the vector map of that name lies.

        Raises:
            DataError: no scene lies on a map of that name.
        """
        if map_name not in self.map_names:
            raise DataError(f"{self.dataroot}: no map {map_name!r}; {one_of(self.map_names, map_name)}")
        return self.files.map_file(map_name)

    def load_map(self, map_name: str, *, only: Sequence[str] | None = None) -> MapSource:
        """The vector map of that name.

        Args:
            map_name: one of :attr:`map_names`.
            only: layers to read, as if the map held no others; all by default.

        Raises:
            DataError: no scene lies on a map of that name, or its file is missing or damaged.
        """
        self.map_file(map_name)
        return self.files.load_map(map_name, only)

    def truth(self) -> TruthRows:
        """Where every track was, at the rate of the files; times in seconds on the clock of the key frames."""
        return self.files.truth(self.columns)


@lru_cache(maxsize=4)
def map_if_any(dataset: Dataset, name: str) -> MapSource | None:
    """A map of a data set, read once; None where it holds none: agents are then shown alone."""
    try:
        return dataset.load_map(name)
    except DataError:
        return None


def truth_at_key_frames(columns: TrackColumns) -> TruthRows:
    """The truth of a data set whose files hold nothing between its key frames."""
    tracks = columns.tracks
    return TruthRows(tracks.track_tokens[columns.row_track], tracks.row_time_us * 1e-6, tracks.row_position_m)


def _reopen(files: DataFolder, fingerprint: str, folder: Path, locations: tuple[str, ...] | None) -> Dataset:
    try:
        return Dataset(files, fingerprint, folder, verify=False).at(locations)
    except Damaged as finding:
        raise DataError(f"the cache went away while it was in use: {finding}") from None
