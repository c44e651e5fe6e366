"""Strata of the user's own: a column of the truth, of the forecasts, or of a table of labels beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forecast.core.errors import ConfigError, SubmissionError, one_of
from forecast.eval.formats.given_table import GivenTable
from forecast.eval.formats.row_files import open_source
from forecast.eval.formats.table_columns import ROW, names, times
from forecast.eval.formats.table_files import CHUNK_ROWS, NUMERIC, clear_errors
from forecast.eval.results import Floats
from forecast.eval.strata import UNKNOWN, Labels
from forecast.scoring.dataset_join import Joined

Strings = NDArray[np.str_]
#: More values than this are no strata.
MOST_VALUES = 30
#: What reports and files of details call something else.
_TAKEN = ("location", "manoeuvre", "speed", "forecasts", "agent", "track", "issue_time_s")
_TIMES = ("issue_time_s", "time_s")
_KEYS_OF_DATA = ("scene", "instance", "track", "sample")


def check_by(columns: Sequence[str]) -> None:
    """Refuse, before any work, columns that cannot be strata.

    Raises:
        ConfigError: named twice, or as the report calls something else.
    """
    for number, column in enumerate(columns):
        if column in _TAKEN:
            raise ConfigError(f"--by {column}: the report has a {column} already; rename the column")
        if column in columns[:number]:
            raise ConfigError(f"--by {column}: twice")


def strata_by_columns(
    columns: Sequence[str],
    files: Iterable[Path | GivenTable],
    agent_track: Strings,
    issue_s: Floats,
    known: Callable[[str], str | None],
) -> Labels:
    """Label forecasts by columns of files of rows; each column is taken from the first file that has it.

    Args:
        columns: their names.
        files: truth, forecasts or labels: ``track``, and ``issue_time_s`` or ``time_s`` where a track has several
            values.
        agent_track: (agents,) as the truth calls them.
        issue_s: (agents,) seconds; of several values of a track the nearest in time counts.
        known: what the truth calls a track of a file.

    Raises:
        ConfigError: no file has a column, or it has too many values.
        SubmissionError: a file cannot be read, or has two values at one time.
    """
    there, found = list(files), {}
    headers = {str(file): _header(file) for file in there}
    for column in columns:
        file = next((one for one in there if column in headers[str(one)]), None)
        if file is None:
            every = {name for header in headers.values() for name in header}
            raise ConfigError(f"--by {column}: no such column in {' or '.join(headers)}: {one_of(every, column)}")
        found[column] = _few(column, _of_rows(file, column, headers[str(file)], agent_track, issue_s, known))
    return found


def strata_of_tokens(columns: Sequence[str], file: Path, joined: Joined) -> Labels:
    """Label a data set's agent-samples by a table keyed by ``scene``, ``instance`` (or ``track``), ``sample``, or more.

    Args:
        columns: their names.
        file: Parquet or CSV.
        joined: the forecasts beside their data set.

    Raises:
        ConfigError: it has no such column or no key, or a column has too many values.
        SubmissionError: it cannot be read, or has two values for one key.
    """
    header = _header(file)
    keys = [name for name in _KEYS_OF_DATA if name in header]
    if not keys:
        raise ConfigError(f"--by-file {file}: none of the columns {', '.join(_KEYS_OF_DATA)}, to say whose a value is")
    tracks, rows = joined.tracks, joined.rows[joined.official]
    track = tracks.track_tokens[tracks.track_of(rows)]
    own = {
        "scene": tracks.scene_names[joined.scenes[joined.official]],
        "instance": track,
        "track": track,
        "sample": tracks.sample_tokens[tracks.row_sample[rows]],
    }
    wanted = list(zip(*(own[key].tolist() for key in keys), strict=True))
    found = {}
    for column in columns:
        if column not in header:
            raise ConfigError(f"--by {column}: no such column in {file}: {one_of(header, column)}")
        of_key: dict[tuple[str, ...], str] = {}
        for piece in _pieces(file, [*keys, column]):
            cells = [_texts(piece.column(name)) for name in (*keys, column)]
            for *key, value in zip(*cells, strict=True):
                _once(of_key, tuple(key), value, f"{file}: column {column}: {', '.join(key)}")
        found[column] = _few(column, np.array([of_key.get(key, UNKNOWN) for key in wanted], dtype=np.str_))
    return found


def _of_rows(
    file: Path | GivenTable,
    column: str,
    header: Sequence[str],
    agent_track: Strings,
    issue_s: Floats,
    known: Callable[[str], str | None],
) -> Strings:
    clock = next((name for name in _TIMES if name in header), None)
    of_track: dict[str, dict[float, str]] = {}
    for piece in _pieces(file, ["track", *([clock] if clock else []), column]):
        code, called = names(piece, str(file))
        time_s = np.zeros(len(code)) if clock is None else times(piece, clock, str(file))
        values, value = np.unique(np.array(_texts(piece.column(column)), dtype=np.str_), return_inverse=True)
        # Many rows of a forecast say the same: each is looked at once.
        first = np.unique(np.stack([code, time_s, value.reshape(-1)]), axis=1)
        for one, at, which in first.T.tolist():
            name = str(called[int(one)])
            label, place = str(values[int(which)]), of_track.setdefault(known(name) or name, {})
            when = "" if clock is None else f" at {at:.15g} s"
            _once(place, at, label, f"{file}: column {column}: track {name}{when}")
    order = {track: (np.array(sorted(place)), place) for track, place in of_track.items()}
    return np.array(
        [_nearest(order.get(track), at) for track, at in zip(agent_track.tolist(), issue_s.tolist(), strict=True)],
        dtype=np.str_,
    )


def _nearest(found: tuple[Floats, Mapping[float, str]] | None, at_s: float) -> str:
    if found is None:
        return UNKNOWN
    times_s, labels = found
    return labels[float(times_s[np.abs(times_s - at_s).argmin()])]


def _once(place: dict[Any, str], key: Any, value: str, where: str) -> None:
    if place.setdefault(key, value) != value:
        raise SubmissionError(f"{where} has {place[key]!r} and {value!r}; expected one value")


def _few(column: str, labels: Strings) -> Strings:
    values = np.unique(labels)
    if len(values) > MOST_VALUES:
        shown = ", ".join(values[:3].tolist())
        raise ConfigError(
            f"--by {column}: {len(values)} different values ({shown}, …), strata are {MOST_VALUES} at most; "
            "put them into classes"
        )
    if (labels == UNKNOWN).all() and len(labels):
        raise ConfigError(f"--by {column}: has no value for any of the forecasts")
    return labels


def _header(file: Path | GivenTable) -> list[str]:
    with clear_errors(file):
        source = open_source(file, piece_rows=lambda _: CHUNK_ROWS, numeric=NUMERIC)
        columns = source.columns or next(iter(source.pieces(None))).column_names
    return [name for name in columns if name != ROW]


def _pieces(file: Path | GivenTable, columns: Sequence[str]) -> Iterable[pa.Table]:
    with clear_errors(file):
        source = open_source(file, piece_rows=lambda _: CHUNK_ROWS, numeric=NUMERIC)
        yield from source.pieces(columns)


def _texts(column: pa.ChunkedArray) -> list[str]:
    """Each cell as text; what is empty is unknown."""
    return [_text(value) for value in column.to_pylist()]


def _text(value: object) -> str:
    if value is None or value != value or not str(value).strip():
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value).strip()
