"""What is kept of a data set, or of a live scene, as plain arrays; the cache stores exactly these."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.tracks import Strings, Tracks
from forecast.data.backward_motion import backward_motion


@dataclass(frozen=True)
class TrackColumns:
    """Tracks, and what can be computed from them once instead of in every batch.

    Attributes:
        tracks: all that was seen.
        row_track: (rows,) int32 index of each observation's track.
        row_motion: (rows, 5) float64, see :func:`forecast.data.backward_motion.backward_motion`.
        row_attribute: (rows,) int16 index into ``attribute_names``, −1 for none. Never an input of a model.
        attribute_names: (attributes,) e.g. ``vehicle.parked``.
        sample_first: (samples + 1,) int64; observations of key frame ``i`` are
            ``sample_rows[sample_first[i]:sample_first[i + 1]]``.
        sample_rows: (rows,) int32, in increasing order within a key frame.
    """

    tracks: Tracks
    row_track: NDArray[np.int32]
    row_motion: NDArray[np.float64]
    row_attribute: NDArray[np.int16]
    attribute_names: Strings
    sample_first: NDArray[np.int64]
    sample_rows: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        tracks: Tracks,
        row_attribute: NDArray[np.int16] | None = None,
        attribute_names: Strings = np.array([], np.str_),  # noqa: B008 - empty
    ) -> TrackColumns:
        """Compute all that follows from the tracks.

        Args:
            tracks: of the data set.
            row_attribute: (rows,) index into ``attribute_names``; by default none has one.
            attribute_names: (attributes,).
        """
        counts = np.bincount(tracks.row_sample, minlength=len(tracks.sample_tokens))
        return cls(
            tracks=tracks,
            row_track=tracks.row_track.astype(np.int32),
            row_motion=backward_motion(tracks),
            row_attribute=np.full(len(tracks.row_sample), -1, np.int16) if row_attribute is None else row_attribute,
            attribute_names=attribute_names,
            sample_first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            sample_rows=np.argsort(tracks.row_sample, kind="stable").astype(np.int32),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name."""
        own = {name: getattr(self, name) for name in own_names()}
        return {field.name: getattr(self.tracks, field.name) for field in fields(Tracks)} | own

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> TrackColumns:
        """The inverse of :meth:`arrays`.

        Raises:
            KeyError: an array is missing.
            ValueError: the arrays' shapes do not fit each other.
        """
        tracks = Tracks(**{field.name: arrays[field.name] for field in fields(Tracks)})
        return cls(tracks, **{name: arrays[name] for name in own_names()})


def own_names() -> tuple[str, ...]:
    """Names of the arrays that are not part of :class:`~forecast.core.tracks.Tracks`."""
    return tuple(field.name for field in fields(TrackColumns) if field.name != "tracks")
