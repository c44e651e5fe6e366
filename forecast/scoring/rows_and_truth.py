"""Files of rows beside a file of truth, whole, for what shows them: the same readers and checks as scores have."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forecast.core.errors import DataWarning
from forecast.core.files import as_text
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import read_forecasts, read_truth
from forecast.eval.formats.read_notes import Notes
from forecast.eval.matching import truth_for
from forecast.scoring.map_fit import NEAR, ON, refuse_misfit
from forecast.scoring.no_truth import no_truth, reach_s_of
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
    notes.warn(as_text(truth_path))
    found = []
    for path in files:
        notes = Notes()
        rows = read_forecasts(path, skip_bad_rows=skip_bad_rows, notes=notes)
        notes.warn(as_text(path))
        rows = named_by_truth(rows, truth, {}, path)
        _check_truth(rows, truth, path, str(truth_path))
        if road is not None:
            near = road.begin_near(rows.positions_m)
            said = refuse_misfit(path, road.source, len(rows), near[ON], near[NEAR])
            if said:
                warnings.warn(f"{path}: {said}", DataWarning, stacklevel=2)
        found.append(rows)
    return RowsAndTruth(tuple(name for name, _ in named_files(files)), tuple(found), truth.all)


def _check_truth(rows: ForecastRows, truth: TruthByTrack, path: Path, truth_path: str) -> None:
    """Refuse forecasts without any truth.

    Raises:
        SubmissionError: why.
    """
    _, valid = truth_for(rows, truth.of(np.unique(rows.track).tolist()))
    if not (valid & np.isfinite(rows.positions_m).all(-1).any(1)).any():
        raise no_truth(path, rows.track, truth, truth_path, reach_s_of(rows))
