"""The tables of the report's page: one line a file and one column a metric, or one line a metric of a file alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from forecast.report.figures import Heading, at, bodies
from forecast.report.verdict import competitors
from forecast.scoring.paired_differences import paired

Document = Mapping[str, Any]
_Writer = Callable[[float], str]


@dataclass(frozen=True)
class Cell:
    """One place of a table.

    Attributes:
        text: the value, or words.
        spread: its 95 % interval as written beside it, ``± 0.31`` or ``+0.41 −0.23``.
        count: on how many items it rests, where the head does not say it.
        key: what the column is sorted by: a number, or text; None goes last.
        best: the best value of its column, or a difference that is sure.
        near: not surely worse than the best.
        hint: shown when pointed at.
    """

    text: str = "–"
    spread: str = ""
    count: str = ""
    key: float | str | None = None
    best: bool = False
    near: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Column:
    """The head of a column.

    Attributes:
        text: what it is called.
        unit: of its values.
        arrow: which way is better; empty where that is no question.
        better: the same in words.
        count: on how many items all its values rest.
        hint: shown when pointed at.
        words: whether it holds text, on the left.
    """

    text: str
    unit: str = ""
    arrow: str = ""
    better: str = ""
    count: str = ""
    hint: str = ""
    words: bool = False


@dataclass(frozen=True)
class Line:
    """A line of a table: what it is of, the number of its file on the page (None: of no one file), its cells."""

    name: str
    series: int | None
    cells: list[Cell]


@dataclass(frozen=True)
class PageTable:
    """A table.

    Attributes:
        caption: above it.
        columns: its heads; the first is that of the lines' names.
        lines: below.
    """

    caption: str
    columns: list[Column]
    lines: list[Line]


def files_table(document: Document, caption: str, found: Sequence[Heading], *, several: bool) -> PageTable | None:
    """All files by some metrics; None where no file has any of them.

    Args:
        document: of report.json, without NaN.
        caption: above the table.
        found: the metrics; each has its ``path`` in a body of the document.
        several: a line a file and a column a metric; else, of one file, a line a metric.
    """
    some = [one for one in found if any(_value(at(body, one.path)) is not None for body in bodies(document))]
    if not some:
        return None
    if not several:
        return _of_one(bodies(document)[0], caption, some)
    made = [_column_of(document, one) for one in some]
    counts = {column.count for column, _ in made}
    if len(counts) == 1 and "" not in counts:
        caption = f"{caption} All figures: {counts.pop()}."
        made = [(replace(column, count=""), cells) for column, cells in made]
    lines = [
        Line(body["name"], number, [cells[number] for _, cells in made]) for number, body in enumerate(bodies(document))
    ]
    return PageTable(caption, [Column("forecasts", words=True), *(column for column, _ in made)], lines)


def _of_one(body: Mapping[str, Any], caption: str, found: Sequence[Heading]) -> PageTable:
    lines = []
    for one in found:
        figure = at(body, one.path)
        if _value(figure) is None:
            continue
        write = _writer([figure], one)
        low, high = figure.get("ci_low"), figure.get("ci_high")
        between = Cell() if low is None else Cell(f"{write(low)} to {write(high)}", key=low)
        count = figure.get("count")
        items = Cell() if count is None else Cell(f"{count:,}", key=count)
        value = Cell(f"{write(figure['value'])}{_after(one)}", key=figure["value"])
        name = f"{_plain(one)} {_arrow(one)[0]}".rstrip()
        lines.append(Line(name, None, [value, between, items, Cell(one.definition, key=one.definition)]))
    heads = [
        Column("metric", words=True),
        Column("value"),
        Column("95 % interval"),
        Column("items"),
        Column("what it is", words=True),
    ]
    return PageTable(caption, heads, lines)


def _column_of(document: Document, heading: Heading) -> tuple[Column, list[Cell]]:
    figures = {body["name"]: at(body, heading.path) for body in bodies(document)}
    values = {name: figure["value"] for name, figure in figures.items() if _value(figure) is not None}
    counts = {figures[name].get("count") for name in values}
    same = len(counts) == 1 and None not in counts
    write = _writer([figures[name] for name in values], heading)
    best = _best(values, competitors(document), heading, write)
    near = _near(document, values, best, heading)
    cells = []
    for name, figure in figures.items():
        if name not in values:
            cells.append(Cell())
            continue
        low, high, count = figure.get("ci_low"), figure.get("ci_high"), figure.get("count")
        told = "" if same or count is None else f"n = {count:,}"
        hint = f"{heading.text} of {name}: {write(figure['value'])}{_after(heading)}"
        hint += "" if low is None else f", 95 % interval {write(low)} to {write(high)}"
        hint += "" if count is None else f", n = {count:,}"
        spread = _spread(figure["value"], low, high, write)
        cells.append(Cell(write(figure["value"]), spread, told, figure["value"], name in best, name in near, hint))
    arrow, better = _arrow(heading)
    told = f"n = {counts.pop():,}" if same else ""
    return Column(_plain(heading), _unit(heading), arrow, better, told, heading.definition), cells


def _best(values: Mapping[str, float], names: Sequence[str], heading: Heading, write: _Writer) -> set[str]:
    """The files of the best value as it is written; none where all are alike, or one is alone."""
    ranked = {name: heading.badness(value) for name, value in values.items() if name in names}
    if len(ranked) < 2:
        return set()
    first = values[min(ranked, key=lambda name: ranked[name])]
    found = {name for name in ranked if write(heading.badness(values[name])) == write(heading.badness(first))}
    return set() if len(found) == len(ranked) else found


def _near(document: Document, values: Mapping[str, float], best: set[str], heading: Heading) -> set[str]:
    """The files that are not surely worse than the best one, by the paired intervals."""
    if not best or heading.zero_is_best:
        return set()
    leader = min(best, key=lambda name: heading.badness(values[name]))
    found = {name: paired(document.get("comparisons", []), name, leader, heading.path) for name in values}
    rivals = set(competitors(document)) - best
    return {name for name, one in found.items() if one is not None and not one.sure and name in rivals}


def _value(figure: Any) -> float | None:
    return figure.get("value") if figure else None


def _arrow(heading: Heading) -> tuple[str, str]:
    if heading.zero_is_best:
        return "→0", "nearer 0 is better"
    return ("↓", "lower is better") if heading.lower_is_better else ("↑", "higher is better")


def _plain(heading: Heading) -> str:
    """The heading without the unit, which stands beside it."""
    return heading.text.removesuffix(f", {heading.unit}") if heading.unit else heading.text


def _unit(heading: Heading) -> str:
    return "%" if heading.unit == "share" else heading.unit


def _after(heading: Heading) -> str:
    return f" {_unit(heading)}" if heading.unit else ""


def _writer(figures: Iterable[Mapping[str, Any]], heading: Heading) -> _Writer:
    """How all values of a column are written: with the same digits, shares as percent."""
    factor = 100.0 if heading.unit == "share" else 1.0
    largest = max(abs(figure["value"]) for figure in figures)
    digits = 1 if heading.unit == "share" or largest >= 100 else 2 if largest >= 1 else 3

    def write(value: float) -> str:
        text = f"{value * factor:,.{digits}f}"
        return text.removeprefix("-") if not float(text.replace(",", "")) else text.replace("-", "−")

    return write


def _spread(value: float, low: float | None, high: float | None, write: _Writer) -> str:
    """The interval beside its mean: ± where both sides are nearly alike."""
    if low is None or high is None:
        return ""
    up, down = max(high - value, 0.0), max(value - low, 0.0)
    if abs(up - down) <= _ALIKE * max(up, down):
        return f"± {write((up + down) / 2)}"
    return f"+{write(up)} −{write(down)}"


#: The sides of an interval are alike if they differ by at most this share of the larger one.
_ALIKE = 0.15
