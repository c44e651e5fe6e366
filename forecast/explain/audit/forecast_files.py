"""The part of an audit that files of forecasts allow: what the same model does with and without an input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from forecast.core.errors import DataError
from forecast.data.prepared import Dataset
from forecast.eval.context import context_gap, shapley
from forecast.eval.results import PerItem, per_item
from forecast.explain.audit.asked import told
from forecast.prediction.key_frame_future import key_frame_future
from forecast.scoring.dataset_join import observations_of, read_for_dataset

#: Option → what the file's model read.
FILES = {
    "with": frozenset({"map", "neighbours"}),
    "without_map": frozenset({"neighbours"}),
    "without_neighbours": frozenset({"map"}),
    "without_both": frozenset[str](),
}


def audit_files(files: Mapping[str, Path | str], dataset: Dataset, warnings: list[str] | None = None) -> dict[str, Any]:
    """Errors of files of forecasts of one model that differ in what it read, on the agent-samples that all have.

    Args:
        files: key of :data:`FILES` → file; ``with`` and at least one other.
        dataset: that they are of; of a view of some locations, what lies elsewhere is left out.
        warnings: where to add what was noticed.

    Returns:
        ``agents``; ``fde_m`` of each file; ``fde_rises_m`` of each but ``with``; ``end_moves_m``, how far the most
        likely path's end moves; and ``shapley`` of map and neighbours where all four are there. Metres.

    Raises:
        SubmissionError: a file cannot be used.
        DataError: the files share no agent-sample whose future is known.
    """
    read = {name: read_for_dataset(path, dataset, warnings) for name, path in files.items()}
    rows = {name: observations_of(one, dataset, str(files[name])) for name, one in read.items()}
    shared = np.array(sorted(set.intersection(*(set(found.tolist()) for found in rows.values()))), dtype=np.int64)
    shared = shared[dataset.is_at_locations(shared)]
    if not len(shared):
        where = "" if dataset.locations is None else f" at {', '.join(dataset.locations)}"
        raise DataError(f"the files have no agent-sample in common{where}")
    tracks = dataset.tracks
    scenes = tracks.scene_names[tracks.sample_scene[tracks.row_sample[shared]]]
    truth = key_frame_future(tracks, shared, read["with"].positions_m.shape[2])[:, -1]
    if not np.isfinite(truth).all(1).any():
        raise DataError("no agent-sample that the files share has a known future")
    ends = {}
    for name, one in read.items():
        place = {row: entry for entry, row in enumerate(rows[name].tolist())}
        ends[name] = one.most_likely_m()[[place[row] for row in shared.tolist()], -1]
    errors = {name: _distance(end, truth) for name, end in ends.items()}
    found: dict[str, Any] = {
        "files": {name: str(path) for name, path in files.items()},
        "agents": len(shared),
        "fde_m": {name: told(error, scenes) for name, error in errors.items()},
        "fde_rises_m": {
            name: told(context_gap(error, errors["with"]), scenes) for name, error in errors.items() if name != "with"
        },
        "end_moves_m": {
            name: told(_distance(end, ends["with"]), scenes) for name, end in ends.items() if name != "with"
        },
    }
    if set(files) == set(FILES):
        values = shapley({kept: errors[name] for name, kept in FILES.items()}, ("map", "neighbours"))
        found["shapley"] = {name: told(value, scenes) for name, value in values.items()}
    return found


def _distance(one: Any, other: Any) -> PerItem:
    away = np.linalg.norm(one - other, axis=-1)
    return per_item(away, np.isfinite(away))
