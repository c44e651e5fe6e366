"""The headline table on the terminal, and what the reader must know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from forecast.report.figures import bodies, columns, heading_of, items, rows, shared_points, strata_lines, warnings


def print_table(document: Mapping[str, Any]) -> None:
    """Print the table and its warnings, one metric a line so that it fits any terminal.

    Where the files' names do not fit beside each other, the columns are numbered and the names stand above; where the
    columns do not fit either, several tables follow each other, so that no figure is broken in two.
    """
    console = Console()
    found, metrics = rows(document), list(columns(document))
    names, cells = [row[0] for row in found], [row[1:] for row in found]
    on = items(document)
    room = console.width - max(map(len, metrics), default=0) - max(map(len, [*on, "items"])) - 7
    if sum(max(len(name), 7) + 3 for name in names) > room:
        for number, name in enumerate(names, start=1):
            console.print(f"({number}) {name}", highlight=False, soft_wrap=True, markup=False)
        names = [f"({number})" for number in range(1, len(names) + 1)]
    widest = max((len(cell) for row in cells for cell in row), default=0)
    if len(names) > 1:
        widest = max(widest, *map(len, names))
    parts = -(-len(names) // max(1, room // (widest + 3)))
    at_once = -(-len(names) // parts)
    for first in range(0, len(names), at_once):
        part = slice(first, first + at_once)
        console.print(_terminal_table(metrics, names[part], cells[part], on))
    for kind in document.get("by", []):
        head, *lines = strata_lines(document, kind)
        console.print(_strata_table(kind, [head[0], *(names if len(names) > 1 else head[1:])], lines))
    _print_remarks(console, document)


def _strata_table(kind: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    table = Table(title=f"by {escape(kind)}: minADE_1 / minFDE_1, metres")
    for place, name in enumerate(head):
        table.add_column(escape(name), justify="right" if place else "left", overflow="fold")
    for line in lines:
        table.add_row(*map(escape, line))
    return table


def _terminal_table(
    headings: Sequence[str], names: Sequence[str], cells: Sequence[Sequence[str]], on: Sequence[str]
) -> Table:
    table = Table(title="metres, seconds, shares; better: C and comfort high, efficiency near 0, others low")
    table.add_column("metric", no_wrap=True)
    for name in names:
        table.add_column(escape(name), justify="right", overflow="fold")
    table.add_column("items", justify="right", no_wrap=True)
    for heading, *figures in zip(headings, *cells, on, strict=True):
        table.add_row(heading, *figures)
    return table


def _print_remarks(console: Console, document: Mapping[str, Any]) -> None:
    """Differences to the first file, and what the reader must know."""
    if (points := shared_points(document)) is not None:
        console.print(points, highlight=False, soft_wrap=True, markup=False)
    first = bodies(document)[0]["name"]
    for pair in document.get("comparisons", []):
        if pair["first"] == first:  # all pairs stand in the report
            console.print(_difference(pair), highlight=False, soft_wrap=True, markup=False)
    for warning in warnings(document):
        console.print(warning, style="yellow", highlight=False, soft_wrap=True, markup=False)


#: Metrics whose difference between two files is printed.
_COMPARED = ("min_fde_1", "dispersion_m")
_SHARED_ITEMS = {"metrics": "agent-samples", "temporal": "points"}


def _difference(pair: Mapping[str, Any]) -> str:
    """One line on two files: how minFDE_1 differs on the agents both forecast, and D on the points both have."""
    said = []
    for heading in map(heading_of, _COMPARED):
        group, name = heading.path
        found = pair.get(group, {}).get(name)
        if found is None:  # other leads: nothing is compared
            continue
        if not found["count"]:
            said.append(f"{heading.text}: no {_SHARED_ITEMS[group].rstrip('s')} that both have")
            continue
        low, high = found["ci_low"], found["ci_high"]
        between = f" [{low:.3f}, {high:.3f}]" if low is not None and math.isfinite(low) else ""
        shared = f"on {found['count']:,} shared {_SHARED_ITEMS[group]}"
        said.append(f"{heading.text} {found['difference']:+.3f} {heading.unit}{between} {shared}")
    return f"{pair['second']} − {pair['first']}: {'; '.join(said) or 'of other leads, not compared'}"
