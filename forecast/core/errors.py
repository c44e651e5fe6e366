"""Errors that are the user's to fix: one clear line each, no traceback on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ForecastError(Exception):
    """Base of all errors that a user can fix; the command line prints the message alone and exits with 2.

    The message is one line: which file or entry, what was found, what was expected, what to do.
    """


class DataError(ForecastError):
    """A data set or map on disk is missing, damaged or not what it claims to be."""


class DataWarning(UserWarning):
    """Something about a data set that is no mistake, but that its user should know."""


class SubmissionError(ForecastError):
    """A file of forecasts (or of truth) cannot be scored as it is."""


class CheckpointError(ForecastError):
    """A checkpoint is missing, damaged, or of a format this version does not read."""


class ConfigError(ForecastError):
    """A configuration key or value is wrong."""


class SceneError(ForecastError):
    """What was observed of a scene, or its map, cannot be forecast as it is."""


class ExportError(ForecastError):
    """A model cannot be handed on in another form, or does not answer there what it answers here."""


class MissingExtraError(ForecastError):
    """An optional package is not installed; the message holds the exact install command."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs {package}, which is not installed: pip install 'cab-forecast[{extra}]'")


def one_of(options: Iterable[str], found: str, *, at_most: int = 8) -> str:
    """Say which options exist, nearest first: the tail of a message about an unknown name.

    >>> one_of(["val", "train"], "vall")
    "did you mean 'val'? known: train, val"
    """
    known = sorted(options)
    near = difflib.get_close_matches(found, known, n=1)
    listed = ", ".join(known[:at_most]) + (f", … ({len(known)} in all)" if len(known) > at_most else "")
    return (f"did you mean '{near[0]}'? " if near else "") + f"known: {listed}"
