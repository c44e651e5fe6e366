"""What a kind of data set must bring: how its folder is recognised, read, and asked for maps and truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from forecast.core.maps import MapSource
from forecast.core.rows import TruthRows
from forecast.data.track_columns import TrackColumns

#: Scene → its listed agent-samples, as (track token, sample token).
Listing = dict[str, list[tuple[str, str]]]


class Split(msgspec.Struct, frozen=True):
    """A split of a data set.

    Attributes:
        scenes: names, in order; some may not be held.
        listing: which listing gives its agent-samples.
    """

    scenes: list[str]
    listing: str = "challenge"


class SourceNotes(msgspec.Struct, frozen=True):
    """The small facts of a data set that are no columns; the cache stores them beside the columns.

    Attributes:
        splits: by name.
        listings: listed agent-samples by name of the listing; a listing that the folder lacks is left out.
        remarks: what the user should know, one line each.
        files: further files by name, relative to the data root.
        types: agent types that dense samples are of unless others are asked for, by name in lower case.
        default_splits: those that training and validation take unless others are named; None where there are none.
    """

    splits: dict[str, Split]
    listings: dict[str, Listing]
    remarks: list[str] = []
    files: dict[str, str] = {}
    types: list[str] = msgspec.field(default_factory=lambda: ["vehicle"])
    default_splits: tuple[str, str] | None = None


class DataFolder(Protocol):
    """One data set on disk, not read yet. It is pickled with the data set, so that workers can open maps.

    Attributes:
        dataroot: the folder that the user named.
        version: what reports call the data set.
        where: the folder with its files, for messages.
        settings: what the columns depend on besides the files' content.
        listing_path: where agent-samples are listed, for messages.
    """

    dataroot: Path

    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def where(self) -> str: ...  # noqa: D102
    @property
    def settings(self) -> str: ...  # noqa: D102
    @property
    def listing_path(self) -> Path: ...  # noqa: D102

    def files(self) -> dict[str, Path]:
        """Every file that the columns are made from, by a name that does not depend on where the folder lies.

        Raises:
            DataError: one is missing.
        """

    def read(self) -> tuple[TrackColumns, SourceNotes]:
        """Read the files.

        Raises:
            DataError: one line: which file and entry, what was found, what was expected.
        """

    def map_file(self, map_name: str) -> Path:
        """Where the map of that name lies, whether or not it is there."""

    def load_map(self, map_name: str, only: Sequence[str] | None) -> MapSource:
        """Open a map; DataError where it is missing or damaged."""

    def truth(self, columns: TrackColumns) -> TruthRows:
        """Where every track was, at the rate of the files; tokens and clock are those of the columns."""


class DataFormat(Protocol):
    """A kind of data set; an object of it is what the entry point ``forecast.sources`` names.

    Attributes:
        name: what ``--source`` calls it.
        holds: what a folder of it holds, for messages.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def holds(self) -> str: ...  # noqa: D102

    def recognises(self, dataroot: Path) -> bool:
        """Whether a folder is of this kind, by what lies in it; it must answer at once, however large the folder."""

    def open(self, dataroot: Path, version: str | None, **options: Any) -> DataFolder:
        """Look at a folder.

        Args:
            dataroot: absolute.
            version: as the user named it; None where he did not.
            options: what only this kind knows; a TypeError for others.

        Raises:
            DataError: it holds no such version, or options are wrong.
        """
