"""Reads one scenario: everybody in eleven seconds at 10 Hz, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import DataError
from forecast.core.tracks import Strings

#: Between two time steps, seconds.
STEP_S = 0.1
#: Column → kinds of its NumPy type that are taken.
_COLUMNS = {
    "observed": "b",
    "track_id": "OU",
    "object_type": "OU",
    "object_category": "iu",
    "timestep": "iu",
    "position_x": "f",
    "position_y": "f",
    "heading": "f",
    "scenario_id": "OU",
    "start_timestamp": "iuf",
    "end_timestamp": "iuf",
    "num_timestamps": "iu",
    "focal_track_id": "OU",
}
#: Columns that are the same in all rows.
_ONE_VALUE = ("scenario_id", "start_timestamp", "end_timestamp", "num_timestamps", "focal_track_id")
#: More steps than this are none of a scenario's eleven seconds: 1000 s.
_MOST_STEPS = 10_000
_KINDS = {"b": "true or false", "OU": "text", "iu": "whole numbers", "f": "numbers", "iuf": "numbers"}


@dataclass(frozen=True)
class Scenario:
    """A scenario; rows are sorted by track, then time. World frame (the city's), metres, radians, float64.

    Attributes:
        scenario_id: its name.
        focal_track_id: the track that the challenge asks for.
        start_us: time of time step 0, microseconds.
        track_ids: (tracks,) sorted; unique within the scenario.
        object_types: (tracks,) as Argoverse names them.
        object_categories: (tracks,) int64: 3 the focal track, 2 scored, 1 unscored, 0 a fragment.
        row_track: (rows,) int64 index into ``track_ids``.
        row_step: (rows,) int64 time step.
        row_position_m: (rows, 2) x, y of the box centre.
        row_heading_rad: (rows,).
        present_step: the last time step that was observed, 49 in the official files; what lies later is the truth.
    """

    scenario_id: str
    focal_track_id: str
    start_us: int
    track_ids: Strings
    object_types: Strings
    object_categories: NDArray[np.int64]
    row_track: NDArray[np.int64]
    row_step: NDArray[np.int64]
    row_position_m: NDArray[np.float64]
    row_heading_rad: NDArray[np.float64]
    present_step: int


def read_scenario(path: Path) -> Scenario:
    """Read ``scenario_*.parquet``.

    Raises:
        DataError: one line: it is no Parquet file or lacks a column, or which row holds what it should not.
    """
    columns = _columns(path)
    one = {name: _one_value(path, name, columns[name]) for name in _ONE_VALUE}
    start_us = _start_us(path, float(one["start_timestamp"]), float(one["end_timestamp"]), int(one["num_timestamps"]))
    steps = columns["timestep"].astype(np.int64)
    _refuse(path, (steps < 0) | (steps >= int(one["num_timestamps"])), "timestep", steps,
            f"a step from 0 to {int(one['num_timestamps']) - 1}, as num_timestamps says")  # fmt: skip
    for name in ("position_x", "position_y", "heading"):
        _refuse(path, ~np.isfinite(columns[name]), name, columns[name], "a finite number")
    track_ids, first, row_track = np.unique(columns["track_id"].astype(np.str_), return_index=True, return_inverse=True)
    types = columns["object_type"].astype(np.str_)
    _refuse(path, types != types[first][row_track], "object_type", types, "one type for all rows of a track")
    order = np.lexsort((steps, row_track))
    twice = (np.diff(row_track[order]) == 0) & (np.diff(steps[order]) == 0)
    if twice.any():
        row = int(order[int(twice.argmax()) + 1])
        raise DataError(f"{path}: row {row}: track {track_ids[row_track[row]]} a second time at timestep {steps[row]}")
    observed = columns["observed"]
    if not observed.any():
        raise DataError(f"{path}: no row is observed: expected the rows until the present to be")
    if one["focal_track_id"] not in track_ids:
        raise DataError(f"{path}: focal_track_id {one['focal_track_id']!r} is no track_id of any row")
    position = np.stack([columns["position_x"], columns["position_y"]], -1).astype(np.float64)
    return Scenario(
        scenario_id=str(one["scenario_id"]),
        focal_track_id=str(one["focal_track_id"]),
        start_us=start_us,
        track_ids=track_ids,
        object_types=types[first],
        object_categories=columns["object_category"].astype(np.int64)[first],
        row_track=row_track[order],
        row_step=steps[order],
        row_position_m=position[order],
        row_heading_rad=columns["heading"].astype(np.float64)[order],
        present_step=int(steps[observed].max()),
    )


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    import pyarrow as pa  # here, so that data sets of other kinds open without it
    import pyarrow.parquet as pq

    try:
        held = pq.read_schema(path).names
        missing = [name for name in _COLUMNS if name not in held]
        if missing:
            raise DataError(f"{path}: no column {missing[0]!r}; a scenario has {', '.join(_COLUMNS)}")
        table = pq.ParquetFile(path).read(columns=list(_COLUMNS))
    except (pa.ArrowException, OSError) as fault:
        why = " ".join(str(fault).split())[:160]
        raise DataError(f"{path}: no Parquet file that can be read ({why}); download it again") from fault
    if not table.num_rows:
        raise DataError(f"{path}: holds no rows")
    columns = {}
    for name, kinds in _COLUMNS.items():
        column = table.column(name)
        empty = column.null_count and int(np.argmax(column.is_null().to_numpy()))
        if column.null_count:
            raise DataError(f"{path}: row {empty}: {name} is empty; expected {_KINDS[kinds]}")
        values = column.to_numpy()
        if values.dtype.kind not in kinds:
            raise DataError(f"{path}: {name} holds {column.type}; expected {_KINDS[kinds]}")
        columns[name] = values
    return columns


def _one_value(path: Path, name: str, values: NDArray[Any]) -> Any:
    other = values != values[0]
    if other.any():
        row = int(other.argmax())
        raise DataError(
            f"{path}: row {row}: {name} is {values[row]}, in row 0 it is {values[0]}; expected one scenario"
        )
    return values[0]


def _refuse(path: Path, wrong: NDArray[np.bool_], name: str, values: NDArray[Any], expected: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{path}: row {row}: {name} is {values[row]}; expected {expected}")


def _start_us(path: Path, start_ns: float, end_ns: float, count: int) -> int:
    """Time of step 0 in microseconds; the steps must be 0.1 s apart."""
    if not 1 <= count <= _MOST_STEPS:
        raise DataError(f"{path}: num_timestamps is {count}; expected 110, or as many steps as there are")
    apart_s = (end_ns - start_ns) / max(count - 1, 1) * 1e-9
    regular = count == 1 or abs(apart_s - STEP_S) < 0.05 * STEP_S  # NaN is not less than anything
    if not (abs(start_ns) < 2**62 and regular):
        raise DataError(
            f"{path}: {count} time steps from {start_ns:.17g} to {end_ns:.17g} are {apart_s:.3g} s apart; expected "
            f"{STEP_S} s, with time stamps in nanoseconds"
        )
    return round(start_ns / 1000)
