"""Files of rows beside a file of truth, whole, for what shows them: the same readers and checks as scores have."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forecast.core.errors import DataError, DataWarning, SubmissionError
from forecast.core.files import as_text
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import read_forecasts, read_truth
from forecast.eval.formats.read_notes import Notes
from forecast.eval.matching import truth_for
from forecast.scoring.map_fit import NEAR, ON, misfit
from forecast.scoring.no_truth import why_no_truth
from forecast.scoring.report_document import named_files
from forecast.scoring.road_rules import Road
from forecast.scoring.truth_by_track import TruthByTrack, named_by_truth


@dataclass(frozen=True)
class RowsAndTruth:
    """Forecasts of several files beside one truth. World frame, metres; seconds on the truth's clock.

    Attributes:
        names: of the files, each another.
        forecasts: one entry a file; tracks are called as the truth calls them.
        truth: all of it, sorted by track.
    """

    names: tuple[str, ...]
    forecasts: tuple[ForecastRows, ...]
    truth: TruthRows


def read_rows_and_truth(
    paths: Sequence[Path | str], truth_path: Path | str, road: Road | None = None, *, skip_bad_rows: bool = False
) -> RowsAndTruth:
    """Read files of forecasts and the truth of their tracks.

    What the readers notice is told as warnings.

    Args:
        paths: Parquet or CSV (docs/forecasts-format.md), their rows in any order.
        truth_path: observations of the same tracks on the same clock.
        road: that the forecasts should begin on.
        skip_bad_rows: leave out rows that are wrong by themselves.

    Raises:
        SubmissionError: a file is not as documented, or no forecast has any truth.
        DataError: none of the forecasts begins anywhere near the road.
    """
    files, notes = [Path(path) for path in paths], Notes()
    truth = TruthByTrack(read_truth(truth_path, skip_bad_rows=skip_bad_rows, notes=notes))
    _tell(notes, truth_path)
    found = []
    for path in files:
        notes = Notes()
        rows = read_forecasts(path, skip_bad_rows=skip_bad_rows, notes=notes)
        _tell(notes, path)
        rows = named_by_truth(rows, truth, {}, path)
        _check_truth(rows, truth, path, str(truth_path))
        if road is not None:
            _check_road(rows, road, path)
        found.append(rows)
    return RowsAndTruth(tuple(name for name, _ in named_files(files)), tuple(found), truth.all)


def _check_truth(rows: ForecastRows, truth: TruthByTrack, path: Path, truth_path: str) -> None:
    """Refuse forecasts without any truth.

    Raises:
        SubmissionError: why.
    """
    tracks = np.unique(rows.track).tolist()
    _, valid = truth_for(rows, truth.of(tracks))
    if (valid & np.isfinite(rows.positions_m).all(-1).any(1)).any():
        return
    unknown = sorted(track for track in tracks if truth.known(track) is None)
    reach_s = rows.issue_time_s[:, None] + rows.own_lead_s
    why = why_no_truth(rows.track, truth, unknown, (float(reach_s.min()), float(reach_s.max())))
    raise SubmissionError(f"{path}: none of its {len(rows)} forecasts has a truth in {truth_path}; {why}")


def _check_road(rows: ForecastRows, road: Road, path: Path) -> None:
    """Refuse a map that lies nowhere near, and warn of one that hardly fits.

    Raises:
        DataError: none of the forecasts begins anywhere near it.
    """
    near = road.begin_near(rows.positions_m)
    said, nowhere = misfit(road.source, "forecasts begin", len(rows), near[ON], near[NEAR])
    if nowhere:
        raise DataError(f"{path}: {said}")
    if said:
        warnings.warn(f"{path}: {said}", DataWarning, stacklevel=4)


def _tell(notes: Notes, path: Path | str) -> None:
    for line in notes.warnings(as_text(path)):
        warnings.warn(line, DataWarning, stacklevel=4)
