"""Checks the time stamps of key frames: microseconds, and the time step that a forecaster expects."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import DataError
from forecast.core.horizon import Horizon
from forecast.core.tracks import Tracks

#: Key frames that lie nearer together or further apart than this are not in microseconds.
_NEAREST_S, _FURTHEST_S = 0.005, 15.0
#: Two key frames of one scene are not in one unit if they seem to be further apart than this.
_DAY_S = 86_400.0
#: Unit → how many of it a microsecond is.
_UNITS = {"nanoseconds": 1e3, "milliseconds": 1e-3, "seconds": 1e-6}
#: What key frames are apart in nuScenes.
_USUAL_S = 0.5
#: A scene's step may differ from a horizon's by this share; nuScenes' own steps vary by 0.2.
_STEP_TOLERANCE = 0.25
#: A gap this many times as long as its scene's step has lost a key frame.
_LONG_GAP = 1.5


def step_by_scene_s(
    scenes: int, sample_scene: NDArray[np.int32], sample_time_us: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Median seconds between successive key frames.

    Args:
        scenes: how many there are.
        sample_scene: (samples,) index of each key frame's scene, sorted.
        sample_time_us: (samples,) sorted within a scene.

    Returns:
        (scenes,) NaN for a scene of one key frame.
    """
    first = np.searchsorted(sample_scene, np.arange(scenes + 1))
    gaps = [np.diff(sample_time_us[first[i] : first[i + 1]]) for i in range(scenes)]
    return np.array([np.median(gap) * 1e-6 if len(gap) else np.nan for gap in gaps], np.float64)


def check_microseconds(
    path: Path, scene_names: list[str], sample_scene: NDArray[np.int32], sample_time_us: NDArray[np.int64]
) -> None:
    """Refuse time stamps of another unit, be it in one scene alone or within one.

    Args:
        path: the table they come from.
        scene_names: (scenes,).
        sample_scene, sample_time_us: as of :func:`step_by_scene_s`.

    Raises:
        DataError: says which unit it probably is.
    """
    step_s = step_by_scene_s(len(scene_names), sample_scene, sample_time_us)
    off = (step_s < _NEAREST_S) | (step_s > _FURTHEST_S)
    if off.any():
        scene = int(off.argmax())
        unit = min(_UNITS, key=lambda name: abs(math.log(step_s[scene] / _UNITS[name] / _USUAL_S)))
        raise DataError(
            f"{path}: the key frames of {scene_names[scene]} are {_seconds(step_s[scene])} apart, so their time "
            f"stamps look like {unit}; expected microseconds ({int(off.sum())} of {len(off)} scenes)"
        )
    gap_s = np.diff(sample_time_us) * 1e-6
    apart = (np.diff(sample_scene) == 0) & (gap_s > _DAY_S)
    if apart.any():
        at = int(apart.argmax())
        raise DataError(
            f"{path}: two successive key frames of {scene_names[sample_scene[at]]} are {gap_s[at] / _DAY_S:,.0f} days "
            f"apart ({sample_time_us[at]} and {sample_time_us[at + 1]}); expected microseconds throughout"
        )


def check_step(tracks: Tracks, horizon: Horizon, where: str = "", rows: NDArray[np.int64] | None = None) -> None:
    """Refuse a horizon whose step is not that of the key frames, by more than a quarter, in any scene.

    Args:
        tracks: the data set.
        horizon: whose steps count key frames.
        where: the folder, for the message.
        rows: (n,) observations; only their scenes are looked at. All scenes by default.

    Raises:
        DataError: names the first such scene.
    """
    step_s = step_by_scene_s(len(tracks.scene_names), tracks.sample_scene, tracks.sample_time_us)
    off = np.abs(step_s / horizon.step_s - 1) > _STEP_TOLERANCE
    if rows is not None:
        asked = np.zeros(len(off), np.bool_)
        asked[tracks.sample_scene[tracks.row_sample[rows]]] = True
        off &= asked
    if off.any():
        scene, told = int(off.argmax()), f"{where}: " if where else ""
        raise DataError(
            f"{told}key frames are {_seconds(step_s[scene])} apart in {tracks.scene_names[scene]}, but the horizon's "
            f"steps are {horizon.step_s} s; steps count key frames"
            + (f": keep one every {horizon.step_s} s" if step_s[scene] < horizon.step_s else "")
        )


def long_gaps(tracks: Tracks) -> tuple[int, str]:
    """Gaps between key frames that are half as long again as their scene's step: a key frame is missing there.

    Returns:
        How many, and the longest one in words.
    """
    step_s = step_by_scene_s(len(tracks.scene_names), tracks.sample_scene, tracks.sample_time_us)
    gap_s = np.diff(tracks.sample_time_us) * 1e-6
    scene = tracks.sample_scene[:-1]
    long = (np.diff(tracks.sample_scene) == 0) & (gap_s > _LONG_GAP * step_s[scene])
    if not long.any():
        return 0, ""
    at = int(np.where(long, gap_s, 0).argmax())
    return int(long.sum()), f"{_seconds(gap_s[at])} in {tracks.scene_names[scene[at]]}"


def _seconds(value: float) -> str:
    return f"{value:,.2f} s" if value >= 0.01 else f"{value:.2g} s"
