"""Files of forecasts and of truth: Parquet or CSV, read whole or streamed track by track.

Two forms (docs/forecasts-format.md): *flat*, one line per forecast point, which any tool can write; and *nested*
Parquet, one row a forecast with its modes as a list, which is faster to read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from forecast.core.errors import SubmissionError
from forecast.core.files import for_arrow, written_whole
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.flat_rows import (
    COVARIANCE,
    MAX_COORDINATE_M,
    REQUIRED,
    SAMPLE,
    names,
    numbers,
    refuse,
    refuse_times,
    require,
    rows_of,
    table_of,
)
from forecast.eval.nested_rows import is_nested, nested_rows_of, nested_table_of
from forecast.eval.submission import MAX_MODES, Submission

CHUNK_ROWS = 1 << 20
NESTED_CHUNK_ROWS = 1 << 14
MAX_CSV_LINE_BYTES = 1 << 20


def read_forecasts(path: Path | str, *, max_modes: int = MAX_MODES) -> ForecastRows:
    """Read a whole file of forecasts, its rows in any order.

    Raises:
        SubmissionError: in one line, which row, what was found and what was expected.
    """
    path = Path(path)
    with _clear_errors(path):
        return _rows(_whole(path), str(path), max_modes)


def iter_forecasts(
    path: Path | str, *, chunk_rows: int | None = None, max_modes: int = MAX_MODES
) -> Iterator[ForecastRows]:
    """Stream a file of forecasts in pieces of whole tracks, so that each piece can be scored by itself.

    Memory is that of a piece, whatever the file's size. The rows of one track must follow each other.

    Args:
        path: Parquet or CSV.
        chunk_rows: lines of the file read at a time.
        max_modes: most modes a forecast may have.

    Raises:
        SubmissionError: a track appears again after another one, and all that :func:`read_forecasts` refuses.
    """
    path = Path(path)
    with _clear_errors(path):
        yield from (_rows(piece, str(path), max_modes) for piece in _whole_tracks(_pieces(path, chunk_rows), path))


def write_forecasts(path: Path | str, rows: ForecastRows | Iterable[ForecastRows], *, flat: bool = False) -> None:
    """Write forecasts: ``.parquet`` nested (or flat), ``.csv`` flat; an iterable of pieces is written as it comes.

    Raises:
        SubmissionError: another suffix.
    """
    pieces = [rows] if isinstance(rows, ForecastRows) else rows
    csv = _suffix(Path(path)) == ".csv"
    _write(path, ((table_of if flat or csv else nested_table_of)(piece) for piece in pieces))


def read_truth(path: Path | str) -> TruthRows:
    """Read observations of tracks: columns track, time_s, x_m, y_m, in any order.

    Raises:
        SubmissionError: in one line, which row, what was found and what was expected.
    """
    path = Path(path)
    with _clear_errors(path):
        table, where = _whole(path), str(path)
        require(where, table.column_names, ("track", "time_s", "x_m", "y_m"))
        code, track_names = names(table, where)
        time, x, y = (numbers(table, name, where) for name in ("time_s", "x_m", "y_m"))
        for name, values in {"time_s": time, "x_m": x, "y_m": y}.items():
            refuse(where, ~np.isfinite(values), f"{name} is not a finite number")
        refuse_times(where, "time_s", time)
        refuse(where, np.maximum(np.abs(x), np.abs(y)) > MAX_COORDINATE_M, "a position over 10,000 km out")
        order = np.lexsort((time, code))
        again = (np.diff(code[order]) == 0) & (np.diff(time[order]) <= 1e-6)
        if again.any():
            row = order[1:][again][0]
            raise SubmissionError(f"{where}: row {row}: track {track_names[code[row]]} at {time[row]:g} s twice")
        if not len(time):
            raise SubmissionError(f"{where}: no rows; expected at least one observation")
        return TruthRows(track_names[code[order]], time[order], np.stack([x, y], -1)[order])


def write_truth(path: Path | str, truth: TruthRows) -> None:
    """Write observations as Parquet or CSV, by the suffix."""
    x, y = truth.positions_m.T
    _write(path, [pa.table({"track": truth.track, "time_s": truth.time_s, "x_m": x, "y_m": y})])


def rows_from_submission(submission: Submission, issue_time_s: Any, *, step_s: float = 0.5) -> ForecastRows:
    """A nuScenes submission as rows; the tracks are its instances.

    Args:
        submission: world frame.
        issue_time_s: (entries,) time of each entry's key frame, on the truth's clock.
        step_s: seconds between forecast points.
    """
    lead_s = step_s * np.arange(1, submission.positions_m.shape[2] + 1)
    times = np.asarray(issue_time_s, dtype=np.float64)
    return ForecastRows(submission.instance_tokens, times, lead_s, submission.positions_m, submission.probabilities)


def submission_from_rows(rows: ForecastRows, sample_tokens: Any) -> Submission:
    """Rows as a nuScenes submission, given each row's key frame token; the tracks must be instance tokens."""
    samples = np.asarray(sample_tokens, dtype=np.str_)
    return Submission(rows.track, samples, rows.positions_m, rows.probabilities)


def _rows(table: pa.Table, where: str, max_modes: int) -> ForecastRows:
    if not table.num_rows:
        raise SubmissionError(f"{where}: no rows; expected at least one forecast")
    read = nested_rows_of if is_nested(table.column_names) else rows_of
    return read(table, where, max_modes=max_modes)


def _suffix(path: Path) -> str:
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise SubmissionError(f"{path}: a file of rows ends in .parquet or .csv; found {path.suffix or 'no suffix'!r}")
    return path.suffix.lower()


def _whole(path: Path) -> pa.Table:
    parquet = _suffix(path) == ".parquet"
    with for_arrow(path) as file:
        if parquet:
            return pq.read_table(file, memory_map=True, partitioning=None)
        return _csv_reader(file).read_all()


def _pieces(path: Path, chunk_rows: int | None) -> Iterator[pa.Table]:
    if _suffix(path) == ".csv":
        with for_arrow(path) as text:
            yield from (pa.Table.from_batches([batch]) for batch in _csv_reader(text))
        return
    with for_arrow(path) as whole, pq.ParquetFile(whole, pre_buffer=False) as file:
        size = chunk_rows or (NESTED_CHUNK_ROWS if is_nested(file.schema_arrow.names) else CHUNK_ROWS)
        metadata = file.schema_arrow.metadata
        for batch in file.iter_batches(size):
            yield pa.Table.from_batches([batch]).replace_schema_metadata(metadata)


def _csv_reader(file: Any) -> Any:
    # A line longer than a block ends the read with an error instead of filling the memory.
    # Types are stated: inferred ones would be those of the first block alone, and whole numbers may come first.
    numeric = dict.fromkeys((*REQUIRED[1:], *COVARIANCE, SAMPLE, "time_s"), pa.float64())
    text = pyarrow.csv.ConvertOptions(column_types={"track": pa.string(), **numeric})
    return pyarrow.csv.open_csv(
        file, read_options=pyarrow.csv.ReadOptions(block_size=16 * MAX_CSV_LINE_BYTES), convert_options=text
    )


def _whole_tracks(pieces: Iterator[pa.Table], path: Path) -> Iterator[pa.Table]:
    """Hold the last track of each piece back until it is complete; a file of one piece is given whole."""
    held: list[pa.Table] = []
    done: set[str] = set()
    for piece, last in _and_whether_last(piece for piece in pieces if piece.num_rows):
        require(str(path), piece.column_names, ("track",))
        if last:
            held.append(piece)
            break
        code, track_names = names(piece, str(path))
        starts = np.flatnonzero(np.diff(code)) + 1
        if held and track_names[code[0]] != str(held[0].column("track")[0].as_py()):
            starts = np.concatenate([[0], starts])
        if not len(starts):
            held.append(piece)
            continue
        cut = int(starts[-1])
        whole = pa.concat_tables([*held, piece.slice(0, cut)])
        _note_done(whole, done, path)
        yield whole
        held = [piece.slice(cut)]
    if not held:
        raise SubmissionError(f"{path}: no rows; expected at least one forecast")
    rest = pa.concat_tables(held)
    _note_done(rest, done, path)
    yield rest


def _and_whether_last(pieces: Iterable[pa.Table]) -> Iterator[tuple[pa.Table, bool]]:
    before: pa.Table | None = None
    for piece in pieces:
        if before is not None:
            yield before, False
        before = piece
    if before is not None:
        yield before, True


def _note_done(table: pa.Table, done: set[str], path: Path) -> None:
    _, track_names = names(table, str(path))
    again = done.intersection(track_names.tolist())
    if again:
        raise SubmissionError(
            f"{path}: track {min(again)} appears again after other tracks; sort the file by track to stream it"
        )
    done.update(track_names.tolist())


def _write(path: Path | str, tables: Iterable[pa.Table]) -> None:
    csv = _suffix(Path(path)) == ".csv"
    with written_whole(path) as temporary, for_arrow(temporary, "wb") as file:
        writer: Any = None
        try:
            for table in tables:
                if writer is None:
                    make, schema = pyarrow.csv.CSVWriter if csv else pq.ParquetWriter, table.schema
                    writer = make(file, schema)
                if not table.schema.equals(schema, check_metadata=True):
                    raise SubmissionError(f"{path}: pieces with different columns or leads; expected the same in all")
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise SubmissionError(f"{path}: nothing to write; expected at least one forecast")


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, json.JSONDecodeError, OverflowError, MemoryError) as error:
        detail = _with_column_name(" ".join(str(error).split())[:200] or type(error).__name__, path)
        raise SubmissionError(f"{path}: cannot be read: {detail}; expected Parquet or CSV as documented") from error


def _with_column_name(detail: str, path: Path) -> str:
    """The reader of CSV counts columns from 0; people know them by name."""
    found = re.search(r"CSV column #(\d+)", detail)
    if not found:
        return detail
    with path.open("rb") as file:
        names_found = file.readline(MAX_CSV_LINE_BYTES).decode(errors="replace").strip().split(",")
    name = dict(enumerate(names_found)).get(int(found[1]), found[1]).strip('"')
    return detail.replace(found[0], f"column {name}")
