"""Turns figures into SVG that is part of a page and takes its colours from the page's style sheet."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Colours to draw with: each stands for a variable of the style sheet, so that dark mode and print choose their own.
INK, QUIET, GRID = "#010203", "#010204", "#010205"
_SERIES = tuple(f"#0a0b{number:02x}" for number in range(1, 7))
_VARIABLES = {INK: "--ink", QUIET: "--quiet", GRID: "--rule"} | {
    colour: f"--series-{number}" for number, colour in enumerate(_SERIES, start=1)
}
_NOT_DRAWN = r"<style.*?</style>|<metadata>.*?</metadata>|<!--.*?-->"
#: Told apart without colours, too. The style sheet shows the same marks beside names.
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("-", "--", ":", "-.")


def series_style(number: int) -> dict[str, Any]:
    """Colour, marker and dash of the file of this number, counted from 0: the same on the whole page."""
    turn, place = divmod(number, len(_SERIES))
    return {
        "color": _SERIES[place],
        "marker": _MARKERS[place],
        "linestyle": _DASHES[turn % len(_DASHES)],
        "markersize": 3.5,
        "linewidth": 1.4,
    }


def panel(width_in: float = 4.2, height_in: float = 2.7) -> tuple[Figure, Axes]:
    """A figure of one small panel, in the look of the page."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=9, length=3)
    axes.xaxis.label.set(color=INK, size=9)
    axes.yaxis.label.set(color=INK, size=9)
    axes.grid(True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes


def inline_svg(figure: Figure, alt: str) -> str:
    """A figure as one ``<svg>`` element for a page.

    Args:
        figure: made by :func:`panel`.
        alt: what is to be seen, for readers who do not see it.
    """
    buffer = io.StringIO()
    nothing: Mapping[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": alt}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict(nothing))
    text = buffer.getvalue()
    size = re.search(r'viewBox="[^"]+"', text)
    assert size is not None
    # The page has its own style, and names of groups would stand in it several times.
    inside = re.sub(
        _NOT_DRAWN,
        "",
        text[text.index(">", size.end()) + 1 :],
        flags=re.DOTALL,
    )
    inside = re.sub(r'<g id="[^"]*"', "<g", inside).replace("xlink:href", "href")
    for colour, variable in _VARIABLES.items():
        inside = inside.replace(colour, f"var({variable})")
    return f'<svg role="img" aria-label="{escape(alt)}" {size.group()}>{inside.strip()}'
