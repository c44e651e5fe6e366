"""Scores files of rows against rows of truth: any model, any rate, no nuScenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from forecast.core.errors import SubmissionError
from forecast.core.files import as_text
from forecast.core.progress import progress
from forecast.eval.forecasts import ForecastFile, read_truth
from forecast.eval.formats.given_table import GivenTable, RowsGiven, as_given
from forecast.eval.formats.read_notes import Notes
from forecast.eval.matching import timing_of
from forecast.eval.strata import Labels
from forecast.scoring.finishing import finish
from forecast.scoring.map_fit import NEAR, ON, refuse_misfit
from forecast.scoring.measure import score_rows
from forecast.scoring.no_truth import issued_at_the_end, no_truth, reach_s_of, unknown_of
from forecast.scoring.own_strata import strata_by_columns
from forecast.scoring.report_document import Report, by_of, named_files, window_of
from forecast.scoring.scores import Scores, issue_times_s, merged
from forecast.scoring.settings import Settings
from forecast.scoring.truth_by_track import TruthByTrack, named_by_truth


def score_streams(
    paths: RowsGiven | Sequence[RowsGiven] | Mapping[str, RowsGiven],
    truth_path: RowsGiven,
    settings: Settings = Settings(),  # noqa: B008 frozen
    *,
    skip_bad_rows: bool = False,
) -> Report:
    """Score files or tables of forecasts, read piece by piece, against one of truth.

    A file is Parquet or CSV. A table is a data frame of polars or pandas, an Arrow table, or anything else with Arrow's
    PyCapsule interface, with the columns of a file; or :class:`~forecast.core.rows.ForecastRows`.

    All forecasts count in all metrics. Neither the order of the rows nor the size of the pieces changes a figure.

    Args:
        paths: one or several files or tables (docs/forecasts-format.md), their rows in any order; or what to call each
            → file or table.
        truth_path: file or table of observations of the same tracks on the same clock.
        settings: what to measure beside the defaults.
        skip_bad_rows: leave out rows that are wrong by themselves, and say in the warnings how many, and why.

    Raises:
        SubmissionError: a file is not as documented, or no forecast has any truth.
        ConfigError: the interval that was asked for does not meet the leads.
        DataError: none of the forecasts begins anywhere near the map.
    """
    files, notes = named_files(paths), Notes()
    truth_file = as_given(truth_path, "truth")
    truth = TruthByTrack(read_truth(truth_file, skip_bad_rows=skip_bad_rows, notes=notes))
    scores = []
    for name, path in files:
        file = ForecastFile(path, skip_bad_rows=skip_bad_rows)
        found = _score_file(name, file, truth, str(truth_file), settings)
        found.warnings.extend([*file.notes.warnings(as_text(path)), *notes.warnings(as_text(truth_file))])
        if skip_bad_rows:
            found.coverage["bad_rows_left_out"] = file.notes.left_out.total()
            found.coverage["bad_truth_rows_left_out"] = notes.left_out.total()
        if settings.by:
            found = replace(found, strata=found.strata | _own_strata(found, settings, (truth_file, path), truth))
        scores.append(finish(found))
    about = {"truth": as_text(truth_file), "population": "all", **window_of(settings), **by_of(settings)}
    if settings.road is not None:
        about |= {"map": settings.road.source.name, "off_road_rule": settings.road.rule}
    return Report(tuple(scores), (), about, settings.metrics)


def _score_file(name: str, file: ForecastFile, truth: TruthByTrack, truth_path: str, settings: Settings) -> Scores:
    parts: list[Scores] = []
    times_s: list[float] = []
    given: dict[str, str] = {}
    for piece in progress(file, f"scoring {name}"):
        timing = timing_of(
            piece, interval_s=settings.interval_s, issue_step=file.interval_s, tolerance_s=settings.tolerance_s
        )
        piece = named_by_truth(piece, truth, given, file.path)
        known = truth.of(np.unique(piece.track).tolist())
        parts.append(score_rows(name, piece, piece, known, settings, timing=timing))
        times_s += [*reach_s_of(piece)]
        _check_same(parts, file.path)
    scores = merged(parts)
    without, forecasts = scores.coverage["agent_samples_without_truth"], scores.coverage["agent_samples"]
    if without == forecasts:
        raise no_truth(file.path, scores.agent_track, truth, truth_path, (min(times_s), max(times_s)))
    if settings.road is not None:
        begin = (int(scores.coverage[name]) for name in ("agent_samples", ON, NEAR))
        said = refuse_misfit(file.path, settings.road.source, *begin)
        if said:
            scores.warnings.append(f"off-road rate: {said}")
    if without:
        unknown = unknown_of(np.unique(scores.agent_track).tolist(), truth)
        of_these = f" ({len(unknown)} tracks are unknown there, e.g. {unknown[0]!r})" if unknown else ""
        line = f"{without} of {forecasts} forecasts have no truth at any lead and do not count{of_these}"
        if issued_at_the_end(scores, truth) == without:
            scores.notes.append(f"{line}: they were issued when their tracks were seen for the last time")
        else:
            scores.warnings.append(line)
    return scores


def _own_strata(scores: Scores, settings: Settings, files: Sequence[Path | GivenTable], truth: TruthByTrack) -> Labels:
    """Strata by the columns that the user names, of the table of labels where there is one."""
    where = files if settings.by_file is None else [settings.by_file]
    return strata_by_columns(settings.by, where, scores.agent_track, issue_times_s(scores.agent_keys), truth.known)


def _check_same(parts: Sequence[Scores], path: Path | GivenTable) -> None:
    first, last = parts[0], parts[-1]
    if not np.array_equal(first.horizon_s, last.horizon_s) or first.agents.keys() != last.agents.keys():
        raise SubmissionError(
            f"{path}: the forecasts after {last.agent_keys[0]} have other leads or columns than those before; "
            "expected the same in all"
        )
