"""Submissions to the nuScenes prediction challenge: the devkit's list of serialized predictions, as JSON."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from forecast.core.errors import SubmissionError
from forecast.core.files import written_whole
from forecast.core.rows import ForecastRows
from forecast.eval.formats.flat_rows import MAX_PROBABILITY
from forecast.eval.formats.read_notes import Notes
from forecast.eval.formats.write_checks import refuse_remark

MAX_MODES = 25
MAX_BYTES = 2 * 1024**3
#: Positions farther than this from the map's origin are no positions, m.
MAX_COORDINATE_M = 1e7
#: Points may be so many steps from even leads.
_STRAY_STEPS = 0.1


class _Entry(msgspec.Struct):
    instance: str
    sample: str
    prediction: list[list[tuple[float, float]]]
    probabilities: list[float]


def read_submission(
    path: Path | str,
    *,
    steps: int | None = 12,
    step_s: float = 0.5,
    max_modes: int = MAX_MODES,
    max_bytes: int = MAX_BYTES,
    notes: Notes | None = None,
) -> ForecastRows:
    """Read and check a submission.

    Args:
        path: JSON as the devkit's ``[prediction.serialize() for prediction in ...]`` gives it.
        steps: points expected in each mode, or None to accept any number, the same everywhere.
        step_s: seconds from one point to the next.
        max_modes: most modes an entry may have.
        max_bytes: refuse larger files before reading them; Parquet is the form for those.
        notes: what is noticed.

    Returns:
        The tracks are the instances, ``sample_tokens`` the key frames; ``issue_time_s`` is not known, NaN.

    Raises:
        SubmissionError: in one line, which entry, what was found and what was expected.
    """
    path = Path(path)
    entries = _decode(path, _read_bytes(path, max_bytes))
    if not entries:
        raise SubmissionError(f"{path}: an empty list; expected one entry per agent-sample")
    steps = steps if steps is not None else _steps_of_first(path, entries)
    for index, entry in enumerate(entries):
        _check_shape(f"{path}: entry {index}", entry, steps, max_modes)
    rows = _as_rows(entries, steps, step_s)
    check_values(rows, str(path))
    if notes is not None:
        notes.digits.see(rows.positions_m, [])
    return rows


def write_submission(path: Path | str, rows: ForecastRows | Iterable[ForecastRows]) -> None:
    """Write a submission as the devkit does, without covariances and samples; absent (NaN) modes are left out.

    Raises:
        SubmissionError: the name is that of a file of rows, or rows that a submission has no place for.
    """
    if Path(path).suffix.lower() in (".parquet", ".csv"):
        raise SubmissionError(f"{path}: a submission is JSON; rows are written by forecast.eval.forecasts")
    pieces = [rows] if isinstance(rows, ForecastRows) else rows
    entries = [entry for piece in pieces for entry in _entries_of(piece, str(path))]
    with written_whole(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(entries))


def _entries_of(rows: ForecastRows, where: str) -> list[dict[str, Any]]:
    refuse_remark(rows, where)
    if rows.sample_tokens is None:
        raise SubmissionError(
            f"{where}: not written: rows without sample_tokens; a submission needs the key frame of each: "
            "write .parquet or .csv"
        )
    _refuse_uneven(rows, where)
    present = ~np.isnan(rows.probabilities)
    return [
        {
            "instance": rows.track[i].item(),
            "sample": rows.sample_tokens[i].item(),
            "prediction": rows.positions_m[i, present[i]].tolist(),
            "probabilities": rows.probabilities[i, present[i]].tolist(),
        }
        for i in range(len(rows))
    ]


def _refuse_uneven(rows: ForecastRows, where: str) -> None:
    """Refuse leads that stray from even steps: a submission has no place for either."""
    step_s = float(rows.lead_s[0]) if len(rows.lead_s) else 0.0
    off_s = np.abs(rows.own_lead_s - step_s * np.arange(1, len(rows.lead_s) + 1))
    if off_s.max(initial=0.0) > _STRAY_STEPS * step_s:
        row, step = np.unravel_index(int(off_s.argmax()), off_s.shape)
        raise SubmissionError(
            f"{where}: not written: row {row} ({rows.track[row]}): point {step} is {rows.own_lead_s[row, step]:.6g} s "
            f"ahead; a submission has its points at multiples of {step_s:g} s: interpolate them to these leads"
        )


def check_values(rows: ForecastRows, where: str) -> None:
    """Refuse duplicates, and numbers that cannot be positions or probabilities.

    Raises:
        SubmissionError: in one line.
    """
    given = rows.probabilities
    present = ~np.isnan(given)
    positions = np.where(present[..., None, None], rows.positions_m, 0.0)
    refused = [
        (~present.any(-1), "no mode with a probability; expected at least one"),
        (~np.isfinite(positions).all((1, 2, 3)), "a position that is not finite"),
        ((np.abs(positions) > MAX_COORDINATE_M).any((1, 2, 3)), "a position over 10,000 km out; expected metres"),
        ((given < 0).any(-1), "a negative probability; expected 0 or more"),
        (np.isinf(given).any(-1), "an infinite probability; expected a finite one"),
        ((given > MAX_PROBABILITY).any(-1), "a probability over a million; expected up to 1"),
        (np.nansum(given, -1) <= 0, "all probabilities are 0; expected a positive sum"),
    ]
    names = agent_samples(rows)
    for wrong, complaint in refused:
        if wrong.any():
            index = int(wrong.argmax())
            raise SubmissionError(f"{where}: entry {index} ({'_'.join(names[index])}): {complaint}")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise SubmissionError(f"{where}: {count} entries for {'_'.join(name)}; expected one each, remove the others")


def agent_samples(rows: ForecastRows) -> list[tuple[str, str]]:
    """Token of the agent and token of the key frame of each row.

    Raises:
        ValueError: the rows have no ``sample_tokens``.
    """
    if rows.sample_tokens is None:
        raise ValueError("sample_tokens: expected the key frame of each row, got None")
    return list(zip(rows.track.tolist(), rows.sample_tokens.tolist(), strict=True))


def _read_bytes(path: Path, max_bytes: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise SubmissionError(
                f"{path}: {size / 1024**3:.1f} GiB of JSON, more than the {max_bytes / 1024**3:.1f} GiB that are read "
                "at once; convert it to Parquet (docs/forecasts-format.md) or raise max_bytes"
            )
        return path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise SubmissionError(f"{path}: cannot be read: {error.strerror}") from error


def _decode(path: Path, content: bytes) -> list[_Entry]:
    try:
        return msgspec.json.decode(content, type=list[_Entry])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, MemoryError) as error:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise SubmissionError(
            f"{path}: not a submission: {detail}; expected a list of instance, sample, prediction and probabilities"
        ) from error


def _steps_of_first(path: Path, entries: list[_Entry]) -> int:
    first = entries[0].prediction
    if not first or not first[0]:
        raise SubmissionError(f"{path}: entry 0: an empty prediction; expected modes of points")
    return len(first[0])


def _check_shape(where: str, entry: _Entry, steps: int, max_modes: int) -> None:
    where = f"{where} ({entry.instance[:64]}_{entry.sample[:64]})"
    modes = len(entry.prediction)
    if not entry.instance or not entry.sample:
        raise SubmissionError(f"{where}: an empty token; expected an instance and a sample token")
    if not 1 <= modes <= max_modes:
        raise SubmissionError(f"{where}: {modes} modes; expected 1 to {max_modes}")
    if len(entry.probabilities) != modes:
        raise SubmissionError(f"{where}: {len(entry.probabilities)} probabilities for {modes} modes; expected as many")
    for number, mode in enumerate(entry.prediction):
        if len(mode) != steps:
            raise SubmissionError(f"{where}: mode {number} has {len(mode)} points; expected {steps}")


def _as_rows(entries: list[_Entry], steps: int, step_s: float) -> ForecastRows:
    counts = np.array([len(entry.prediction) for entry in entries])
    modes = int(counts.max())
    present = np.arange(modes) < counts[:, None]
    positions = np.full((len(entries), modes, steps, 2), np.nan)
    probabilities = np.full((len(entries), modes), np.nan)
    flat: list[Any] = [point for entry in entries for mode in entry.prediction for point in mode]
    positions[present] = np.array(flat, dtype=np.float64).reshape(-1, steps, 2)
    probabilities[present] = np.array([p for entry in entries for p in entry.probabilities], dtype=np.float64)
    return ForecastRows.at_key_frames(
        np.array([entry.instance for entry in entries]),
        np.array([entry.sample for entry in entries]),
        positions,
        probabilities,
        step_s=step_s,
    )
