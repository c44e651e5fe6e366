"""The document of ``report.json``: figures with their counts and intervals, made from the scores of whole files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import forecast
from forecast.core.files import as_text, written_whole
from forecast.core.json_files import finite
from forecast.eval import metric_list
from forecast.eval.bootstrap import bootstrap_mean
from forecast.eval.evidence import HardnessEvidence, RevisionEvidence
from forecast.eval.formats.given_table import GivenTable, RowsGiven, as_given
from forecast.eval.hardest import ACCELERATION_MPS2, OBSERVATION_M
from forecast.eval.metric_list import metrics_of
from forecast.eval.metric_spec import MetricSpec
from forecast.eval.results import PerItem, per_item
from forecast.eval.strata import in_order
from forecast.scoring.comparisons import about_leads, codes, compare, on_shared_points
from forecast.scoring.dataset_join import Joined
from forecast.scoring.own_metric_notes import about_own
from forecast.scoring.scores import Scores
from forecast.scoring.settings import Settings

#: Raised whenever a field of report.json changes its name or meaning.
REPORT_FORMAT = 2

#: Metrics that strata are given on.
STRATA_METRICS = ("min_ade_1", "min_fde_1", "min_ade_5")


@dataclass(frozen=True)
class Report:
    """Scores of one or several files, with all that is needed to tell what they are.

    Attributes:
        scores: one per file.
        joined: the files beside their data set, in the same order; empty where scored without nuScenes.
        about: what was scored, and how.
        own_metrics: from outside the list.
    """

    scores: tuple[Scores, ...]
    joined: tuple[Joined, ...]
    about: Mapping[str, Any]
    own_metrics: tuple[MetricSpec, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The documented fields of ``report.json`` (docs/report.md), worked out once."""
        return self._document

    @cached_property
    def _document(self) -> dict[str, Any]:
        head = {"format_version": REPORT_FORMAT, "package_version": forecast.__version__, **self.about}
        if self.own_metrics:
            head["own_metrics"] = {spec.key: _description(spec) for spec in self.own_metrics}
        bodies = [_body(scores, self.own_metrics) for scores in self.scores]
        if len(bodies) == 1:
            return head | bodies[0]
        shared, remarks = on_shared_points(self.scores), about_leads(self.scores)
        for body, points, remark in zip(bodies, shared, remarks, strict=True):
            body["temporal_shared"] = _by_key(*points) if points else {}
            body["warnings"] = [*([remark] if remark else []), *body["warnings"]]
        return head | {"reports": bodies, "comparisons": compare(self.scores)}

    def write(self, path: Path | str) -> None:
        """Write ``report.json``; what is not a finite number is null."""
        with written_whole(path) as temporary:
            text = json.dumps(finite(self.as_json()), indent=2, ensure_ascii=False, allow_nan=False)
            # A file's name need not be text: what UTF-8 lacks becomes the \\u escape that JSON has for it.
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def window_of(settings: Settings) -> dict[str, Any]:
    """Which target points count, as it stands in ``report.json``."""
    if settings.minimum_leads is None:
        return {"window": "full"}
    return {"window": "partial", "minimum_leads": settings.minimum_leads}


def by_of(settings: Settings) -> dict[str, Any]:
    """Which strata are of the user's own, as it stands in ``report.json``."""
    return {"by": list(settings.by)} if settings.by else {}


def named_files(
    given: RowsGiven | Sequence[RowsGiven] | Mapping[str, RowsGiven],
) -> list[tuple[str, Path | GivenTable]]:
    """What to call each file of forecasts, and the file, or the table in its place.

    Files are called by their stems, or by their paths where two stems are the same; tables ``forecasts``, or
    ``forecasts 1``, … where there are several; those of a mapping by its keys.

    Raises:
        SubmissionError: something that is neither a file nor a table.
    """
    if isinstance(given, Mapping):
        return [(name, as_given(source, name)) for name, source in given.items()]
    sources: list[RowsGiven] = list(given) if isinstance(given, (list, tuple)) else [given]  # type: ignore[list-item]
    called = ["forecasts"] if len(sources) == 1 else [f"forecasts {number + 1}" for number in range(len(sources))]
    files = [as_given(source, name) for source, name in zip(sources, called, strict=True)]
    stems = [as_text(path.stem) for path in files]
    if len(set(stems)) < len(stems):
        stems = [as_text(path) for path in files]
    return list(zip(stems, files, strict=True))


def _description(spec: MetricSpec) -> dict[str, Any]:
    """What tables and the page need to know of a metric that is not in the list."""
    return {
        "path": list(spec.path),
        "heading": spec.heading or spec.key,
        "definition": spec.definition,
        "unit": spec.unit,
        "lower_is_better": spec.lower_is_better,
    }


def _body(scores: Scores, own: Sequence[MetricSpec]) -> dict[str, Any]:
    # Integers once, instead of names in every bootstrap.
    agent, point = codes(scores.agent_track), codes(scores.successive.track)
    hard = HardnessEvidence(scores.agents["min_fde_1"], scores.hardness)
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
            **_by_key({spec.key: spec.measure(hard) for spec in metrics_of("hardest", extra=tuple(own))}, agent),
        },
        "calibration": {
            "edges": scores.calibration.edges.tolist(),
            "stated": scores.calibration.stated.tolist(),
            "observed": scores.calibration.observed.tolist(),
            "count": scores.calibration.count.tolist(),
            "error": scores.calibration.error,
        },
        "matching": {"step_s": scores.successive.step_s, "tolerance_s": scores.successive.tolerance_s},
        "temporal": _temporal(scores, point),
        "strata": _strata(scores, agent),
        "coverage": scores.coverage,
        "not_computable": {
            spec.key: spec.lacking
            for spec in metric_list.METRICS
            if spec.lacking and spec.key not in scores.agents and spec.key not in scores.stability.pairs
        },
        "warnings": [*scores.warnings, *about_own(scores, own)],
        "notes": scores.notes,
    }


def _by_key(metrics: Mapping[str, PerItem], track: NDArray[np.int64]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, values in metrics.items():
        group, _, deeper = name.partition(".")
        if deeper:
            found.setdefault(group, {})[deeper] = figure(values, track)
        else:
            found[name] = figure(values, track)
    return found


def _temporal(scores: Scores, point: NDArray[np.int64]) -> dict[str, Any]:
    found = _by_key(scores.points, point)
    pair = codes(scores.stability.pair_track)
    found |= _by_key(scores.stability.pairs, pair)
    found |= {name: figure(values) for name, values in scores.stability.of_tracks.items()}
    revised = RevisionEvidence(scores.stability.revisions_m2)
    return found | {spec.key: figure(spec.measure(revised)) for spec in metrics_of("revisions")}


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
