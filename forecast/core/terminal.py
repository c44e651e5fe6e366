"""Output to terminals and files that hold less than Unicode: what they lack is written plainly, nothing fails."""

from __future__ import annotations

import codecs
import sys

#: What stands for the characters that this package prints beyond ASCII.
_PLAIN = str.maketrans(
    {"−": "-", "–": "-", "—": "-", "…": "...", "·": "*", "×": "x", "°": " deg", "²": "2", "τ": "tau", "▸": ">"}
    | dict.fromkeys("┏┳┓┡╇┩└┴┘├┼┤┌┬┐╭╮╰╯", "+")
    | dict.fromkeys("━─", "-")
    | dict.fromkeys("┃│", "|")
)
_NAME = "forecast.plain"


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write what an encoding lacks in its place, and what has none as an escape."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def speak_plainly() -> None:
    """Let stdout and stderr take any text: redirected on Windows (cp1252), or in a container whose locale is C."""
    codecs.register_error(_NAME, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_NAME)
