"""Everything that was seen in a data set, as columns: scenes, key frames, tracks and their observations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import DataError, one_of

Strings = NDArray[np.str_]


@dataclass(frozen=True)
class Tracks:
    """Agents' tracks over key frames. World frame, metres and radians, float64.

    Four tables of columns; ``*_scene``, ``*_sample`` and ``first_row`` are indices into them. Observations
    ("rows") are sorted by track, then time; samples (key frames) by scene, then time. The ego vehicle is a track like
    any other, one per scene, of category ``vehicle.ego``.

    Attributes:
        scene_names: (scenes,) e.g. ``scene-0061``.
        scene_maps: (scenes,) name of the map the scene lies on, e.g. ``boston-seaport``.
        sample_tokens: (samples,).
        sample_time_us: (samples,) int64 microseconds.
        sample_scene: (samples,) int32.
        track_tokens: (tracks,) instance tokens.
        track_categories: (tracks,) e.g. ``vehicle.car``.
        track_types: (tracks,) int8, :class:`~forecast.core.agents.AgentType`.
        track_scene: (tracks,) int32.
        first_row: (tracks + 1,) int64; rows of track ``i`` are ``first_row[i]:first_row[i + 1]``.
        row_sample: (rows,) int32, strictly increasing within a track.
        row_position_m: (rows, 2) float64 x, y of the box centre.
        row_heading_rad: (rows,) float64 yaw of the box.
        row_size_m: (rows, 2) float32 length, width.
    """

    scene_names: Strings
    scene_maps: Strings
    sample_tokens: Strings
    sample_time_us: NDArray[np.int64]
    sample_scene: NDArray[np.int32]
    track_tokens: Strings
    track_categories: Strings
    track_types: NDArray[np.int8]
    track_scene: NDArray[np.int32]
    first_row: NDArray[np.int64]
    row_sample: NDArray[np.int32]
    row_position_m: NDArray[np.float64]
    row_heading_rad: NDArray[np.float64]
    row_size_m: NDArray[np.float32]

    def __post_init__(self) -> None:
        scenes, samples, tracks = len(self.scene_names), len(self.sample_tokens), len(self.track_tokens)
        rows = int(self.first_row[-1]) if len(self.first_row) else 0
        expected: dict[str, tuple[int, ...]] = {
            "scene_maps": (scenes,),
            "sample_time_us": (samples,),
            "sample_scene": (samples,),
            "track_categories": (tracks,),
            "track_types": (tracks,),
            "track_scene": (tracks,),
            "first_row": (tracks + 1,),
            "row_sample": (rows,),
            "row_position_m": (rows, 2),
            "row_heading_rad": (rows,),
            "row_size_m": (rows, 2),
        }
        for name, shape in expected.items():
            found: NDArray[Any] = getattr(self, name)
            if found.shape != shape:
                raise ValueError(f"Tracks.{name}: expected shape {shape}, got {found.shape}")

    @property
    def row_track(self) -> NDArray[np.int64]:
        """(rows,) index of each observation's track."""
        return np.repeat(np.arange(len(self.track_tokens)), np.diff(self.first_row))

    def track_of(self, rows: Any) -> NDArray[np.int64]:
        """Index of the track of some observations, in the shape of ``rows``; without going through all of them."""
        found: NDArray[np.int64] = np.searchsorted(self.first_row, rows, side="right") - 1
        return found

    def frames_of(self, scene: str) -> NDArray[np.int64]:
        """(frames,) indices of a scene's key frames, in order.

        Raises:
            DataError: no such scene.
        """
        names = self.scene_names.tolist()
        if scene not in names:
            raise DataError(f"no scene {scene!r} in this data set; {one_of(names, scene)}")
        return np.flatnonzero(self.sample_scene == names.index(scene))

    @property
    def row_time_us(self) -> NDArray[np.int64]:
        """(rows,) time of each observation in microseconds."""
        return self.sample_time_us[self.row_sample]
