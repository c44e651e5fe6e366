"""A picture for a page, with the words that stand for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Drawing:
    """A picture that a page holds: SVG markup or a PNG, one of the two.

    Attributes:
        caption: below it.
        alt: what is to be seen, for readers who do not see it.
        svg: one ``<svg>`` element, safe to put into HTML.
        png: the file's bytes.
    """

    caption: str
    alt: str
    svg: str = ""
    png: bytes = b""
