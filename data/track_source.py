"""What the rest of the package asks of a data set, whatever its files look like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.maps import MapSource
from forecast.core.rows import TruthRows
from forecast.core.tracks import Tracks
from forecast.data.samples import Samples
from forecast.data.track_columns import TrackColumns


class Observations(Protocol):
    """Tracks, and the maps they lie on: all that a batch is made of. A data set is one, and so is a live scene."""

    @property
    def columns(self) -> TrackColumns:
        """All that was seen, as arrays."""

    @property
    def map_names(self) -> tuple[str, ...]:
        """Names of the maps; ``AgentBatch.map_index`` counts in this order."""

    @property
    def scene_map(self) -> NDArray[np.int64]:
        """(scenes,) index into ``map_names`` of the map that each scene lies on."""


class TrackSource(Observations, Protocol):
    """A data set: tracks as columns, maps, splits, agent-samples, and a key that says what exactly it is."""

    @property
    def tracks(self) -> Tracks:
        """Scenes, key frames, tracks and observations."""

    @property
    def version(self) -> str:
        """What reports call the data set, e.g. ``v1.0-trainval``."""

    @property
    def where(self) -> str:
        """The folder, for messages."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that was read; caches, runs and reports name the data set by it."""

    @property
    def cache(self) -> Path:
        """Folder of caches: what is derived of the data set, such as baked maps, is kept there too."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What its user should know, one line each."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits of which the folder holds at least one scene."""

    @property
    def lists_challenge(self) -> bool:
        """Whether agent-samples are listed; without a list there are dense ones only."""

    def scenes_of(self, split: str) -> tuple[str, ...]:
        """Names of a split's scenes, in order; DataError where there is none."""

    def samples(
        self,
        split: str,
        *,
        dense: bool = False,
        types: tuple[AgentType, ...] | None = None,
        ego: bool = False,
        standing: float = 1.0,
    ) -> Samples:
        """Whom to forecast, and when."""

    def locate(self, track_token: str, sample_token: str) -> int:
        """Row of a track's observation at a key frame; DataError where there is none."""

    def load_map(self, map_name: str, *, only: Sequence[str] | None = None) -> MapSource:
        """A map by name, of these layers alone if they are named; DataError where it is missing or damaged."""

    def truth(self) -> TruthRows:
        """Where every track was, at the rate that the files have; times in seconds on the clock of the key frames."""
