"""Opens a nuScenes folder: reads its tables once into a cache of columns, and maps that ever after."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from filelock import FileLock

from forecast.core.agents import AgentType
from forecast.core.errors import DataError, DataWarning, one_of
from forecast.core.tracks import Tracks
from forecast.data.file_digests import combined_digest, digests_of
from forecast.data.nuscenes.nuscenes_tables import TABLES, Log, MapMask, read_table, table_path, version_folder
from forecast.data.nuscenes.reading import Reading, read_reading
from forecast.data.nuscenes.splits import challenge_path, check_split, official_scenes, read_challenge
from forecast.data.nuscenes.table_tracks import read_columns
from forecast.data.remarks import remarks_on
from forecast.data.samples import Samples, challenge_samples, dense_samples, thin_standing
from forecast.data.store import Damaged, read_store, write_store
from forecast.data.track_columns import TrackColumns

#: Raise it whenever the arrays, or how they are computed, change: older caches are then made anew.
FORMAT = 4


class Notes(msgspec.Struct, frozen=True):
    """The small facts of a data set that are no columns.

    Attributes:
        scenes: official scene names by split.
        challenge: ``instance_sample`` tokens by scene, or None where the folder holds no lists.
        masks: map name → file of its semantic prior, relative to the data root.
        remarks: what the user should know, one line each.
    """

    scenes: dict[str, list[str]]
    challenge: dict[str, list[str]] | None
    masks: dict[str, str]
    remarks: list[str]


class Dataset:
    """A nuScenes folder, prepared and memory-mapped; made by :func:`open_dataset`.

    Pickling passes the location on, not the arrays, so that loader workers map the same memory.

    Attributes:
        dataroot: the folder that holds the version and ``maps``.
        version: e.g. ``v1.0-trainval``.
        fingerprint: hash of all that was read and of the cache's format.
        folder: where the cache lies.
        columns: all arrays.
    """

    def __init__(self, dataroot: Path, version: str, fingerprint: str, folder: Path, *, verify: bool = True) -> None:
        arrays, notes = read_store(folder, fingerprint, verify=verify)
        self.dataroot, self.version, self.fingerprint, self.folder = dataroot, version, fingerprint, folder
        try:
            self.columns = TrackColumns.from_arrays(arrays)
            self._notes = msgspec.json.decode(notes, type=Notes)
        except (KeyError, ValueError) as fault:
            raise Damaged(f"{folder}: {fault}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.dataroot, self.version, self.fingerprint, self.folder)

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

    @cached_property
    def map_names(self) -> tuple[str, ...]:
        """Names of the maps that the scenes lie on, sorted; ``AgentBatch.map_index`` counts in this order."""
        return tuple(sorted(set(self.tracks.scene_maps.tolist())))

    @cached_property
    def _track_index(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tracks.track_tokens.tolist())}

    @cached_property
    def _sample_index(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tracks.sample_tokens.tolist())}

    def locate(self, instance_token: str, sample_token: str) -> int:
        """Row of an agent's observation at a key frame.

        Raises:
            DataError: the instance or the sample is unknown, or the one was not seen at the other.
        """
        track, sample = self._track_index.get(instance_token), self._sample_index.get(sample_token)
        if track is None:
            raise DataError(f"{self.dataroot / self.version}: no annotated instance {instance_token!r}")
        if sample is None:
            raise DataError(f"{self.dataroot / self.version}: no sample {sample_token!r}")
        first, end = (int(bound) for bound in self.tracks.first_row[track : track + 2])
        row = first + int(np.searchsorted(self.tracks.row_sample[first:end], sample))
        if row == end or self.tracks.row_sample[row] != sample:
            raise DataError(
                f"{self.dataroot / self.version}: instance {instance_token} has no annotation at sample {sample_token}"
            )
        return row

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Splits of which this folder holds at least one scene."""
        held = set(self.tracks.scene_names.tolist())
        return tuple(name for name, listed in self._notes.scenes.items() if held.intersection(listed))

    @property
    def lists_challenge(self) -> bool:
        """Whether the folder holds the challenge's lists; without them there are dense samples only."""
        return self._notes.challenge is not None

    def scenes_of(self, split: str) -> tuple[str, ...]:
        """Names of a split's scenes that this folder holds, in the official order.

        Raises:
            DataError: unknown split, or one of which this folder holds no scene.
        """
        check_split(split)
        held = set(self.tracks.scene_names.tolist())
        scenes = tuple(name for name in self._notes.scenes[split] if name in held)
        if not scenes:
            raise DataError(
                f"{self.dataroot / self.version}: holds no scene of split {split!r}; of these it does: "
                f"{', '.join(self.splits) or 'none'}"
            )
        return scenes

    def samples(
        self,
        split: str,
        *,
        dense: bool = False,
        types: tuple[AgentType, ...] = (AgentType.VEHICLE,),
        ego: bool = False,
        standing: float = 1.0,
    ) -> Samples:
        """The agent-samples of a split.

        Args:
            split: ``mini_train``, ``mini_val``, ``train``, ``train_val`` or ``val``.
            dense: every agent at every key frame at which it was seen at least once before, whether or not its
                future is annotated, instead of the challenge's own list.
            types: which agents, where ``dense``; two-wheelers are cyclists, never vehicles.
            ego: the ego vehicle too, where ``dense``.
            standing: where ``dense``, the share to keep of agents that stand at time 0; most are parked.

        Raises:
            DataError: unknown split, no scene of it here, or no challenge list where one is needed.
        """
        scenes = self.scenes_of(split)
        if dense:
            found = dense_samples(self.columns, scenes, types, ego=ego)
            return thin_standing(self.columns, found, standing) if standing < 1 else found
        path = challenge_path(self.dataroot)
        if self._notes.challenge is None:
            raise DataError(f"{path}: missing; it lists the challenge's agents (without it, use dense samples)")
        return challenge_samples(self.locate, self._notes.challenge, scenes, path)

    def map_expansion_path(self, map_name: str) -> Path:
        """Where the vector map of a city lies.

        Raises:
            DataError: no scene lies on a map of that name.
        """
        if map_name not in self.map_names:
            raise DataError(f"{self.dataroot}: no map {map_name!r}; {one_of(self.map_names, map_name)}")
        return self.dataroot / "maps" / "expansion" / f"{map_name}.json"

    def map_mask_path(self, map_name: str) -> Path | None:
        """The official picture of a city's drivable area (0.1 m per pixel), or None where the folder holds none."""
        filename = self._notes.masks.get(map_name)
        path = self.dataroot / filename if filename else None
        return path if path is not None and path.is_file() else None


def default_cache() -> Path:
    """``$FORECAST_CACHE``, else ``cab-forecast`` in the user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``)."""
    if chosen := os.environ.get("FORECAST_CACHE"):
        return Path(chosen)
    user = os.environ.get("XDG_CACHE_HOME")
    return (Path(user) if user else Path.home() / ".cache") / "cab-forecast"


def open_dataset(
    dataroot: str | Path,
    version: str,
    cache: str | Path | None = None,
    *,
    categories: Mapping[str, str] | None = None,
    ego_channel: str | None = None,
) -> Dataset:
    """Open a nuScenes folder; the first time its tables are read into a cache, later they are memory-mapped.

    A cache is used only if it was made from exactly the present content of the folder by this format, and is whole;
    otherwise it is made anew. Several processes may call this at once: one works, the others wait. The data root is
    never written to. What the user should know of it (:attr:`Dataset.remarks`) is a :class:`DataWarning` each time the
    cache is made.

    Args:
        dataroot: folder that holds the version's folder and ``maps``.
        version: e.g. ``v1.0-mini``.
        cache: folder of caches; by default :func:`default_cache`.
        categories: name of a category → ``vehicle``, ``pedestrian``, ``cyclist`` or ``other``, for names that tell
            nothing; added to those in ``forecast.yaml`` beside the tables, which every command reads.
        ego_channel: the sensor whose key frames have the ego's poses, in place of the one in ``forecast.yaml``, or of
            ``LIDAR_TOP``.

    Raises:
        DataError: one line: which file and entry is missing, damaged or unexpected, or that the cache cannot be
            written.
    """
    dataroot = Path(dataroot).expanduser().resolve()
    version = version.rstrip("/")
    folder = version_folder(dataroot, version)
    reading = read_reading(folder, ego_channel=ego_channel, categories=categories)
    place = Path(cache).expanduser() if cache is not None else default_cache()
    try:
        place.mkdir(parents=True, exist_ok=True)
        return _open(dataroot, version, folder, place.resolve(), reading)
    except OSError as fault:
        raise DataError(
            f"{place}: cannot hold the cache ({fault}); choose another with --cache or FORECAST_CACHE"
        ) from fault


def _open(dataroot: Path, version: str, folder: Path, place: Path, reading: Reading) -> Dataset:
    files = _input_files(dataroot, folder)
    memory = place / f"inputs-{combined_digest([str(dataroot), version])[:16]}.json"
    digests = digests_of(files, memory)
    said = f"reading {msgspec.json.encode(reading, order='sorted').decode()}"
    key = combined_digest([f"format {FORMAT}", said, *(f"{name} {digests[name]}" for name in sorted(digests))])
    entry = place / f"{version}-{key[:16]}"
    try:
        return Dataset(dataroot, version, key, entry)
    except Damaged:
        pass
    with FileLock(place / f".{entry.name}.lock"):
        try:  # another process may have made it while this one waited
            return Dataset(dataroot, version, key, entry)
        except Damaged:
            _prepare(dataroot, folder, key, entry, reading)
    dataset = Dataset(dataroot, version, key, entry)
    for remark in dataset.remarks:
        warnings.warn(f"{folder}: {remark}", DataWarning, stacklevel=3)
    return dataset


def _input_files(dataroot: Path, folder: Path) -> dict[str, Path]:
    files = {f"{folder.name}/{table}.json": table_path(folder, table) for table in TABLES}
    for path in files.values():
        if not path.is_file():
            raise DataError(f"{path}: missing table; {folder.name} needs {', '.join(TABLES)}")
    challenge = challenge_path(dataroot)
    return files | ({"prediction_scenes.json": challenge} if challenge.is_file() else {})


def _prepare(dataroot: Path, folder: Path, key: str, entry: Path, reading: Reading) -> None:
    columns, ego_channel = read_columns(folder, reading)
    scenes = official_scenes()
    challenge = read_challenge(dataroot)
    official = [name for names in scenes.values() for name in names]
    remarks = remarks_on(columns.tracks, reading, ego_channel, official)
    notes = Notes(scenes, challenge, _masks(folder), list(remarks))
    write_store(entry, key, columns.arrays(), notes)


def _masks(folder: Path) -> dict[str, str]:
    location = {row.token: row.location for row in read_table(folder, "log", Log)}
    return {
        location[token]: row.filename
        for row in read_table(folder, "map", MapMask)
        for token in row.log_tokens
        if token in location
    }


def _reopen(dataroot: Path, version: str, fingerprint: str, folder: Path) -> Dataset:
    try:
        return Dataset(dataroot, version, fingerprint, folder, verify=False)
    except Damaged as finding:
        raise DataError(f"the cache went away while it was in use: {finding}") from None
