"""Joins a nuScenes submission with its data set: which agent, where, when, and what really happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import DataError, SubmissionError
from forecast.core.horizon import NUSCENES_HORIZON, Horizon
from forecast.core.rows import ForecastRows, TruthRows
from forecast.core.tracks import Tracks
from forecast.data.clock import check_step
from forecast.eval.submission import Submission
from forecast.prediction.future import key_frame_future

if TYPE_CHECKING:
    from forecast.data.cache import Dataset


@dataclass(frozen=True)
class Joined:
    """A submission beside its data set. World frame, float64.

    Attributes:
        submission: the forecasts, all of them.
        tracks: the data set.
        rows: (entries,) each entry's observation at time 0.
        future_m: (entries, steps, 2) annotated future; NaN where there is none.
        official: indices of the entries that are the split's agent-samples, in the split's order.
        missing: agent-samples of the split without an entry.
        horizon: the time axis.
    """

    submission: Submission
    tracks: Tracks
    rows: NDArray[np.int64]
    future_m: NDArray[np.float64]
    official: NDArray[np.int64]
    missing: int
    horizon: Horizon = NUSCENES_HORIZON

    @property
    def locations(self) -> NDArray[np.str_]:
        """(entries,) map each agent is on."""
        return self.tracks.scene_maps[self.scenes]

    @property
    def scenes(self) -> NDArray[np.int64]:
        """(entries,) index of each agent's scene."""
        scene: NDArray[np.int64] = self.tracks.sample_scene[self.tracks.row_sample[self.rows]].astype(np.int64)
        return scene

    def forecast_rows(self, entries: NDArray[np.int64] | None = None) -> ForecastRows:
        """The forecasts on the clock of key frames (one is ``step_s``): leads count key frames."""
        chosen = np.arange(len(self.rows)) if entries is None else entries
        rows = self.rows[chosen]
        return ForecastRows(
            self.tracks.track_tokens[_track_of(self.tracks, rows)],
            _clock_s(self.tracks, self.horizon)[self.tracks.row_sample[rows]],
            self.horizon.step_s * np.arange(1, self.horizon.future_steps + 1),
            self.submission.positions_m[chosen],
            self.submission.probabilities[chosen],
        )

    def truth_rows(self) -> TruthRows:
        """All observations of the tracks that are forecast, on the same clock."""
        track = self.tracks.row_track
        kept = np.isin(track, _track_of(self.tracks, self.rows))
        return TruthRows(
            self.tracks.track_tokens[track[kept]],
            _clock_s(self.tracks, self.horizon)[self.tracks.row_sample[kept]],
            self.tracks.row_position_m[kept],
        )


def _track_of(tracks: Tracks, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted(tracks.first_row, rows, side="right") - 1


def _clock_s(tracks: Tracks, horizon: Horizon) -> NDArray[np.float64]:
    """(samples,) time since the scene's first key frame, counted in key frames."""
    first = np.searchsorted(tracks.sample_scene, np.arange(len(tracks.scene_names)))
    return (np.arange(len(tracks.sample_tokens)) - first[tracks.sample_scene]) * horizon.step_s


def join(submission: Submission, dataset: Dataset, split: str, where: str, *, allow_missing: bool = False) -> Joined:
    """Join a submission with its data set.

    Args:
        submission: the forecasts: the split's agent-samples and, where dense, more of the same scenes.
        dataset, split: what it was made for.
        where: the file, for messages.
        allow_missing: accept that agent-samples of the split have no forecast.

    Raises:
        SubmissionError: an unknown agent, one of another split's scenes, or a missing one.
        DataError: key frames are not half a second apart, as a submission's points are.
    """
    rows = np.array([_locate(dataset, submission, entry, where) for entry in range(len(submission))], dtype=np.int64)
    _check_scenes(submission, dataset, rows, split, where)
    check_step(dataset.tracks, NUSCENES_HORIZON, str(dataset.dataroot / dataset.version), rows)
    wanted = dataset.samples(split).rows
    entry_of = {row: entry for entry, row in enumerate(rows.tolist())}
    found = [entry_of.get(row, -1) for row in wanted.tolist()]
    official = np.array([entry for entry in found if entry >= 0], dtype=np.int64)
    missing = len(found) - len(official)
    if missing and not allow_missing:
        first = dataset.samples(split)[np.array([found.index(-1)])].tokens(dataset.tracks)[0]
        raise SubmissionError(
            f"{where}: no forecast for {missing} of the {len(wanted)} agent-samples of {split}, e.g. {first}; "
            "add them, or pass --allow-missing"
        )
    future = key_frame_future(dataset.tracks, rows, submission.positions_m.shape[2])
    return Joined(submission, dataset.tracks, rows, future, official, missing)


def _locate(dataset: Dataset, submission: Submission, entry: int, where: str) -> int:
    try:
        return dataset.locate(str(submission.instance_tokens[entry]), str(submission.sample_tokens[entry]))
    except DataError as fault:
        raise SubmissionError(f"{where}: entry {entry}: {fault}; is this the data set it was made for?") from None


def _check_scenes(submission: Submission, dataset: Dataset, rows: NDArray[np.int64], split: str, where: str) -> None:
    tracks = dataset.tracks
    names = tracks.scene_names[tracks.sample_scene[tracks.row_sample[rows]]]
    outside = ~np.isin(names, dataset.scenes_of(split))
    if outside.any():
        entry = int(outside.argmax())
        raise SubmissionError(
            f"{where}: entry {entry} ({submission.tokens[entry]}) is of {names[entry]}, which is no scene of {split}; "
            f"{int(outside.sum())} entries are; give the split they were made for"
        )
