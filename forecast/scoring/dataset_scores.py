"""Scores files of forecasts against a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.core.progress import progress
from forecast.data.prepared import Dataset
from forecast.eval.formats.given_table import RowsGiven
from forecast.scoring.dataset_join import Joined, join, read_for_dataset
from forecast.scoring.finishing import finish
from forecast.scoring.joined_strata import strata_of_joined
from forecast.scoring.measure import score_rows
from forecast.scoring.off_road_scores import add_off_road
from forecast.scoring.own_strata import strata_of_tokens
from forecast.scoring.report_document import Report, by_of, named_files, window_of
from forecast.scoring.scores import Scores
from forecast.scoring.settings import Population, Settings


def score_submission(
    paths: RowsGiven | Sequence[RowsGiven] | Mapping[str, RowsGiven],
    dataset: Dataset,
    split: str,
    *,
    allow_missing: bool = False,
    population: Population = "challenge",
    settings: Settings = Settings(),  # noqa: B008 frozen
) -> Report:
    """Score forecasts of a nuScenes data set: submissions, or rows of its instances, which may have covariances.

    The accuracy metrics run over the split's agent-samples; the temporal ones over all forecasts given.

    Args:
        paths: one or several files: JSON, or rows in Parquet or CSV; tables of rows, as
            :func:`~forecast.scoring.stream_scores.score_streams` takes them; or what to call each → file or table.
        dataset, split: what they were made for.
        allow_missing: accept that agent-samples of the split have no forecast.
        population: of the temporal metrics: the split's agent-samples alone (``"challenge"``, the published one),
            all forecasts given (``"dense"``), or those of tracks that occur among the split's agent-samples
            (``"challenge-tracks"``).
        settings: what to measure beside the defaults.

    Raises:
        ForecastError: in one line, what is wrong with a file or the data.
    """
    files = named_files(paths)
    scores: list[Scores] = []
    joined: list[Joined] = []
    for name, path in progress(files, "scoring", total=len(files)):
        said: list[str] = []
        both = join(read_for_dataset(path, dataset, said), dataset, split, str(path), allow_missing=allow_missing)
        result = score_joined(name, both, population=population, settings=settings)
        result.warnings.extend(said)
        if settings.by_file is not None:
            result.strata.update(strata_of_tokens(settings.by, settings.by_file, both))
        add_off_road(result, both, dataset, extra=settings.metrics)
        if settings.exact_road:
            add_off_road(result, both, dataset, "exact", extra=settings.metrics)
        scores.append(result)
        joined.append(both)
    about = {
        "dataset": {"version": dataset.version, "fingerprint": dataset.fingerprint},
        "split": split,
        "population": population,
        **window_of(settings),
        **by_of(settings),
    }
    return Report(tuple(scores), tuple(joined), about, settings.metrics)


def score_joined(
    name: str,
    joined: Joined,
    *,
    population: Population = "challenge",
    settings: Settings = Settings(),  # noqa: B008 frozen
) -> Scores:
    """Score one submission that is joined with its data set."""
    official = joined.forecast_rows(joined.official)
    temporal = joined.forecast_rows(_entries_of(joined, population))
    scores = score_rows(name, official, temporal, joined.truth_rows(), settings)
    scores.coverage["missing_agent_samples"] = joined.missing
    if joined.missing:
        scores.warnings.append(f"{joined.missing} agent-samples of the split have no forecast and do not count")
    return finish(replace(scores, strata=strata_of_joined(joined)), population)


def _entries_of(joined: Joined, population: Population) -> NDArray[np.int64]:
    if population == "challenge":
        return joined.official
    every = np.arange(len(joined.rows))
    if population == "dense":
        return every
    track = joined.tracks.track_of(joined.rows)
    return every[np.isin(track, track[joined.official])]
