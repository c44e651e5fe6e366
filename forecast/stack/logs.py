"""Logs of driving stacks, by their names: a bag of Autoware's, a message or a folder of messages of Apollo's."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from forecast.core.errors import DataWarning
from forecast.core.rows import TruthRows
from forecast.eval.forecasts import write_forecasts, write_truth
from forecast.stack.apollo_files import ApolloLog, is_apollo
from forecast.stack.autoware_log import AutowareLog
from forecast.stack.log_rows import LogRows, truth_of
from forecast.stack.message_checks import LogNotes, checked


def is_log(path: Path | str) -> bool:
    """Whether a name is that of a log: ``.mcap``, ``.db3``, a bag's folder, ``.pb``, ``.pb.txt``, a folder of those."""
    path = Path(path)
    return path.suffix.lower() in (".mcap", ".db3") or (path / "metadata.yaml").is_file() or is_apollo(path)


def open_log(path: Path | str, topic: str | None = None) -> AutowareLog | ApolloLog:
    """Open a log.

    Args:
        path: for which :func:`is_log` holds.
        topic: of a bag, where it has several of a type.

    Raises:
        MissingExtraError: what reads it is not installed.
    """
    path = Path(path)
    return ApolloLog(path) if is_apollo(path) else AutowareLog(path, topic)


def log_forecasts(path: Path | str, topic: str | None = None) -> tuple[LogRows, LogNotes]:
    """All forecasts of a log as rows, and what was noticed.

    Args:
        path: of the log.
        topic: of a bag.

    Raises:
        SubmissionError: in one line, what is wrong with the log.
    """
    notes = LogNotes()
    return LogRows(checked(open_log(path, topic).predicted(), notes), str(path)), notes


def log_truth(path: Path | str, topic: str | None = None) -> tuple[TruthRows, LogNotes]:
    """Where everybody was, by a log: of TrackedObjects, or of forecasts, which say where everybody is.

    Args:
        path: of the log.
        topic: of a bag.

    Raises:
        SubmissionError: in one line, what is wrong with the log.
    """
    notes = LogNotes()
    messages = checked(open_log(path, topic).tracked(), notes, forecasts=False)
    return truth_of(messages, str(path)), notes


@contextmanager
def as_row_files(
    forecasts: list[str], truth: str, *, topic: str | None = None, truth_topic: str | None = None
) -> Iterator[tuple[list[str], str]]:
    """Files of rows for those that are logs, under the same names, as long as they are needed.

    Args:
        forecasts: files of rows and logs.
        truth: a file of rows or a log.
        topic, truth_topic: of bags that have several of a type.

    Raises:
        SubmissionError: in one line, what is wrong with a log.
    """
    with TemporaryDirectory(prefix="forecast-rows-") as folder:
        files = []
        for number, path in enumerate(forecasts):
            if not is_log(path):
                files.append(path)
                continue
            place = Path(folder) / str(number)
            place.mkdir()
            rows, notes = log_forecasts(path, topic)
            _tell(path, notes)
            files.append(str(place / f"{_stem(path)}.parquet"))
            write_forecasts(files[-1], rows.forecasts())
        if is_log(truth):
            told, notes = log_truth(truth, truth_topic)
            _tell(truth, notes)
            truth = str(Path(folder) / f"{_stem(truth)}.parquet")
            write_truth(truth, told)
        yield files, truth


def _stem(path: str) -> str:
    name = Path(path).name
    return name.removesuffix(".txt").rpartition(".")[0] or name


def _tell(path: str, notes: LogNotes) -> None:
    """Warn of what does not count."""
    for line in notes.lines()[1:]:
        warnings.warn(f"{path}: {line}", DataWarning, stacklevel=3)
