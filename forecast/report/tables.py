"""The headline table: on the terminal, as Markdown and as LaTeX."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Heading → where its figure stands in one body of report.json.
COLUMNS: dict[str, tuple[str, ...]] = {
    "minADE_1": ("metrics", "min_ade_1"),
    "minADE_5": ("metrics", "min_ade_5"),
    "minADE_10": ("metrics", "min_ade_10"),
    "minFDE_1": ("metrics", "min_fde_1"),
    "MissRate_5": ("metrics", "miss_rate_5_2m"),
    "OffRoad": ("metrics", "off_road_rate"),
    "OffR-ML": ("metrics", "off_road_ml"),
    "OffR-f": ("metrics", "off_road_f"),
    "OffRoad exact": ("metrics", "off_road_exact_rate"),
    "OffR-ML exact": ("metrics", "off_road_exact_ml"),
    "OffR-f exact": ("metrics", "off_road_exact_f"),
    "NLL, nats": ("metrics", "nll_nats"),
    "ADE-f": ("metrics", "ade_f_m"),
    "FDE-f": ("metrics", "fde_f_m"),
    "FDE hardest 1 %": ("hardest", "min_fde_1", "1"),
    "D": ("temporal", "dispersion_m"),
    "D rms": ("temporal", "dispersion_rms_m"),
    "D std": ("temporal", "dispersion_std_of_norms_m"),
    "C 0.2 m": ("temporal", "convergence_s", "0.2"),
    "C 1 m": ("temporal", "convergence_s", "1.0"),
    "C 5 m": ("temporal", "convergence_s", "5.0"),
    "D, closest mode": ("temporal", "closest_mode_dispersion_m"),
    "C 1 m, closest mode": ("temporal", "closest_mode_convergence_s", "1.0"),
    "overlap": ("temporal", "overlap_m"),
    "overlap, all modes": ("temporal", "transport_overlap_m"),
    "end-point jitter": ("temporal", "endpoint_jitter_m"),
    "mode-flip rate": ("temporal", "mode_flip_rate"),
}


_LATEX = {character: "\\" + character for character in "_%&#${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
}
#: Headings that Markdown and LaTeX leave out, so that their tables fit a page.
FURTHER = (
    "D rms",
    "D std",
    "D, closest mode",
    "C 1 m, closest mode",
    "overlap",
    "end-point jitter",
    "mode-flip rate",
)


def columns(document: Mapping[str, Any], *, leave_out: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Those of :data:`COLUMNS` that at least one file has a figure for.

    Of several files, D and C are those on the target points that all of them share.
    """
    return {
        name: path
        for name, path in ((name, _shared(document, path)) for name, path in COLUMNS.items() if name not in leave_out)
        if any(text(at(body, path)) != "–" for body in bodies(document))
    }


def _shared(document: Mapping[str, Any], path: tuple[str, ...]) -> tuple[str, ...]:
    shared = ("temporal_shared", *path[1:])
    return shared if any(at(body, shared) for body in bodies(document)) else path


def bodies(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The scores of each file in a report's document."""
    return list(document.get("reports", [document]))


def warnings(document: Mapping[str, Any]) -> list[str]:
    """What the reader must know; said once where it holds for several files, with their names."""
    names: dict[str, list[str]] = {}
    for body in bodies(document):
        for line in body["warnings"]:
            names.setdefault(line, []).append(body["name"])
    count = len(bodies(document))
    return [f"{'all' if 1 < len(found) == count else ', '.join(found)}: {line}" for line, found in names.items()]


def rows(document: Mapping[str, Any], *, leave_out: Sequence[str] = ()) -> list[list[str]]:
    """One row a file: its name, then the figures of :func:`columns`; a dash where there is none.

    A figure that rests on another number of items than those beside it has that number in brackets.
    """
    by_column = [_column(document, path) for path in columns(document, leave_out=leave_out).values()]
    return [[body["name"], *cells] for body, *cells in zip(bodies(document), *by_column, strict=True)]


def _column(document: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    figures = [at(body, path) for body in bodies(document)]
    counts = [figure.get("count") if text(figure) != "–" else None for figure in figures]
    usual = {count for count in counts if count is not None}
    if path[0] in ("metrics", "strata"):  # all of one file are of its agent-samples
        usual |= {at(body, ("metrics", "min_ade_1", "count")) for body in bodies(document)} - {None}
    differ = len(usual) > 1
    return [
        f"{text(figure)} ({count:,})" if differ and count is not None else text(figure)
        for figure, count in zip(figures, counts, strict=True)
    ]


def items(document: Mapping[str, Any]) -> list[str]:
    """For each of :func:`columns` on how many items its figures rest; empty where the files differ in it."""
    found = []
    for path in columns(document).values():
        counts = {figure.get("count") for body in bodies(document) if text(figure := at(body, path)) != "–"}
        found.append(f"{counts.pop():,}" if len(counts) == 1 and None not in counts else "")
    return found


def shared_points(document: Mapping[str, Any]) -> str | None:
    """On which points D and C of several files rest, and how many each of them has; None where that is no question."""
    own = {
        body["name"]: figure["count"] for body in bodies(document) if (figure := at(body, ("temporal", "dispersion_m")))
    }
    shared = [figure["count"] for body in bodies(document) if (figure := at(body, ("temporal_shared", "dispersion_m")))]
    if len(own) < 2 or not shared:
        return None
    line = f"D and C: on the {max(shared):,} target points that all files with any share"
    if len(set(own.values())) == 1:
        return line
    return f"{line}; of their own they have {', '.join(f'{name} {count:,}' for name, count in own.items())}"


def at(body: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """What stands at a place of a report's body; None where nothing does."""
    found: Any = body
    for key in path:
        found = found.get(key) if found else None
    return found


def text(figure: Mapping[str, Any] | None) -> str:
    """A figure's value; a dash where there is none."""
    value = figure["value"] if figure else None
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def as_markdown(document: Mapping[str, Any]) -> str:
    """The table for a README."""
    head = ["forecasts", *columns(document, leave_out=FURTHER)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows(document, leave_out=FURTHER)]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def as_latex(document: Mapping[str, Any]) -> str:
    """The table for a paper (booktabs)."""
    head = ["forecasts", *columns(document, leave_out=FURTHER)]
    first, *rest = [
        " & ".join(_escaped(cell) for cell in line) + r" \\" for line in [head, *rows(document, leave_out=FURTHER)]
    ]
    body = "\n".join([first, r"\midrule", *rest])
    return f"\\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def print_table(document: Mapping[str, Any]) -> None:
    """Print the table and its warnings, one metric a line so that it fits any terminal.

    Where the files' names do not fit beside each other, the columns are numbered and the names stand above; where the
    columns do not fit either, several tables follow each other, so that no figure is broken in two.
    """
    from rich.console import Console

    console = Console()
    found, headings = rows(document), list(columns(document))
    names, cells = [row[0] for row in found], [row[1:] for row in found]
    on = items(document)
    room = console.width - max(map(len, headings), default=0) - max(map(len, [*on, "items"])) - 7
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
        console.print(_terminal_table(headings, names[part], cells[part], on))
    _print_remarks(console, document)


def _terminal_table(
    headings: Sequence[str], names: Sequence[str], cells: Sequence[Sequence[str]], on: Sequence[str]
) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="metres, seconds, shares; better: C high, others low")
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


#: What is said of a pair of files: heading → where it stands in the comparison, and its unit.
_COMPARED = {"minFDE_1": ("metrics", "min_fde_1", "m"), "D": ("temporal", "dispersion_m", "m")}
_SHARED_ITEMS = {"metrics": "agent-samples", "temporal": "points"}


def _difference(pair: Mapping[str, Any]) -> str:
    """One line on two files: how minFDE_1 differs on the agents both forecast, and D on the points both have."""
    said = []
    for heading, (group, name, unit) in _COMPARED.items():
        found = pair.get(group, {}).get(name)
        if found is None:  # other leads: nothing is compared
            continue
        if not found["count"]:
            said.append(f"{heading}: no {_SHARED_ITEMS[group].rstrip('s')} that both have")
            continue
        low, high = found["ci_low"], found["ci_high"]
        between = f" [{low:.3f}, {high:.3f}]" if low is not None and math.isfinite(low) else ""
        shared = f"on {found['count']:,} shared {_SHARED_ITEMS[group]}"
        said.append(f"{heading} {found['difference']:+.3f} {unit}{between} {shared}")
    return f"{pair['second']} − {pair['first']}: {'; '.join(said) or 'of other leads, not compared'}"
