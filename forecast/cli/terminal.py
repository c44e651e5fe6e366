"""How the command line speaks: any text on any terminal, and warnings for people in one line."""

from __future__ import annotations

import codecs
import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import forecast
from forecast.core.errors import DataWarning

#: What stands for the characters beyond ASCII that this package prints, where an encoding lacks them.
_PLAIN = str.maketrans(
    {"−": "-", "–": "-", "…": "...", "·": "*", "×": "x", "²": "2", "τ": "tau", "▸": ">"}
    | dict.fromkeys("┏┳┓┡╇┩└┴┘├┼┤╭╮╰╯", "+")
    | dict.fromkeys("━─", "-")
    | dict.fromkeys("┃│", "|")
)


@contextmanager
def plainly_spoken() -> Iterator[None]:
    """Print plainly, meanwhile, what an encoding lacks, or a name that is no text at all; warn in one line."""
    codecs.register_error("forecast.plain", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None in a window without a terminal, anything in a notebook
            stream.reconfigure(errors="forecast.plain")
    before, package = warnings.formatwarning, str(Path(forecast.__file__).parent)

    def told(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        # For people, without the place in the code that says so.
        if issubclass(category, DataWarning) or (category is UserWarning and filename.startswith(package)):
            return f"forecast: warning: {message}\n"
        return before(message, category, filename, lineno, line)

    warnings.formatwarning = told
    try:
        yield
    finally:
        warnings.formatwarning = before


def _plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode(), error.end
