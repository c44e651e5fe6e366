"""Figures of a report's document: which there are, where they stand, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecast.core.errors import ConfigError, one_of
from forecast.eval import metric_list
from forecast.eval.metric_list import metric
from forecast.eval.metric_spec import MetricSpec
from forecast.eval.strata import in_order


@dataclass(frozen=True)
class Heading:
    """A figure of the tables.

    Attributes:
        text: what it is called.
        path: where it stands in a body of the document.
        short: whether the short tables have it.
        unit: of its values.
        lower_is_better: False where larger values are better.
        zero_is_best: True where values nearer 0 are better.
        definition: one line for people.
        key: of the metric.
    """

    text: str
    path: tuple[str, ...]
    short: bool = True
    unit: str = ""
    lower_is_better: bool = True
    zero_is_best: bool = False
    definition: str = ""
    key: str = ""

    def badness(self, value: float) -> float:
        """A number that is less where a value is better."""
        if self.zero_is_best:
            return abs(value)
        return value if self.lower_is_better else -value


def _heading(spec: MetricSpec) -> Heading:
    return Heading(
        spec.heading,
        spec.path,
        spec.short,
        spec.unit,
        spec.lower_is_better,
        spec.zero_is_best,
        spec.definition,
        spec.key,
    )


def headings(document: Mapping[str, Any]) -> list[Heading]:
    """All figures that tables may hold: those of the list of metrics, then those from outside it."""
    listed = [_heading(spec) for spec in metric_list.METRICS if spec.heading]
    own = document.get("own_metrics", {})
    return listed + [
        Heading(
            one["heading"],
            tuple(one["path"]),
            unit=one["unit"],
            lower_is_better=one["lower_is_better"],
            definition=one["definition"],
            key=key,
        )
        for key, one in own.items()
    ]


def heading_of(key: str) -> Heading:
    """That of a metric of the list, by its key."""
    spec = metric(key)
    return _heading(spec)


def columns(document: Mapping[str, Any], *, short: bool = False) -> dict[str, tuple[str, ...]]:
    """Heading → where it stands, of all that at least one file has a figure for.

    Of several files, D and C are those on the target points that all of them share.

    Args:
        document: of report.json.
        short: only what fits the page of a paper.
    """
    wanted = [(one.text, shared_place(document, one.path)) for one in headings(document) if one.short or not short]
    return {name: path for name, path in wanted if any(text(at(body, path)) != "–" for body in bodies(document))}


def table_headings(document: Mapping[str, Any], keys: Sequence[str] = ()) -> list[Heading]:
    """The figures of a table for a paper, each with the place where it stands in this document.

    Args:
        document: of report.json.
        keys: of metrics, in the order of the table; by default those of the short tables that a file has.

    Raises:
        ConfigError: there is no metric of such a key.
    """
    found = headings(document)
    if keys:
        known = {one.key: one for one in found}
        check_keys(keys, known)
        return [replace(known[key], path=shared_place(document, known[key].path)) for key in keys]
    places = columns(document, short=True)
    return [replace(one, path=places[one.text]) for one in found if one.text in places]


def check_keys(keys: Sequence[str], known: Iterable[str]) -> None:
    """Refuse metrics that there are not, or that are named twice.

    Raises:
        ConfigError: in one line.
    """
    options = list(known)
    for number, key in enumerate(keys):
        if key not in options:
            raise ConfigError(f"--columns: no metric '{key}' with a place in tables: {one_of(options, key)}")
        if key in keys[:number]:
            raise ConfigError(f"--columns: {key} twice")


def table_cells(document: Mapping[str, Any], found: Sequence[Heading]) -> list[list[str]]:
    """One row a file: its name, then the figures; as :func:`rows`, of chosen ones."""
    return _by_file(document, [one.path for one in found])


def half_width(figure: Mapping[str, Any] | None) -> float:
    """Half the width of a figure's 95 % interval; NaN where there is none."""
    low, high = (figure.get("ci_low"), figure.get("ci_high")) if figure else (None, None)
    return math.nan if low is None or high is None else (high - low) / 2


def shared_place(document: Mapping[str, Any], path: tuple[str, ...]) -> tuple[str, ...]:
    """Where a figure stands: of several files D and C on the points that all share."""
    shared = ("temporal_shared", *path[1:])
    return shared if any(at(body, shared) for body in bodies(document)) else path


def bodies(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The scores of each file in a report's document."""
    return list(document.get("reports", [document]))


def warnings(document: Mapping[str, Any]) -> list[str]:
    """What the reader must know; said once where it holds for several files, with their names."""
    return _said(document, "warnings")


def notes(document: Mapping[str, Any]) -> list[str]:
    """What is so by its nature, likewise; reports of earlier versions have none."""
    return _said(document, "notes")


def _said(document: Mapping[str, Any], what: str) -> list[str]:
    names: dict[str, list[str]] = {}
    for body in bodies(document):
        for line in body.get(what, ()):
            names.setdefault(line, []).append(body["name"])
    count = len(bodies(document))
    return [f"{'all' if 1 < len(found) == count else ', '.join(found)}: {line}" for line, found in names.items()]


def rows(document: Mapping[str, Any], *, short: bool = False) -> list[list[str]]:
    """One row a file: its name, then the figures of :func:`columns`; a dash where there is none.

    A figure that rests on another number of items than those beside it has that number in brackets.
    """
    return _by_file(document, columns(document, short=short).values())


def _by_file(document: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> list[list[str]]:
    by_column = [_column(document, path) for path in paths]
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


def strata_lines(document: Mapping[str, Any], kind: str) -> list[list[str]]:
    """The table of a kind of strata: its head, then one line a stratum: minADE_1 / minFDE_1, metres, and how many."""
    found = bodies(document)
    labels = in_order(kind, np.array([label for body in found for label in body["strata"][kind]]))
    lines = [[label, *(_stratum(body["strata"][kind].get(label)) for body in found)] for label in labels]
    return [[kind, *(body["name"] for body in found)], *lines]


def _stratum(figures: Mapping[str, Any] | None) -> str:
    if not figures or not figures["min_fde_1"]["count"]:
        return "–"
    ade, fde = figures["min_ade_1"], figures["min_fde_1"]
    return f"{ade['value']:.2f} / {fde['value']:.2f} (n = {fde['count']:,})"


def text(figure: Mapping[str, Any] | None) -> str:
    """A figure's value; a dash where there is none."""
    value = figure["value"] if figure else None
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"
