"""Argoverse 2 submissions: Parquet, one row a mode, 60 points at 10 Hz, by scenario and track.

https://argoverse.github.io/user-guide/tasks/motion_forecasting.html
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from forecast.core.errors import SubmissionError
from forecast.core.files import written_whole
from forecast.core.rows import ForecastRows

Floats = NDArray[np.float64]

COLUMNS = ("scenario_id", "track_id", "probability", "predicted_trajectory_x", "predicted_trajectory_y")
_POINTS, _STEP_S = 60, 0.1
#: Points before the first one go on as the spline does; no more than half a second is made up so.
_FIRST_S = 0.5 + 1e-6
#: The last time step that is observed in the official scenarios: forecasts are issued there.
PRESENT_STEP = 49


def is_argoverse2_submission(path: Path | str) -> bool:
    """Whether a file is one: Parquet with its columns."""
    path = Path(path)
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return False
    try:
        return set(COLUMNS[:2] + COLUMNS[3:]) <= set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return False


def read_argoverse2_submission(path: Path | str, *, step_s: float = _STEP_S) -> ForecastRows:
    """Read a submission.

    Args:
        path: of the file.
        step_s: of the points that are kept, a multiple of 0.1 s; nothing is interpolated.

    Returns:
        rows with tracks ``SCENARIO:TRACK`` and key frames ``SCENARIO:t49``; the times of issue are not known (NaN)
        until they are joined with a data set.

    Raises:
        SubmissionError: in one line, which row, what was found and what was expected.
    """
    where = str(path)
    table = pq.read_table(path)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise SubmissionError(f"{where}: no column {missing[0]}; expected {', '.join(COLUMNS)}")
    if not len(table):
        raise SubmissionError(f"{where}: no rows; expected one a mode")
    for name in COLUMNS[2:]:
        _check_type(table, name, where)
    x, y = (_points(table, name, where) for name in COLUMNS[3:])
    probability = np.asarray(table.column("probability").to_numpy(zero_copy_only=False), dtype=np.float64)
    wrong = ~(np.isfinite(probability) & (probability >= 0))
    if wrong.any():
        at = int(wrong.argmax())
        raise SubmissionError(f"{where}: row {at}: probability {probability[at]}; expected 0 or more")
    every = round(step_s / _STEP_S)
    points = np.stack([x, y], -1)[:, every - 1 :: every]
    keys = [f"{a}:{b}" for a, b in zip(*(table.column(name).to_pylist() for name in COLUMNS[:2]), strict=True)]
    tracks, first, code = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.argsort(order)[code.reshape(-1)]
    count = np.bincount(rank)
    mode = _place_in_group(rank)
    positions = np.full((len(tracks), int(count.max()), points.shape[1], 2), np.nan)
    probabilities = np.full(positions.shape[:2], np.nan)
    positions[rank, mode], probabilities[rank, mode] = points, probability
    named = tracks[order]
    samples = [f"{str(name).partition(':')[0]}:t{PRESENT_STEP}" for name in named]
    return ForecastRows.at_key_frames(named, samples, positions, probabilities, step_s=every * _STEP_S)


def _check_type(table: pa.Table, name: str, where: str) -> None:
    """Refuse a column of another type.

    Raises:
        SubmissionError: in one line.
    """
    kind = table.schema.field(name).type
    points = name != COLUMNS[2]
    if points and not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise SubmissionError(f"{where}: {name} is {kind}; expected a list of numbers")
    inner = kind.value_type if points else kind
    if not (pa.types.is_floating(inner) or pa.types.is_integer(inner)):
        raise SubmissionError(f"{where}: {name} holds {inner}; expected numbers")


def _points(table: pa.Table, name: str, where: str) -> Floats:
    """(rows, 60) one coordinate."""
    lists = table.column(name).to_pylist()
    for row, points in enumerate(lists):
        if points is None or len(points) != _POINTS:
            found = "nothing" if points is None else f"{len(points)} points"
            raise SubmissionError(f"{where}: row {row}: {name} has {found}; expected {_POINTS}, at 10 Hz")
    found_m = np.array(lists, dtype=np.float64)
    if not np.isfinite(found_m).all():
        row = int((~np.isfinite(found_m)).any(1).argmax())
        raise SubmissionError(f"{where}: row {row}: {name} has a number that is not finite; expected metres")
    return found_m


def _place_in_group(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """(rows,) how many rows of the same group come before each."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))
    return place


def write_argoverse2_submission(path: Path | str, pieces: Iterable[ForecastRows]) -> None:
    """Write a submission; points between those that are given lie on cubic splines through them.

    Args:
        path: ``.parquet``.
        pieces: rows with tracks ``SCENARIO:TRACK``, up to 6 s.

    Raises:
        SubmissionError: tracks without a scenario, a horizon that is not 6 s, or a track twice.
    """
    where = str(path)
    columns: dict[str, list[object]] = {name: [] for name in COLUMNS}
    wanted = _STEP_S * np.arange(1, _POINTS + 1)
    seen: set[str] = set()
    for rows in pieces:
        for row, name in enumerate(rows.track.tolist()):
            scenario, colon, track = name.partition(":")
            if not colon:
                raise SubmissionError(
                    f"{where}: track {name!r}; expected SCENARIO:TRACK, as Argoverse 2 data have them"
                )
            if name in seen:
                raise SubmissionError(
                    f"{where}: track {name!r} is forecast twice; a submission holds one forecast each"
                )
            seen.add(name)
            for mode in np.flatnonzero(np.isfinite(rows.probabilities[row])).tolist():
                points = _at(rows.own_lead_s[row], rows.positions_m[row, mode], wanted, f"{where}: track {name!r}")
                values = (scenario, track, float(rows.probabilities[row, mode]), *points.T.tolist())
                for column, value in zip(COLUMNS, values, strict=True):
                    columns[column].append(value)
    if not seen:
        raise SubmissionError(f"{where}: nothing to write; expected at least one forecast")
    with written_whole(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def _at(lead_s: Floats, path_m: Floats, wanted_s: Floats, where: str) -> Floats:
    """(60, 2) a path at the submission's times.

    Raises:
        SubmissionError: it does not reach 6 s, or has a gap.
    """
    if not np.isfinite(path_m).all() or abs(lead_s[-1] - wanted_s[-1]) > _STEP_S / 2 or len(lead_s) < 2:
        raise SubmissionError(f"{where}: a path of {len(lead_s)} points up to {lead_s[-1]:g} s; expected one up to 6 s")
    if len(lead_s) == len(wanted_s) and np.allclose(lead_s, wanted_s, atol=1e-6):
        return path_m
    if lead_s[0] > _FIRST_S or np.diff(lead_s).max() > 2 * _FIRST_S:
        raise SubmissionError(
            f"{where}: the first point is at {lead_s[0]:g} s, others up to {np.diff(lead_s).max():g} s apart; expected "
            "one in the first half second, and none more than a second apart"
        )
    found: Floats = CubicSpline(lead_s, path_m)(wanted_s)
    return found
