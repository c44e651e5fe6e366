"""Where targets really went, counted in key frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Float64, Int64
from forecast.core.tracks import Tracks


def key_frame_future(
    tracks: Tracks, rows: Int64[NDArray[np.int64], "n"], steps: int
) -> Float64[NDArray[np.float64], "n steps 2"]:
    """Annotated positions at the key frames after each observation.

    Args:
        tracks: the data set.
        rows: (n,) observations that are the present of a target.
        steps: key frames ahead; step ``i`` of the answer is ``i + 1`` key frames after the present.

    Returns:
        (n, steps, 2) world frame, metres; NaN where the target was not annotated at that key frame.
    """
    end = tracks.first_row[1:][tracks.track_of(rows)]
    future = np.full((len(rows), steps, 2), np.nan)
    # A track may miss key frames, so the next observations are placed by the key frame they were made at.
    for ahead in range(1, steps + 1):
        here = np.flatnonzero(rows + ahead < end)
        step = tracks.row_sample[rows[here] + ahead] - tracks.row_sample[rows[here]] - 1
        within = step < steps
        future[here[within], step[within]] = tracks.row_position_m[rows[here[within]] + ahead]
    return future
