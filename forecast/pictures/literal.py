"""Names in pictures, as they are."""

from __future__ import annotations


def literal(name: str) -> str:
    """A name as matplotlib shall write it: no formula between its dollar signs, and never left out of a legend."""
    text = name.encode("utf-8", "backslashreplace").decode().replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
