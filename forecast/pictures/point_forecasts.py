"""What successive forecasts predicted for one place and time of an agent: what dispersion and convergence measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import DataError, SubmissionError
from forecast.core.rows import ForecastRows
from forecast.core.tracks import Tracks
from forecast.eval.consistency import convergence_of, dispersion_of
from forecast.pictures.agent_forecasts import ForecastSource

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Successive:
    """Forecasts of one agent, issued one after the other, and the point that all of them reach. World frame.

    Attributes:
        rows: (steps,) observations at which they were issued; the first is ``steps`` before the point, the last one
            step.
        forecasts: of the same, in that order.
        point_row: the observation that is the point: where the agent really was at t̂.
        truth_m: (steps + 1, 2) where it was at each issue, and at last the point.
        step_s: seconds between two of them.
    """

    rows: NDArray[np.int64]
    forecasts: ForecastRows
    point_row: int
    truth_m: Floats
    step_s: float

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def predicted_m(self) -> Floats:
        """(steps, 2) position that each forecast's most likely mode predicted for the point, in order of issue."""
        paths, steps = self.forecasts.most_likely_m(), len(self)
        predicted: Floats = paths[np.arange(steps), steps - 1 - np.arange(steps)]
        return predicted

    @property
    def lead_s(self) -> Floats:
        """(steps,) seconds from each issue to the point."""
        lead: Floats = self.step_s * np.arange(len(self), 0, -1)
        return lead

    @property
    def off_m(self) -> Floats:
        """(steps,) distance of the predicted positions from the truth."""
        distance: Floats = np.linalg.norm(self.predicted_m - self.truth_m[-1], axis=1)
        return distance

    def dispersion_m(self, issued: int) -> float:
        """D over the first ``issued`` forecasts, metres; over all of them it is the metric."""
        return float(dispersion_of(self.predicted_m[None, :issued][:, ::-1]).values[0])

    def within_s(self, tau_m: float, issued: int) -> float:
        """Seconds for which the newest of the first ``issued`` forecasts have been within τ without a break.

        Over all of them it is the metric, convergence-to-range.
        """
        newest_first = self.predicted_m[None, :issued][:, ::-1]
        return float(convergence_of(newest_first, self.truth_m[-1:], tau_m=tau_m, step_s=self.step_s).values[0])


def points_of(tracks: Tracks, track: int, steps: int) -> NDArray[np.int64]:
    """(points,) observations of a track before which it was seen, and had a past, at each of the ``steps`` key frames.

    Args:
        tracks: the data set.
        track: index of the track.
        steps: of a forecast.
    """
    first, end = tracks.first_row[track : track + 2].tolist()
    rows = np.arange(first + steps + 1, end)
    unbroken: NDArray[np.int64] = rows[tracks.row_sample[rows] - tracks.row_sample[rows - steps] == steps]
    return unbroken


def successive_at(tracks: Tracks, row: int, source: ForecastSource, *, steps: int, step_s: float) -> Successive:
    """Gather the forecasts about one observation.

    Args:
        tracks: the data set.
        row: the observation at t̂.
        source: of the forecasts.
        steps: of a forecast, which is how many there are about the point.
        step_s: seconds a step.

    Raises:
        DataError: the agent was not seen at all key frames before.
        SubmissionError: the source lacks a forecast, or its forecasts are shorter.
    """
    track = int(tracks.track_of(row))
    if row not in points_of(tracks, track, steps):
        raise DataError(
            f"instance {tracks.track_tokens[track]} has no past at each of the {steps} key frames before the chosen "
            "one; choose a later key frame, or another agent"
        )
    rows = np.arange(row - steps, row)
    forecasts = source.of(rows)
    if forecasts.positions_m.shape[2] < steps or not forecasts.known.all():
        missing = (
            f"a forecast of {steps} steps" if forecasts.known.all() else f"{int((~forecasts.known).sum())} forecasts"
        )
        raise SubmissionError(
            f"{source.name}: lacks {missing} of instance {tracks.track_tokens[track]}; "
            "successive forecasts need one at every key frame: write them with --dense"
        )
    return Successive(rows, forecasts, row, tracks.row_position_m[row - steps : row + 1], step_s)
