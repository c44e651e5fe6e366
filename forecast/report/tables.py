"""The headline table as Markdown and as LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from forecast.report.figures import columns, rows

_LATEX = {character: "\\" + character for character in "_%&#${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
}


def as_markdown(document: Mapping[str, Any]) -> str:
    """The table for a README."""
    head = ["forecasts", *columns(document, short=True)]
    return markdown_table([head, *rows(document, short=True)])


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """A table; the first line is its head, the first column is on the left."""
    ruled = [lines[0], ["---", *["---:"] * (len(lines[0]) - 1)], *lines[1:]]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in ruled)


def as_latex(document: Mapping[str, Any]) -> str:
    """The table for a paper (booktabs)."""
    head = ["forecasts", *columns(document, short=True)]
    first, *rest = [
        " & ".join(_escaped(cell) for cell in line) + r" \\" for line in [head, *rows(document, short=True)]
    ]
    body = "\n".join([first, r"\midrule", *rest])
    return f"\\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
