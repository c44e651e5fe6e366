"""nuScenes as a kind of data set; towns are nuScenes folders too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.core.rows import TruthRows
from forecast.data.data_format import Listing, SourceNotes, Split
from forecast.data.maps.expansion_map import load_map
from forecast.data.nuscenes.nuscenes_tables import TABLES, Log, MapMask, read_table, table_path, version_folder
from forecast.data.nuscenes.reading import Reading, read_reading
from forecast.data.nuscenes.remarks import remarks_on
from forecast.data.nuscenes.splits import challenge_path, official_scenes, read_challenge
from forecast.data.nuscenes.table_tracks import read_columns
from forecast.data.prepared import truth_at_key_frames
from forecast.data.track_columns import TrackColumns

#: Version → splits to train and to validate on.
_DEFAULT_SPLITS = {"v1.0-mini": ("mini_train", "mini_val"), "v1.0-trainval": ("train", "train_val")}


@dataclass(frozen=True)
class NuScenesFolder:
    """A version of nuScenes; a :class:`~forecast.data.data_format.DataFolder`.

    Attributes:
        dataroot: the folder that holds the version's folder and ``maps``.
        version: e.g. ``v1.0-mini``.
        reading: what the user says about the folder.
    """

    dataroot: Path
    version: str
    reading: Reading

    @property
    def folder(self) -> Path:
        """Of the version's tables."""
        return self.dataroot / self.version

    @property
    def where(self) -> str:
        """The version's folder, for messages."""
        return str(self.folder)

    @property
    def settings(self) -> str:
        """What the user says about the folder."""
        return f"reading {msgspec.json.encode(self.reading, order='sorted').decode()}"

    @property
    def listing_path(self) -> Path:
        """Where the challenge's lists lie."""
        return challenge_path(self.dataroot)

    def files(self) -> dict[str, Path]:
        """All tables, and the challenge's lists where there are any."""
        files = {f"{self.version}/{table}.json": table_path(self.folder, table) for table in TABLES}
        for path in files.values():
            if not path.is_file():
                raise DataError(f"{path}: missing table; {self.version} needs {', '.join(TABLES)}")
        return files | ({"prediction_scenes.json": self.listing_path} if self.listing_path.is_file() else {})

    def read(self) -> tuple[TrackColumns, SourceNotes]:
        """Read the tables and the challenge's lists."""
        columns, ego_channel = read_columns(self.folder, self.reading)
        scenes = official_scenes()
        challenge = read_challenge(self.dataroot)
        official = [name for names in scenes.values() for name in names]
        remarks = remarks_on(columns.tracks, self.reading, ego_channel, official)
        listings = {} if challenge is None else {"challenge": _pairs(challenge)}
        splits = {name: Split(names) for name, names in scenes.items()}
        return columns, SourceNotes(
            splits, listings, list(remarks), _masks(self.folder), default_splits=_DEFAULT_SPLITS.get(self.version)
        )

    def map_file(self, map_name: str) -> Path:
        """The map expansion of a city."""
        return self.dataroot / "maps" / "expansion" / f"{map_name}.json"

    def load_map(self, map_name: str, only: Sequence[str] | None) -> MapSource:
        """Open the map expansion of a city."""
        return load_map(self.map_file(map_name), only=None if only is None else tuple(only))

    def truth(self, columns: TrackColumns) -> TruthRows:
        """The annotations: they are at key frames alone."""
        return truth_at_key_frames(columns)


class NuScenes:
    """The kind; a :class:`~forecast.data.data_format.DataFormat`."""

    name = "nuscenes"
    holds = "v1.0-…/sample_annotation.json and the other tables"

    def recognises(self, dataroot: Path) -> bool:
        """Whether a folder in it holds annotations."""
        return next(dataroot.glob("*/sample_annotation.json"), None) is not None

    def open(
        self,
        dataroot: Path,
        version: str | None,
        *,
        categories: Mapping[str, str] | None = None,
        ego_channel: str | None = None,
    ) -> NuScenesFolder:
        """Look at a version.

        Args:
            dataroot: the folder that holds the version's folder and ``maps``.
            version: e.g. ``v1.0-mini``; may be left out where the folder holds one alone.
            categories: name of a category → ``vehicle``, ``pedestrian``, ``cyclist`` or ``other``, for names that tell
                nothing; added to those in ``forecast.yaml`` beside the tables, which every command reads.
            ego_channel: the sensor whose key frames have the ego's poses, in place of the one in ``forecast.yaml``, or
                of ``LIDAR_TOP``.

        Raises:
            DataError: there is no such version, or what is said about it is wrong.
        """
        version = _only_version(dataroot) if version is None else version.rstrip("/")
        folder = version_folder(dataroot, version)
        return NuScenesFolder(dataroot, version, read_reading(folder, ego_channel=ego_channel, categories=categories))


NUSCENES = NuScenes()


def _only_version(dataroot: Path) -> str:
    versions = sorted(path.parent.name for path in dataroot.glob("*/sample_annotation.json"))
    if len(versions) != 1:
        raise DataError(f"{dataroot}: holds {', '.join(versions) or 'no version'}; name one with --version")
    return versions[0]


def _pairs(challenge: dict[str, list[str]]) -> Listing:
    """Tokens taken apart: the lists write ``instance_sample``."""
    parted = {scene: [token.partition("_") for token in tokens] for scene, tokens in challenge.items()}
    return {scene: [(instance, sample) for instance, _, sample in tokens] for scene, tokens in parted.items()}


def _masks(folder: Path) -> dict[str, str]:
    location = {row.token: row.location for row in read_table(folder, "log", Log)}
    return {
        location[token]: row.filename
        for row in read_table(folder, "map", MapMask)
        for token in row.log_tokens
        if token in location
    }
