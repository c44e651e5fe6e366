"""Joins forecasts with the data set that they are of: which agent, where, when, and what really happened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import DataError, SubmissionError
from forecast.core.files import as_text
from forecast.core.horizon import NUSCENES_HORIZON, Horizon
from forecast.core.rows import ForecastRows, TruthRows
from forecast.core.tracks import Tracks
from forecast.data.clock import check_step
from forecast.data.prepared import Dataset
from forecast.eval.forecasts import read_forecasts
from forecast.eval.formats.argoverse2_submission import is_argoverse2_submission, read_argoverse2_submission
from forecast.eval.formats.given_table import RowsGiven, as_given
from forecast.eval.formats.read_notes import Notes
from forecast.eval.formats.submission_json import agent_samples, check_values, read_submission
from forecast.prediction.key_frame_future import key_frame_future
from forecast.scoring.key_frame_leads import nearest_observation, observations_at, refuse_straying

#: Endings of files of rows.
_ROWS = (".parquet", ".csv")
_STEPS = NUSCENES_HORIZON.future_steps
_LEAD_S = NUSCENES_HORIZON.step_s * np.arange(1, _STEPS + 1)


def read_for_dataset(path: RowsGiven, dataset: Dataset, warnings: list[str] | None = None) -> ForecastRows:
    """Read forecasts of a data set: a submission, or rows whose times of issue are the key frames' time stamps.

    Args:
        path: JSON, Parquet or CSV; Parquet of Argoverse 2's submissions too; or a table in the place of a file of rows.
        dataset: that they are of.
        warnings: where to add what was noticed, one line each.

    Returns:
        Rows with the tokens of their key frames, whose time stamps are the times of issue; point n is key frame n.

    Raises:
        SubmissionError: in one line, which entry, what was found and what was expected.
    """
    file, notes = as_given(path, "forecasts"), Notes()
    where = str(file)
    if isinstance(file, Path) and is_argoverse2_submission(file):
        rows = _timed(read_argoverse2_submission(file, step_s=NUSCENES_HORIZON.step_s), dataset, where)
    elif isinstance(file, Path) and file.suffix.lower() not in _ROWS:
        rows = _timed(read_submission(file, notes=notes), dataset, where)
    else:
        rows = _at_key_frames(read_forecasts(file, notes=notes), dataset, where)
    if warnings is not None:
        # Leads that stray farther than is noticed here have been refused, or are the key frames' own.
        warnings.extend(replace(notes, stray_s=0.0).warnings(as_text(file)))
    return rows


def _timed(rows: ForecastRows, dataset: Dataset, where: str) -> ForecastRows:
    """A submission with the time stamps of its key frames."""
    tracks, found = dataset.tracks, observations_of(rows, dataset, where)
    return replace(rows, issue_time_s=tracks.sample_time_us[tracks.row_sample[found]] * 1e-6)


def _at_key_frames(rows: ForecastRows, dataset: Dataset, where: str) -> ForecastRows:
    """Rows with the tokens of their key frames."""
    if len(rows.lead_s) != _STEPS or not np.allclose(rows.lead_s, _LEAD_S, rtol=0, atol=1e-6):
        raise SubmissionError(
            f"{where}: leads of {rows.lead_s[0]:g} to {rows.lead_s[-1]:g} s, {len(rows.lead_s)} of them; on a data "
            f"set rows are scored at {_LEAD_S[0]:g}, {_LEAD_S[1]:g}, … {_LEAD_S[-1]:g} s (or with --truth at any)"
        )
    samples = _key_frames(rows, dataset, where)
    refuse_straying(rows, dataset.tracks, samples, where)
    # Point n is that of key frame n from here on.
    placed = replace(rows, row_lead_s=None, sample_tokens=dataset.tracks.sample_tokens[samples])
    check_values(placed, where)
    return placed


def _key_frames(rows: ForecastRows, dataset: Dataset, where: str) -> NDArray[np.int64]:
    """Key frame that each row was issued at, told by its time stamp."""
    tracks = dataset.tracks
    found = observations_at(rows, tracks)
    if (found >= 0).all():
        return tracks.row_sample[found].astype(np.int64)
    entry = int((found < 0).argmax())
    token, issue_s = str(rows.track[entry]), float(rows.issue_time_s[entry])
    known = np.flatnonzero(tracks.track_tokens == token)
    if not len(known):
        raise SubmissionError(
            f"{where}: row {entry}: no annotated instance {token!r} in {dataset.where}; rows "
            "are scored on a data set by instance tokens, or on rows of truth (--truth)"
        )
    nearest, _ = nearest_observation(tracks, int(known[0]), issue_s)
    raise SubmissionError(
        f"{where}: row {entry}: instance {token} was not seen at issue_time_s {issue_s:.3f}; expected the time stamp "
        f"of one of its key frames in seconds, the nearest is {tracks.row_time_us[nearest] * 1e-6:.3f}"
    )


@dataclass(frozen=True)
class Joined:
    """Forecasts beside their data set. World frame, float64.

    Attributes:
        forecasts: all of them.
        tracks: the data set.
        rows: (entries,) each entry's observation at time 0.
        future_m: (entries, steps, 2) annotated future; NaN where there is none.
        official: indices of the entries that are the split's agent-samples, in the split's order.
        missing: agent-samples of the split without an entry.
        horizon: the time axis.
    """

    forecasts: ForecastRows
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
        return replace(
            self.forecasts.take(chosen),
            track=self.tracks.track_tokens[self.tracks.track_of(rows)],
            issue_time_s=_clock_s(self.tracks, self.horizon)[self.tracks.row_sample[rows]],
            lead_s=self.horizon.step_s * np.arange(1, self.horizon.future_steps + 1),
            sample_tokens=None,
        )

    def truth_rows(self) -> TruthRows:
        """All observations of the tracks that are forecast, on the same clock."""
        track = self.tracks.row_track
        kept = np.isin(track, self.tracks.track_of(self.rows))
        return TruthRows(
            self.tracks.track_tokens[track[kept]],
            _clock_s(self.tracks, self.horizon)[self.tracks.row_sample[kept]],
            self.tracks.row_position_m[kept],
        )


def _clock_s(tracks: Tracks, horizon: Horizon) -> NDArray[np.float64]:
    """(samples,) time since the scene's first key frame, counted in key frames."""
    first = np.searchsorted(tracks.sample_scene, np.arange(len(tracks.scene_names)))
    return (np.arange(len(tracks.sample_tokens)) - first[tracks.sample_scene]) * horizon.step_s


def join(forecasts: ForecastRows, dataset: Dataset, split: str, where: str, *, allow_missing: bool = False) -> Joined:
    """Join forecasts with their data set.

    Args:
        forecasts: with ``sample_tokens``: the split's agent-samples and, where dense, more of the same scenes.
        dataset, split: what it was made for. Of a view of some locations, forecasts of other ones are left out.
        where: the file, for messages.
        allow_missing: accept that agent-samples of the split have no forecast.

    Raises:
        SubmissionError: an unknown agent, one of another split's scenes, or a missing one.
        DataError: key frames are not half a second apart, as the forecasts' points are.
    """
    rows = observations_of(forecasts, dataset, where)
    here = dataset.is_at_locations(rows)
    if not here.all():
        forecasts, rows = forecasts.take(here), rows[here]
    _check_scenes(forecasts, dataset, rows, split, where)
    check_step(dataset.tracks, NUSCENES_HORIZON, dataset.where, rows)
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
    future = key_frame_future(dataset.tracks, rows, forecasts.positions_m.shape[2])
    return Joined(forecasts, dataset.tracks, rows, future, official, missing)


def observations_of(forecasts: ForecastRows, dataset: Dataset, where: str) -> NDArray[np.int64]:
    """(rows,) the observation that is each forecast's time 0, by the tokens of its agent and its key frame.

    Raises:
        SubmissionError: one that the data set does not have.
    """
    found = np.zeros(len(forecasts), dtype=np.int64)
    for entry, (agent, sample) in enumerate(agent_samples(forecasts)):
        try:
            found[entry] = dataset.locate(agent, sample)
        except DataError as fault:
            raise SubmissionError(f"{where}: entry {entry}: {fault}; is this the data set it was made for?") from None
    return found


def _check_scenes(forecasts: ForecastRows, dataset: Dataset, rows: NDArray[np.int64], split: str, where: str) -> None:
    tracks = dataset.tracks
    names = tracks.scene_names[tracks.sample_scene[tracks.row_sample[rows]]]
    outside = ~np.isin(names, dataset.scenes_of(split))
    if outside.any():
        entry = int(outside.argmax())
        name = "_".join(agent_samples(forecasts)[entry])
        raise SubmissionError(
            f"{where}: entry {entry} ({name}) is of {names[entry]}, which is no scene of {split}; "
            f"{int(outside.sum())} entries are; give the split they were made for"
        )
