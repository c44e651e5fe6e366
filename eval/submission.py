"""Submissions to the nuScenes prediction challenge: the devkit's list of serialized predictions, as JSON."""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import SubmissionError
from forecast.core.files import written_whole
from forecast.eval.flat_rows import MAX_PROBABILITY
from forecast.eval.notes import Notes
from forecast.eval.results import Floats

MAX_MODES = 25
MAX_BYTES = 2 * 1024**3
#: Positions farther than this from the map's origin are no positions, m.
MAX_COORDINATE_M = 1e7
_SUM_TOLERANCE = 1e-3


class _Entry(msgspec.Struct):
    instance: str
    sample: str
    prediction: list[list[tuple[float, float]]]
    probabilities: list[float]


@dataclass(frozen=True)
class Submission:
    """Forecasts of agent-samples, world frame.

    Attributes:
        instance_tokens: (entries,) which agent.
        sample_tokens: (entries,) at which key frame the forecast was issued.
        positions_m: (entries, modes, steps, 2) float64; NaN in the modes that an entry does not have.
        probabilities: (entries, modes) float64; NaN likewise. Not necessarily normalised.
        covariances_m2: (entries, modes, steps, 2, 2) of the positions, or None: JSON has no place for them.
        samples_m: (entries, samples, steps, 2) draws of the full distribution, or None, likewise.
    """

    instance_tokens: NDArray[np.str_]
    sample_tokens: NDArray[np.str_]
    positions_m: Floats
    probabilities: Floats
    covariances_m2: Floats | None = None
    samples_m: Floats | None = None

    def __len__(self) -> int:
        return len(self.instance_tokens)

    @property
    def tokens(self) -> list[str]:
        """``instance_sample`` of each entry, as the challenge's splits list them."""
        return [f"{i}_{s}" for i, s in zip(self.instance_tokens.tolist(), self.sample_tokens.tolist(), strict=True)]

    @property
    def unnormalised(self) -> NDArray[np.bool_]:
        """(entries,) True where the probabilities do not sum to 1 (official submissions may do so)."""
        off: NDArray[np.bool_] = np.abs(np.nansum(self.probabilities, -1) - 1.0) > _SUM_TOLERANCE
        return off


def read_submission(
    path: Path | str,
    *,
    steps: int | None = 12,
    max_modes: int = MAX_MODES,
    max_bytes: int = MAX_BYTES,
    notes: Notes | None = None,
) -> Submission:
    """Read and check a submission.

    Args:
        path: JSON as the devkit's ``[prediction.serialize() for prediction in ...]`` gives it.
        steps: points expected in each mode, or None to accept any number, the same everywhere.
        max_modes: most modes an entry may have.
        max_bytes: refuse larger files before reading them; Parquet is the form for those.
        notes: what is noticed.

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
    submission = _as_arrays(entries, steps)
    check_values(submission, str(path))
    if notes is not None:
        notes.digits.see(submission.positions_m, [])
    return submission


def write_submission(path: Path | str, submission: Submission) -> None:
    """Write a submission as the devkit does, without covariances and samples; absent (NaN) modes are left out.

    Raises:
        SubmissionError: the name is that of a file of rows.
    """
    if Path(path).suffix.lower() in (".parquet", ".csv"):
        raise SubmissionError(f"{path}: a submission is JSON; rows are written by forecast.eval.forecasts")
    present = ~np.isnan(submission.probabilities)
    entries = [
        {
            "instance": submission.instance_tokens[i].item(),
            "sample": submission.sample_tokens[i].item(),
            "prediction": submission.positions_m[i, present[i]].tolist(),
            "probabilities": submission.probabilities[i, present[i]].tolist(),
        }
        for i in range(len(submission))
    ]
    with written_whole(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(entries))


def check_values(submission: Submission, where: str) -> None:
    """Refuse duplicates, empty tokens, and numbers that cannot be positions or probabilities.

    Raises:
        SubmissionError: in one line.
    """
    present = ~np.isnan(submission.probabilities)
    positions = np.where(present[..., None, None], submission.positions_m, 0.0)
    refused = [
        (~present.any(-1), "no mode with a probability; expected at least one"),
        (~np.isfinite(positions).all((1, 2, 3)), "a position that is not finite"),
        ((np.abs(positions) > MAX_COORDINATE_M).any((1, 2, 3)), "a position over 10,000 km out; expected metres"),
        ((submission.probabilities < 0).any(-1), "a negative probability; expected 0 or more"),
        (np.isinf(submission.probabilities).any(-1), "an infinite probability; expected a finite one"),
        ((submission.probabilities > MAX_PROBABILITY).any(-1), "a probability over a million; expected up to 1"),
        (np.nansum(submission.probabilities, -1) <= 0, "all probabilities are 0; expected a positive sum"),
    ]
    for wrong, complaint in refused:
        if wrong.any():
            index = int(wrong.argmax())
            raise SubmissionError(f"{where}: entry {index} ({_name(submission, index)}): {complaint}")
    token, count = Counter(submission.tokens).most_common(1)[0]
    if count > 1:
        raise SubmissionError(f"{where}: {count} entries for {token}; expected one each, remove the others")


def _name(submission: Submission, index: int) -> str:
    return f"{submission.instance_tokens[index]}_{submission.sample_tokens[index]}"


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


def _as_arrays(entries: list[_Entry], steps: int) -> Submission:
    counts = np.array([len(entry.prediction) for entry in entries])
    modes = int(counts.max())
    present = np.arange(modes) < counts[:, None]
    positions = np.full((len(entries), modes, steps, 2), np.nan)
    probabilities = np.full((len(entries), modes), np.nan)
    flat: list[Any] = [point for entry in entries for mode in entry.prediction for point in mode]
    positions[present] = np.array(flat, dtype=np.float64).reshape(-1, steps, 2)
    probabilities[present] = np.array([p for entry in entries for p in entry.probabilities], dtype=np.float64)
    return Submission(
        np.array([entry.instance for entry in entries]),
        np.array([entry.sample for entry in entries]),
        positions,
        probabilities,
    )
