"""Forecasts that are written, scored and kept, for benchmarks that compare models on a data set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.core.rows import ForecastRows
    from forecast.scoring.settings import Population

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Judge:
    """A split to be judged on, and the folders that keep what was forecast and how it scored.

    Attributes:
        dataroot, version, split: of a nuScenes folder.
        forecasts, reports: one JSON file a name, each.
        population: of the temporal metrics; dense forecasts are made for all but the challenge's own.
        suffix: of the files of forecasts: ``.json``, or ``.parquet``, which keeps covariances.
    """

    dataroot: Path | str
    version: str
    split: str
    forecasts: Path
    reports: Path
    population: Population = "challenge-tracks"
    suffix: str = ".json"

    @property
    def dense(self) -> bool:
        """Whether more than the split's own agent-samples have to be forecast."""
        return self.population != "challenge"

    def finished(self, name: str) -> Document | None:
        """The report of that name, if there is one."""
        path = self.reports / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def score(self, name: str, submission: ForecastRows) -> Document:
        """Keep forecasts and their report."""
        from forecast.data.cache import open_dataset
        from forecast.eval.forecasts import write_forecasts
        from forecast.scoring.dataset_scores import score_submission

        file = self.forecasts / f"{name}{self.suffix}"
        write_forecasts(file, submission)
        # The oracle has no forecast where the future is not annotated.
        report = score_submission(
            file,
            open_dataset(self.dataroot, self.version),
            self.split,
            allow_missing=True,
            population=self.population,
        )
        report.write(self.reports / f"{name}.json")
        return report.as_json()

    def physics(self, names: Sequence[str]) -> dict[str, Document]:
        """Reports of physics baselines, made where they are missing."""
        from forecast.data.cache import open_dataset
        from forecast.prediction.physics import physics_forecasts

        found = {name: self.finished(name) for name in names}
        missing = [name for name in names if found[name] is None]
        if missing:
            dataset = open_dataset(self.dataroot, self.version)
            made = physics_forecasts(dataset.tracks, dataset.samples(self.split, dense=self.dense).rows)
            found |= {name: self.score(name, made[name]) for name in missing}
        return {name: report for name, report in found.items() if report is not None}
