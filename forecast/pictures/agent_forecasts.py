"""Forecasts of chosen agents of a data set, whatever they come from: a trained model, a submission, a file of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import SubmissionError
from forecast.core.files import as_text
from forecast.core.horizon import NUSCENES_HORIZON, Horizon
from forecast.core.rows import ForecastRows
from forecast.data.clock import check_step
from forecast.data.samples import Samples
from forecast.eval.formats.read_notes import Notes
from forecast.scoring.key_frame_leads import observations_at, refuse_straying

if TYPE_CHECKING:
    from forecast.data.cache import Dataset
    from forecast.prediction.predictor import BatchPredictor

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ForecastSource:
    """Where forecasts come from.

    Attributes:
        name: for people.
        of: forecasts of observations (agents,) of the data set that are time 0 of a target, one row each, in their
            order; NaN throughout where there is none.
        model: that makes them; None of files.
    """

    name: str
    of: Callable[[NDArray[np.int64]], ForecastRows]
    model: BatchPredictor | None = None


def open_forecasts(given: Path | str, dataset: Dataset, device: str = "cpu") -> ForecastSource:
    """Open a source of forecasts.

    Args:
        given: a model (:func:`forecast.prediction.model_names.open_model`); a submission (.json); or rows (.parquet,
            .csv) whose tracks are instance tokens and whose times of issue are the key frames' time stamps in seconds.
        dataset: whose agents are asked for.
        device: where a model computes.

    Raises:
        ForecastError: it cannot be read, or is of another data set.
    """
    path = Path(given)
    if path.suffix.lower() == ".json":
        return ForecastSource(as_text(path.stem), _of_submission(path, dataset))
    if path.suffix.lower() in (".parquet", ".csv"):
        return ForecastSource(as_text(path.stem), _of_rows(path, dataset))
    from forecast.prediction.model_names import open_model

    predictor = open_model(given, device)
    name = as_text(path.stem if path.suffix else path.name)
    return ForecastSource(name, _of_model(predictor, dataset), predictor)


def _of_model(predictor: BatchPredictor, dataset: Dataset) -> Callable[[NDArray[np.int64]], ForecastRows]:
    from forecast.data.dataset import AgentDataset
    from forecast.data.map_crops import crop_adder
    from forecast.prediction.predictor import world_forecast

    config = predictor.config
    add_crops = None if config.map_crop is None else crop_adder(dataset, config.map_crop)

    def of(rows: NDArray[np.int64]) -> ForecastRows:
        batch = AgentDataset.read_by(config, dataset, Samples(rows)).batch(range(len(rows)))
        forecast = world_forecast(predictor, batch, add_crops)
        positions, probabilities = forecast.positions_m.numpy(), forecast.probabilities.numpy()
        return _at(dataset, rows, positions, probabilities, config.horizon.step_s)

    return of


def _of_submission(path: Path, dataset: Dataset) -> Callable[[NDArray[np.int64]], ForecastRows]:
    from forecast.eval.formats.submission_json import agent_samples, read_submission

    notes = Notes()
    whole = read_submission(path, steps=None, notes=notes)
    notes.warn(as_text(path))
    entry_of = {name: entry for entry, name in enumerate(agent_samples(whole))}

    def of(rows: NDArray[np.int64]) -> ForecastRows:
        check_step(dataset.tracks, NUSCENES_HORIZON, dataset.where, rows)
        tracks = dataset.tracks
        agents, frames = tracks.track_tokens[tracks.track_of(rows)], tracks.sample_tokens[tracks.row_sample[rows]]
        names = zip(agents.tolist(), frames.tolist(), strict=True)
        return _chosen(whole, [entry_of.get(name, -1) for name in names], dataset, rows)

    return of


def _of_rows(path: Path, dataset: Dataset) -> Callable[[NDArray[np.int64]], ForecastRows]:
    from forecast.eval.forecasts import read_forecasts

    notes = Notes()
    rows_read = read_forecasts(path, notes=notes)
    tracks = dataset.tracks
    observations = observations_at(rows_read, tracks)
    known = observations >= 0
    entry_of = dict(zip(observations[known].tolist(), np.flatnonzero(known).tolist(), strict=True))
    if not entry_of:
        raise SubmissionError(
            f"{path}: none of its {len(rows_read)} rows is of an agent and key frame of {dataset.dataroot}; expected "
            "instance tokens as tracks and the key frames' time stamps in seconds as issue times"
        )
    samples = np.where(known, tracks.row_sample[observations], -1)
    refuse_straying(rows_read, tracks, samples, str(path))
    replace(notes, stray_s=0.0).warn(as_text(path))
    step = Horizon(step_s=float(rows_read.lead_s[0]))  # pictures set point n beside key frame n

    def of(rows: NDArray[np.int64]) -> ForecastRows:
        check_step(tracks, step, dataset.where, rows)
        return _chosen(rows_read, [entry_of.get(row, -1) for row in rows.tolist()], dataset, rows)

    return of


def _chosen(whole: ForecastRows, entries: list[int], dataset: Dataset, rows: NDArray[np.int64]) -> ForecastRows:
    """Some entries, of the observations ``rows``; −1 gives an agent without a forecast."""
    at = np.array(entries, dtype=np.int64)
    positions, probabilities = whole.positions_m[at], whole.probabilities[at]
    positions[at < 0], probabilities[at < 0] = np.nan, np.nan
    return _at(dataset, rows, positions, probabilities, float(whole.lead_s[0]))


def _at(
    dataset: Dataset, rows: NDArray[np.int64], positions_m: Floats, probabilities: Floats, step_s: float
) -> ForecastRows:
    """Forecasts of observations, under the names that the data set has for them."""
    tracks, samples = dataset.tracks, dataset.tracks.row_sample[rows]
    return ForecastRows.at_key_frames(
        tracks.track_tokens[tracks.track_of(rows)],
        tracks.sample_tokens[samples],
        positions_m,
        probabilities,
        issue_time_s=tracks.sample_time_us[samples] * 1e-6,
        step_s=step_s,
    )
