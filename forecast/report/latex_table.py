"""The table of a report as LaTeX (booktabs): units and arrows in the head, the best figure of a column in bold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from forecast.report.figures import Heading, at, bodies, half_width, table_cells, table_headings, text

_LATEX = {character: "\\" + character for character in "_%&#${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "…": r"\ldots{}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "τ": r"$\tau$",
    "²": "$^2$",
    "°": r"$^\circ$",
}


def as_latex(document: Mapping[str, Any], *, keys: Sequence[str] = (), intervals: bool = False) -> str:
    """The table for a paper.

    In bold stand the figures of a column that none is better than, as they are written; no figure of a column where
    all are equal, or whose figures rest on different numbers of items.

    Args:
        document: of report.json.
        keys: of the metrics to show, in this order; by default those of the short tables.
        intervals: also write half the width of each 95 % interval.

    Raises:
        ConfigError: there is no metric of such a key.
    """
    found = table_headings(document, keys)
    head = ["forecasts", *map(_head, found)]
    best = [_best(document, one) for one in found]
    lines = []
    for number, (body, *cells) in enumerate(table_cells(document, found)):
        row = [_escaped(body)]
        for one, cell, chosen in zip(found, cells, best, strict=True):
            figure = _escaped(cell).replace("-", "$-$", 1) if cell.startswith("-") else _escaped(cell)
            written = rf"\textbf{{{figure}}}" if number in chosen else figure
            row.append(written + (_interval(document, one, number) if intervals else ""))
        lines.append(" & ".join(row) + r" \\")
    body = "\n".join([" & ".join(head) + r" \\", r"\midrule", *lines])
    return f"\\begin{{tabular}}{{l{'r' * len(found)}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def _head(one: Heading) -> str:
    unit = f" ({_escaped(one.unit)})" if one.unit not in ("", "share") else ""
    arrow = r"$\to 0$" if one.zero_is_best else r"$\downarrow$" if one.lower_is_better else r"$\uparrow$"
    return f"{_escaped(one.text)}{unit} {arrow}"


def _best(document: Mapping[str, Any], one: Heading) -> set[int]:
    """Files that no other is better than."""
    figures = {
        number: figure for number, body in enumerate(bodies(document)) if text(figure := at(body, one.path)) != "–"
    }
    shown = {number: float(text(figure)) for number, figure in figures.items()}
    if len(set(shown.values())) < 2 or len({figure.get("count") for figure in figures.values()}) > 1:
        return set()
    ranks = {number: one.badness(value) for number, value in shown.items()}
    return {number for number, rank in ranks.items() if rank == min(ranks.values())}


def _interval(document: Mapping[str, Any], one: Heading, number: int) -> str:
    half = half_width(at(bodies(document)[number], one.path))
    return rf" $\pm$ {half:.3f}" if math.isfinite(half) else ""


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
