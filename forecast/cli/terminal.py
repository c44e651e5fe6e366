"""How the command line speaks: any text on any terminal, and warnings for people in one line."""

from __future__ import annotations

import codecs
import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from forecast.core.errors import DataWarning

#: What stands for the characters beyond ASCII that this package prints, where an encoding lacks them.
_PLAIN = str.maketrans(
    {"−": "-", "–": "-", "…": "...", "·": "*", "×": "x", "²": "2", "τ": "tau", "▸": ">"}
    | dict.fromkeys("┏┳┓┡╇┩└┴┘├┼┤╭╮╰╯", "+")
    | dict.fromkeys("━─", "-")
    | dict.fromkeys("┃│", "|")
)
_WITH_PLACE = warnings.formatwarning


@contextmanager
def plainly_spoken() -> Iterator[None]:
    """Print plainly, meanwhile, what an encoding lacks, or a name that is no text at all; warn in one line."""
    codecs.register_error("forecast.plain", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None in a window without a terminal, anything in a notebook
            stream.reconfigure(errors="forecast.plain")
    warnings.formatwarning, before = _one_line, warnings.formatwarning
    try:
        yield
    finally:
        warnings.formatwarning = before


def _plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode(), error.end


def _one_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning for people: what is to know, without the place in the program that says so."""
    if issubclass(category, DataWarning):
        return f"forecast: warning: {message}\n"
    return _WITH_PLACE(message, category, filename, lineno, line)
