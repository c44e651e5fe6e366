"""Messages of a stack as rows of forecasts and truth, and rows as messages again."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows, TruthRows
from forecast.stack.stack_message import PredictedPath, StackMessage, StackObject

Floats = NDArray[np.float64]

#: So many objects are turned into rows at a time.
_PIECE = 4096
#: Times of points are told apart to a tenth of a millisecond.
_TICKS_PER_S = 10_000
#: Paths whose steps are all different would make rows of all their times.
_MOST_LEADS = 600
#: Truth is that of a forecast's time if it is so near to it, seconds.
_SAME_TIME_S = 5e-3


class LogRows:
    """All forecasts of a log.

    Messages are read once; rows wait on disk until it is known which leads there are. Memory is that of a piece.

    Args:
        messages: of the log, checked.
        where: the log.
    """

    def __init__(self, messages: Iterable[StackMessage], where: str) -> None:
        self._where = where
        self._folder = tempfile.TemporaryDirectory(prefix="forecast-log-")
        self._pieces: list[Path] = []
        ticks: set[int] = set()
        waiting: list[tuple[float, StackObject]] = []
        for message in messages:
            for one in message.objects:
                if one.paths:
                    waiting.append((one.time_s(message.time_s), one))
                ticks.update(tick for path in one.paths for tick in _ticks(path.lead_s))
            if len(ticks) > _MOST_LEADS:
                raise SubmissionError(
                    f"{message.where}: the paths up to here have points at {len(ticks)} different times after their "
                    "messages; expected steps that they share: resample them"
                )
            if len(waiting) >= _PIECE:
                self._keep(waiting)
                waiting = []
        if waiting:
            self._keep(waiting)
        self.lead_s: Floats = np.array(sorted(ticks)) / _TICKS_PER_S

    def _keep(self, objects: list[tuple[float, StackObject]]) -> None:
        path = Path(self._folder.name) / f"{len(self._pieces)}.npz"
        rows = rows_of(objects)
        np.savez(
            path, track=rows.track, issue_time_s=rows.issue_time_s, lead_s=rows.lead_s, positions_m=rows.positions_m,
            probabilities=rows.probabilities,
        )  # fmt: skip
        self._pieces.append(path)

    def forecasts(self) -> Iterator[ForecastRows]:
        """Pieces of rows, all with the same leads; NaN where a path has no point.

        Raises:
            SubmissionError: no object of the log has a predicted path.
        """
        if not self._pieces:
            raise SubmissionError(f"{self._where}: no object has a predicted path; expected forecasts")
        places = {tick: place for place, tick in enumerate(_ticks(self.lead_s))}
        for path in self._pieces:
            with np.load(path, allow_pickle=False) as held:
                part = {name: held[name] for name in held.files}
            own = [places[tick] for tick in _ticks(part["lead_s"])]
            positions = np.full((*part["positions_m"].shape[:2], len(self.lead_s), 2), np.nan)
            positions[:, :, own] = part["positions_m"]
            yield ForecastRows(part["track"], part["issue_time_s"], self.lead_s, positions, part["probabilities"])


def truth_of(messages: Iterable[StackMessage], where: str) -> TruthRows:
    """Where everybody was, one row an object and message.

    Args:
        messages: of a log, checked.
        where: the log.

    Raises:
        SubmissionError: the log has no objects.
    """
    seen = [(one.track, one.time_s(message.time_s), one.position_m) for message in messages for one in message.objects]
    if not seen:
        raise SubmissionError(f"{where}: no objects; expected some that are tracked")
    track, time_s, positions = zip(*seen, strict=True)
    return TruthRows(np.array(track, dtype=np.str_), np.array(time_s), np.array(positions))


def rows_of(objects: Sequence[tuple[float, StackObject]]) -> ForecastRows:
    """Forecasts of some objects, each with the time of its message, seconds; every object has a path."""
    ticks = sorted({tick for _, one in objects for path in one.paths for tick in _ticks(path.lead_s)})
    places = {tick: place for place, tick in enumerate(ticks)}
    modes = max(len(one.paths) for _, one in objects)
    positions = np.full((len(objects), modes, len(ticks), 2), np.nan)
    probabilities = np.full((len(objects), modes), np.nan)
    for row, (_, one) in enumerate(objects):
        for mode, path in enumerate(one.paths):
            probabilities[row, mode] = path.probability
            positions[row, mode, [places[tick] for tick in _ticks(path.lead_s)]] = path.positions_m
    return ForecastRows(
        np.array([one.track for _, one in objects], dtype=np.str_),
        np.array([time_s for time_s, _ in objects]),
        np.array(ticks) / _TICKS_PER_S,
        positions,
        probabilities,
    )


def _ticks(lead_s: Floats) -> list[int]:
    found: list[int] = np.round(lead_s * _TICKS_PER_S).astype(np.int64).tolist()
    return found


class RowMessages:
    """Rows as messages, in the order of their times.

    Where an object is now is told by the truth; where that does not say it, the path is drawn back by one step.

    Args:
        pieces: rows; all of them are held in memory, since a message has all tracks of its time.
        truth: where everybody was, or None.
        where: the file of rows, for errors.

    Attributes:
        objects, drawn_back: how many there were, and of them how many whose truth was not told.
    """

    def __init__(self, pieces: Iterable[ForecastRows], truth: TruthRows | None, where: str) -> None:
        self._pieces, self._where = pieces, where
        self._known = {} if truth is None else _by_track(truth)
        self.objects = self.drawn_back = 0

    def __iter__(self) -> Iterator[StackMessage]:
        """Give the messages.

        Raises:
            SubmissionError: a forecast has no mode, or a path has a gap.
        """
        at: dict[float, list[tuple[ForecastRows, int]]] = {}
        for rows in self._pieces:
            for row, time_s in enumerate(rows.issue_time_s.tolist()):
                at.setdefault(time_s, []).append((rows, row))
        for number, time_s in enumerate(sorted(at)):
            objects = tuple(self._object(rows, row) for rows, row in at[time_s])
            yield StackMessage(time_s, f"{self._where}, message {number}", objects)

    def _object(self, rows: ForecastRows, row: int) -> StackObject:
        track, time_s, lead_s = str(rows.track[row]), float(rows.issue_time_s[row]), rows.own_lead_s[row]
        paths = []
        for mode, probability in enumerate(rows.probabilities[row].tolist()):
            there = np.isfinite(rows.positions_m[row, mode]).all(-1)
            if np.isfinite(probability) and there.any():
                paths.append(PredictedPath(probability, lead_s[there], rows.positions_m[row, mode, there]))
        if not paths:
            raise SubmissionError(f"{self._where}: the forecast of track {track} at {time_s:.15g} s has no mode")
        likely = max(paths, key=lambda path: path.probability)
        now = self._now(track, time_s)
        self.objects += 1
        if now is None:
            self.drawn_back += 1
            now = _drawn_back(likely)
        return StackObject(track, now, _heading_rad(likely), paths=tuple(paths))

    def _now(self, track: str, time_s: float) -> tuple[float, float] | None:
        """Where the truth has a track at a time; None where it does not say that."""
        times_s, positions = self._known.get(_plain(track), (np.empty(0), np.empty((0, 2))))
        if not len(times_s):
            return None
        nearest = int(np.abs(times_s - time_s).argmin())
        if abs(times_s[nearest] - time_s) > _SAME_TIME_S:
            return None
        return float(positions[nearest, 0]), float(positions[nearest, 1])


def _plain(track: str) -> str:
    """A name as it is compared: a UUID without its dashes."""
    try:
        return uuid.UUID(track).hex
    except ValueError:
        return track


def _by_track(truth: TruthRows) -> dict[str, tuple[Floats, Floats]]:
    names, code = np.unique(truth.track, return_inverse=True)
    order = np.argsort(code.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(code.reshape(-1), minlength=len(names)))[:-1]
    return {
        _plain(name): (truth.time_s[rows], truth.positions_m[rows])
        for name, rows in zip(names.tolist(), np.split(order, ends), strict=True)
    }


def _drawn_back(path: PredictedPath) -> tuple[float, float]:
    """Where a path was at time 0, if it went on as it begins."""
    first = path.positions_m[0]
    if len(path.lead_s) < 2:
        return float(first[0]), float(first[1])
    step_m = (path.positions_m[1] - first) / (path.lead_s[1] - path.lead_s[0])
    x, y = first - step_m * path.lead_s[0]
    return float(x), float(y)


def _heading_rad(path: PredictedPath) -> float:
    away = path.positions_m[min(1, len(path.positions_m) - 1)] - path.positions_m[0]
    return float(np.arctan2(away[1], away[0])) if np.hypot(*away) > 0 else 0.0
