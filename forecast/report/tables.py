"""The headline table as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from forecast.report.figures import at, bodies, half_width, strata_lines, table_cells, table_headings


def as_markdown(document: Mapping[str, Any], *, keys: Sequence[str] = (), intervals: bool = False) -> str:
    """The table for a README, and one for each kind of strata of the user's own.

    Args:
        document: of report.json.
        keys: of the metrics to show, in this order; by default those of the short tables.
        intervals: also write half the width of each 95 % interval.

    Raises:
        ConfigError: there is no metric of such a key.
    """
    found = table_headings(document, keys)
    lines = table_cells(document, found)
    if intervals:
        for line, body in zip(lines, bodies(document), strict=True):
            halves = (half_width(at(body, one.path)) for one in found)
            line[1:] = [
                f"{cell} ± {half:.3f}" if math.isfinite(half) else cell
                for cell, half in zip(line[1:], halves, strict=True)
            ]
    table = markdown_table([["forecasts", *(one.text for one in found)], *lines])
    by = [markdown_table(strata_lines(document, kind)) for kind in document.get("by", [])]
    return "\n".join([table, *(f"minADE_1 / minFDE_1, metres:\n\n{one}" for one in by)])


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """A table; the first line is its head, the first column is on the left."""
    ruled = [lines[0], ["---", *["---:"] * (len(lines[0]) - 1)], *lines[1:]]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in ruled)
