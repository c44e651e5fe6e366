"""Scores files of forecasts against a nuScenes data set, or against rows of truth, into one report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import forecast
from forecast.core.files import as_text, written_whole
from forecast.core.progress import progress
from forecast.eval.bootstrap import bootstrap_mean
from forecast.eval.hardest import ACCELERATION_MPS2, OBSERVATION_M, on_hardest
from forecast.eval.results import PerItem, per_item
from forecast.eval.strata import in_order
from forecast.scoring.comparisons import about_leads, codes, compare, on_shared_points
from forecast.scoring.dataset_join import Joined, join, read_for_dataset
from forecast.scoring.joined_strata import strata_of_joined
from forecast.scoring.off_road_scores import add_off_road
from forecast.scoring.scores import Population, Scores, Settings, finish, score_rows

if TYPE_CHECKING:
    from forecast.data.cache import Dataset

#: Raised whenever a field of report.json changes its name or meaning.
REPORT_FORMAT = 2

_FULL = "needs covariances or samples, which only files of rows carry (docs/forecasts-format.md)"
#: What may be missing from a report, and what it takes.
NEEDS = {
    "nll_nats": "needs covariances, which only files of rows carry (docs/forecasts-format.md)",
    "ade_f_m": _FULL,
    "fde_f_m": _FULL,
    "off_road_rate": "needs a nuScenes map: score on a data set, or give rows a map expansion (--map FILE.json)",
    "off_road_ml": "needs a nuScenes map: score on a data set, or give rows a map expansion (--map FILE.json)",
    "off_road_f": "needs covariances or samples, and a map: rows with --map",
    "off_road_exact_rate": "needs drivable polygons: --map FILE.geojson for rows, --exact-off-road on a data set",
    "transport_overlap_m": "takes some milliseconds a pair of forecasts: ask for it with --transport",
}
#: Metrics that strata are given on.
STRATA_METRICS = ("min_ade_1", "min_fde_1", "min_ade_5")
#: Shares of the agent-samples, hardest first, that minFDE_1 is given on too (CAB paper, table 3).
HARDEST_PERCENT = (1, 2, 3)


@dataclass(frozen=True)
class Report:
    """Scores of one or several files, with all that is needed to tell what they are.

    Attributes:
        scores: one per file.
        joined: the files beside their data set, in the same order; empty where scored without nuScenes.
        about: what was scored, and how.
    """

    scores: tuple[Scores, ...]
    joined: tuple[Joined, ...]
    about: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The documented fields of ``report.json`` (docs/report.md), worked out once."""
        return self._document

    @cached_property
    def _document(self) -> dict[str, Any]:
        head = {"format_version": REPORT_FORMAT, "package_version": forecast.__version__, **self.about}
        bodies = [_body(scores) for scores in self.scores]
        if len(bodies) == 1:
            return head | bodies[0]
        shared, remarks = on_shared_points(self.scores), about_leads(self.scores)
        for body, points, remark in zip(bodies, shared, remarks, strict=True):
            body["temporal_shared"] = _by_point(*points) if points else {}
            body["warnings"] = [*([remark] if remark else []), *body["warnings"]]
        return head | {"reports": bodies, "comparisons": compare(self.scores)}

    def write(self, path: Path | str) -> None:
        """Write ``report.json``; what is not a finite number is null."""
        import json

        with written_whole(path) as temporary:
            text = json.dumps(_finite(self.as_json()), indent=2, ensure_ascii=False, allow_nan=False)
            # A file's name need not be text: what UTF-8 lacks becomes the \\u escape that JSON has for it.
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def score_submission(
    paths: Path | str | Sequence[Path | str],
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
        paths: one or several files: JSON, or rows in Parquet or CSV.
        dataset, split: what they were made for.
        allow_missing: accept that agent-samples of the split have no forecast.
        population: of the temporal metrics: the split's agent-samples alone (``"challenge"``, the published one),
            all forecasts given (``"dense"``), or those of tracks that occur among the split's agent-samples
            (``"challenge-tracks"``).
        settings: what to measure beside the defaults.

    Raises:
        ForecastError: in one line, what is wrong with a file or the data.
    """
    files = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]
    scores: list[Scores] = []
    joined: list[Joined] = []
    names = names_of(files)
    for path in progress(files, "scoring", total=len(files)):
        said: list[str] = []
        both = join(read_for_dataset(path, dataset, said), dataset, split, str(path), allow_missing=allow_missing)
        result = score_joined(names[len(scores)], both, population=population, settings=settings)
        result.warnings.extend(said)
        add_off_road(result, both, dataset)
        if settings.exact_road:
            add_off_road(result, both, dataset, "exact")
        scores.append(result)
        joined.append(both)
    about = {
        "dataset": {"version": dataset.version, "fingerprint": dataset.fingerprint},
        "split": split,
        "population": population,
        **window_of(settings),
    }
    return Report(tuple(scores), tuple(joined), about)


def window_of(settings: Settings) -> dict[str, Any]:
    """Which target points count, as it stands in ``report.json``."""
    if settings.minimum_leads is None:
        return {"window": "full"}
    return {"window": "partial", "minimum_leads": settings.minimum_leads}


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
    track = np.searchsorted(joined.tracks.first_row, joined.rows, side="right")
    return every[np.isin(track, track[joined.official])]


def names_of(files: Sequence[Path]) -> list[str]:
    """What to call files: their stems, or their paths where two stems are the same."""
    stems = [as_text(path.stem) for path in files]
    return stems if len(set(stems)) == len(stems) else [as_text(path) for path in files]


def _body(scores: Scores) -> dict[str, Any]:
    # Integers once, instead of names in every bootstrap.
    agent, point = codes(scores.agent_track), codes(scores.successive.track)
    return {
        "name": scores.name,
        "metrics": {name: figure(values, agent) for name, values in scores.agents.items()},
        "error_by_horizon_m": [
            {"horizon_s": float(lead), **figure(PerItem(column, np.isfinite(column)), agent)}
            for lead, column in zip(scores.horizon_s, scores.error_ml_m.T, strict=True)
        ],
        "hardest": {
            "kalman_acceleration_mps2": ACCELERATION_MPS2,
            "kalman_observation_m": OBSERVATION_M,
            "min_fde_1": {
                str(percent): figure(on_hardest(scores.agents["min_fde_1"], scores.hardness, percent), agent)
                for percent in HARDEST_PERCENT
            },
        },
        "calibration": {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(scores.calibration).items()
        },
        "matching": {"step_s": scores.successive.step_s, "tolerance_s": scores.successive.tolerance_s},
        "temporal": _temporal(scores, point),
        "strata": _strata(scores, agent),
        "coverage": scores.coverage,
        "not_computable": {
            name: why for name, why in NEEDS.items() if name not in scores.agents and name not in scores.stability.pairs
        },
        "warnings": scores.warnings,
    }


def _by_point(points: Mapping[str, PerItem], track: NDArray[np.int64]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, values in points.items():
        group, _, tau = name.partition(".")
        if tau:
            found.setdefault(group, {})[tau] = figure(values, track)
        else:
            found[name] = figure(values, track)
    return found


def _temporal(scores: Scores, point: NDArray[np.int64]) -> dict[str, Any]:
    found = _by_point(scores.points, point)
    pair = codes(scores.stability.pair_track)
    found |= {name: figure(values, pair) for name, values in scores.stability.pairs.items()}
    return found | {"endpoint_jitter_m": figure(scores.stability.jitter)}


def _strata(scores: Scores, agent: NDArray[np.int64]) -> dict[str, Any]:
    return {
        kind: {
            label: {name: figure(_where(scores.agents[name], labels == label), agent) for name in STRATA_METRICS}
            for label in in_order(kind, labels)
        }
        for kind, labels in scores.strata.items()
    }


def _where(values: PerItem, chosen: NDArray[np.bool_]) -> PerItem:
    return per_item(values.values, values.valid & chosen)


def figure(values: PerItem, groups: Any = None) -> dict[str, Any]:
    """A mean with its count and its 95 % bootstrap interval, as it stands in ``report.json``."""
    mean = bootstrap_mean(values, clusters=groups)
    return {"value": mean.value, "count": mean.count, "ci_low": mean.low, "ci_high": mean.high}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
