"""Rows of forecasts on a data set: at which key frames they were issued, and whether their points are at the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows
from forecast.core.tracks import Tracks
from forecast.eval.matching import lead_step_s

#: A point may be so many steps before or after its key frame.
_STRAY_STEPS = 0.1


#: A row's time of issue may differ from its key frame's time stamp by this much.
_TOLERANCE_S = 0.05


def observations_at(rows: ForecastRows, tracks: Tracks) -> NDArray[np.int64]:
    """(rows,) the observation that each was issued at, by its instance token and time; −1 where there is none."""
    index = {token: number for number, token in enumerate(tracks.track_tokens.tolist())}
    found = np.full(len(rows), -1, dtype=np.int64)
    for entry, (token, issue_s) in enumerate(zip(rows.track.tolist(), rows.issue_time_s.tolist(), strict=True)):
        if (track := index.get(token)) is not None:
            nearest, off_s = nearest_observation(tracks, track, issue_s)
            found[entry] = nearest if off_s <= _TOLERANCE_S else -1
    return found


def nearest_observation(tracks: Tracks, track: int, time_s: float) -> tuple[int, float]:
    """The observation of a track that is nearest to a time, and how far it is off, seconds."""
    first, end = tracks.first_row[track : track + 2].tolist()
    off_s = np.abs(tracks.sample_time_us[tracks.row_sample[first:end]] * 1e-6 - time_s)
    nearest = int(off_s.argmin())
    return first + nearest, float(off_s[nearest])


def refuse_straying(rows: ForecastRows, tracks: Tracks, samples: NDArray[np.int64], where: str) -> None:
    """Refuse rows whose own leads are neither even nor those of the key frames after them.

    Key frames of nuScenes come 0.4 to 0.6 s apart, so that a point at the real time stamp of its key frame may stray
    from an even lead.

    Args:
        rows: with leads of their own, or not.
        tracks: of the data set.
        samples: (rows,) key frame that each was issued at; −1 if none, where nothing is looked at.
        where: the file.

    Raises:
        SubmissionError: in one line, which row strays by how much.
    """
    if rows.row_lead_s is None:
        return
    steps, last = len(rows.lead_s), len(tracks.sample_scene) - 1
    frame = samples[:, None] + np.arange(1, steps + 1)
    at = np.minimum(frame, last)
    there = (
        (samples >= 0)[:, None] & (frame <= last) & (tracks.sample_scene[at] == tracks.sample_scene[samples][:, None])
    )
    real_s = (tracks.sample_time_us[at] - tracks.sample_time_us[samples][:, None]) * 1e-6
    off_s = np.minimum(np.abs(rows.row_lead_s - real_s), np.abs(rows.row_lead_s - rows.lead_s))
    off_s = np.where(there, off_s, 0.0)
    step_s = lead_step_s(rows)
    if off_s.max(initial=0.0) <= _STRAY_STEPS * step_s:
        return
    row, step = np.unravel_index(int(off_s.argmax()), off_s.shape)
    raise SubmissionError(
        f"{where}: row {row} ({rows.track[row]}): point {step} is {rows.row_lead_s[row, step]:.6g} s ahead, its key "
        f"frame {real_s[row, step]:.6g} s; on a data set point n is compared with key frame n, expected within "
        f"{_STRAY_STEPS * step_s:.2g} s: interpolate the points, or score against rows of truth (--truth)"
    )
