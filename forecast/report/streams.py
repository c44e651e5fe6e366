"""Scores files of rows against rows of truth: any model, any rate, no nuScenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from forecast.core.errors import DataError, SubmissionError
from forecast.core.files import as_text
from forecast.core.progress import progress
from forecast.core.rows import TruthRows
from forecast.eval.forecasts import iter_forecasts, read_truth
from forecast.report.evaluator import Report, names_of, window_of
from forecast.report.road import NEAR, ON, misfit
from forecast.report.scores import Scores, Settings, finish, merged, score_rows


class TruthByTrack:
    """Truth that hands out the observations of some tracks without a search through all of them."""

    def __init__(self, truth: TruthRows) -> None:
        # Stable, so that the observations of a track stay in the order of time.
        order = np.argsort(truth.track, kind="stable")
        self._truth = TruthRows(truth.track[order], truth.time_s[order], truth.positions_m[order])
        names, first, count = np.unique(self._truth.track, return_index=True, return_counts=True)
        self._rows = {
            name: np.arange(at, at + many)
            for name, at, many in zip(names.tolist(), first.tolist(), count.tolist(), strict=True)
        }

    def of(self, tracks: Sequence[str]) -> TruthRows:
        """Observations of the tracks that are known; of none if none is."""
        found = [self._rows[name] for name in tracks if name in self._rows]
        rows = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
        truth = self._truth
        return TruthRows(truth.track[rows], truth.time_s[rows], truth.positions_m[rows])


def score_streams(
    paths: Sequence[Path | str],
    truth_path: Path | str,
    settings: Settings = Settings(),  # noqa: B008 frozen
) -> Report:
    """Score Parquet or CSV files of forecasts, read piece by piece, against a file of truth.

    All forecasts count in all metrics.

    Args:
        paths: one or several files (docs/forecasts-format.md), the rows of a track together.
        truth_path: observations of the same tracks on the same clock.
        settings: what to measure beside the defaults.

    Raises:
        SubmissionError: a file is not as documented, or no forecast has any truth.
        DataError: none of the forecasts begins anywhere near the map.
    """
    files = [Path(path) for path in paths]
    truth = TruthByTrack(read_truth(truth_path))
    scores = [
        _score_file(name, path, truth, truth_path, settings) for name, path in zip(names_of(files), files, strict=True)
    ]
    about = {"truth": as_text(truth_path), "population": "all", **window_of(settings)}
    if settings.road is not None:
        about |= {"map": settings.road.source.name, "off_road_rule": settings.road.rule}
    return Report(tuple(scores), (), about)


def _score_file(name: str, path: Path, truth: TruthByTrack, truth_path: Path | str, settings: Settings) -> Scores:
    parts: list[Scores] = []
    for piece in progress(iter_forecasts(path), f"scoring {name}"):
        known = truth.of(np.unique(piece.track).tolist())
        like = parts[0] if parts else None
        parts.append(score_rows(name, piece, piece, known, settings, like=like))
        _check_same(parts, path)
    scores = merged(parts)
    without, forecasts = scores.coverage["agent_samples_without_truth"], scores.coverage["agent_samples"]
    if without == forecasts:
        raise SubmissionError(
            f"{path}: none of its {forecasts} forecasts has a truth in {truth_path}; "
            "expected the same track names and the same clock in both"
        )
    if settings.road is not None:
        counts = scores.coverage
        said, nowhere = misfit(
            settings.road.source, "forecasts begin", int(forecasts), int(counts[ON]), int(counts[NEAR])
        )
        if nowhere:
            raise DataError(f"{path}: {said}")
        if said:
            scores.warnings.append(f"off-road rate: {said}")
    if without:
        scores.warnings.append(f"{without} of {forecasts} forecasts have no truth at any lead and do not count")
    return finish(scores)


def _check_same(parts: Sequence[Scores], path: Path) -> None:
    first, last = parts[0], parts[-1]
    if not np.array_equal(first.horizon_s, last.horizon_s) or first.agents.keys() != last.agents.keys():
        raise SubmissionError(
            f"{path}: the forecasts after {last.agent_keys[0]} have other leads or columns than those before; "
            "expected the same in all"
        )
