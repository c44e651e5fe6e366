"""Differences between two rows of the study of networks: the same agents, intervals over scenes, in all and by city."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from forecast.data.prepared import Dataset
    from forecast.eval.results import PerItem
    from forecast.scoring.scores import Scores

#: First and second row: what context is worth, what CAB's objectives change, and what each option changes.
PAIRS = (
    ("no_context", "trajectron"),
    ("trajectron", "cab"),
    ("trajectron", "gain"),
    ("trajectron", "query"),
    ("query_no_context", "query"),
    ("query_no_context", "query_cab"),
    ("query", "query_cab"),
    ("query", "query_gain"),
    ("query", "query_reweight"),
    ("query", "query_masked"),
    ("query_masked", "query_cab"),
    ("query", "query_consistent"),
    ("query", "query_lanes"),
    ("query", "query_patch"),
    ("query", "query_vit"),
)
_AGENTS = {"minFDE_1, m": "min_fde_1", "minADE_5, m": "min_ade_5", "miss (5)": "miss_rate_5_2m"}
_POINTS = {"D, m": "dispersion_m", "C(1 m), s": "convergence_s.1.0"}


def pairs_of(forecasts: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Pairs of forecasts of the same reads, epochs and seed, one file a cell."""
    by_name = {path.stem: path for path in forecasts}
    for first, second in PAIRS:
        for name, path in by_name.items():
            row, _, rest = name.partition("-")
            if row == first and f"{second}-{rest}" in by_name:
                yield path, by_name[f"{second}-{rest}"]


def difference(first: Path, second: Path, dataset: Dataset, split: str) -> dict[str, Any]:
    """Second minus first, metric by metric, and the error of the likeliest mode by city."""
    from forecast.scoring.dataset_scores import score_submission

    report = score_submission([first, second], dataset, split)
    one, two = report.scores
    if not np.array_equal(one.agent_keys, two.agent_keys):
        raise SystemExit(f"{second}: its agent-samples are not those of {first}")
    scenes = _scene_of_track(dataset)
    agents = np.array([scenes[track] for track in one.agent_track])
    found = {name: _paired(one.agents[key], two.agents[key], agents) for name, key in _AGENTS.items()}
    points = np.array([scenes[track] for track in one.successive.track])
    found |= {name: _paired(one.points[key], two.points[key], points) for name, key in _POINTS.items()}
    return {
        "first": first.stem,
        "second": second.stem,
        "differences": found,
        "minFDE_1 by city, m": _by_city(one, two, agents),
    }


def _by_city(one: Scores, two: Scores, scenes: NDArray[np.int64]) -> dict[str, Any]:
    cities = one.strata["location"]
    return {
        city: _paired(one.agents["min_fde_1"].take(here), two.agents["min_fde_1"].take(here), scenes[here])
        for city in np.unique(cities).tolist()
        for here in [cities == city]
    }


def _paired(first: PerItem, second: PerItem, clusters: NDArray[np.int64]) -> dict[str, Any]:
    from forecast.eval.bootstrap import bootstrap_difference

    paired = bootstrap_difference(second, first, clusters=clusters)
    return {"value": paired.value, "count": paired.count, "ci_low": paired.low, "ci_high": paired.high}


def _scene_of_track(dataset: Dataset) -> dict[str, int]:
    tracks = dataset.tracks
    scenes = tracks.sample_scene[tracks.row_sample[tracks.first_row[:-1]]]
    return dict(zip(tracks.track_tokens.tolist(), scenes.tolist(), strict=True))
