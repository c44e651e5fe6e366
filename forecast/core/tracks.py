"""Everything that was seen in a data set, as columns: scenes, key frames, tracks and their observations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

    @property
    def row_time_us(self) -> NDArray[np.int64]:
        """(rows,) time of each observation in microseconds."""
        return self.sample_time_us[self.row_sample]
