"""Looks through the messages of a log: what cannot be is refused in one line, what was said twice is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from forecast.core.errors import SubmissionError
from forecast.stack.stack_message import StackMessage, StackObject

#: Messages may come late by so much; more is a clock that was set back, seconds.
_LATE_S = 1.0
#: Coordinates beyond this are none in metres.
_FAR_M = 1e7


@dataclass
class LogNotes:
    """What was noticed in a log.

    Attributes:
        messages: how many were read.
        objects: of them all.
        without_path: how many objects had no predicted path; not counted where only their places are asked for.
        said_twice: how many messages repeat one that was read before.
        age_s: of the objects that say when they were seen, how long before their message.
    """

    messages: int = 0
    objects: int = 0
    without_path: int = 0
    said_twice: int = 0
    age_s: list[float] = field(default_factory=list)

    def lines(self) -> list[str]:
        """What to tell."""
        found = [f"{self.messages:,} messages with {self.objects:,} objects"]
        if self.without_path:
            found.append(f"{self.without_path:,} objects have no predicted path")
        if self.said_twice:
            found.append(f"{self.said_twice:,} messages are in the log twice, and count once")
        if self.age_s:
            ages_ms = np.sort(self.age_s) * 1e3
            found.append(
                f"objects were seen before their messages, {np.median(ages_ms):.0f} ms in the median and "
                f"{ages_ms[-1]:.0f} ms at most: they are scored at the time at which they were seen"
            )
        return found


def checked(messages: Iterable[StackMessage], notes: LogNotes, *, forecasts: bool = True) -> Iterator[StackMessage]:
    """The messages, each once, in the order of their times: those that come up to a second late are put in place.

    Args:
        messages: as they were read.
        notes: filled as they pass.
        forecasts: whether paths are asked for, and not the places of the objects alone.

    Raises:
        SubmissionError: a clock that was set back or not set, an object twice in a message, or numbers that are none.
    """
    latest = -np.inf
    waiting: list[StackMessage] = []
    for message in messages:
        notes.messages += 1
        if not np.isfinite(message.time_s) or message.time_s <= 0:
            raise SubmissionError(f"{message.where}: its time is {message.time_s:g} s; expected the clock of the log")
        if message.time_s < latest - _LATE_S:
            raise SubmissionError(
                f"{message.where}: its time is {latest - message.time_s:.3g} s before that of a message before it: the "
                "log was played twice or its clock was set back; cut it there, and score the parts"
            )
        latest = max(latest, message.time_s)
        if any(_same(one, message) for one in waiting):
            notes.said_twice += 1
            continue
        _check(message)
        for one in waiting:
            _check_beside(one, message)
        notes.objects += len(message.objects)
        notes.without_path += sum(not one.paths for one in message.objects) if forecasts else 0
        notes.age_s += [message.time_s - one.seen_s for one in message.objects if one.seen_s is not None]
        waiting.append(message)
        waiting.sort(key=lambda one: one.time_s)
        while waiting[0].time_s < latest - _LATE_S:
            yield waiting.pop(0)
    yield from waiting


def _check_beside(one: StackMessage, other: StackMessage) -> None:
    """Refuse two messages of one time that say different things of one object.

    Raises:
        SubmissionError: in one line.
    """
    if one.time_s != other.time_s:
        return
    both = {thing.track for thing in one.objects} & {thing.track for thing in other.objects}
    if both:
        raise SubmissionError(
            f"{other.where}: says something else of object {min(both)} than {one.where} does, at the same time; "
            "expected one message of a time"
        )


def _same(one: StackMessage, other: StackMessage) -> bool:
    """Whether two messages say the same of the same time."""
    if one.time_s != other.time_s or len(one.objects) != len(other.objects):
        return False
    return all(_equal(a, b) for a, b in zip(one.objects, other.objects, strict=True))


def _equal(one: StackObject, other: StackObject) -> bool:
    if replace(one, paths=()) != replace(other, paths=()) or len(one.paths) != len(other.paths):
        return False
    return all(
        a.probability == b.probability
        and np.array_equal(a.lead_s, b.lead_s)
        and np.array_equal(a.positions_m, b.positions_m)
        for a, b in zip(one.paths, other.paths, strict=True)
    )


def _check(message: StackMessage) -> None:
    """Refuse what cannot be in one message.

    Raises:
        SubmissionError: in one line.
    """
    names = Counter(one.track for one in message.objects)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        raise SubmissionError(
            f"{message.where}: object {twice} is there {names[twice]} times; expected each object once in a message"
        )
    for one in message.objects:
        numbers = [*one.position_m, *(float(value) for path in one.paths for value in path.positions_m.ravel())]
        if not np.isfinite(numbers).all():
            raise SubmissionError(f"{message.where}: object {one.track} has a position that is not a finite number")
        if np.abs(numbers).max() > _FAR_M:
            raise SubmissionError(f"{message.where}: object {one.track} is over 10,000 km out; expected metres")
        if one.paths and not sum(path.probability for path in one.paths) != 0:
            raise SubmissionError(
                f"{message.where}: all paths of object {one.track} have probability 0; expected a positive sum"
            )
        for path in one.paths:
            if not (np.isfinite(path.probability) and path.probability >= 0):
                raise SubmissionError(
                    f"{message.where}: object {one.track} has a path of probability {path.probability}; expected 0 or "
                    "more"
                )
            if (np.diff(path.lead_s) <= 0).any():
                raise SubmissionError(f"{message.where}: object {one.track} has a path whose times do not increase")
