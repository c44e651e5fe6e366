"""Which tables the report's page has, section by section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from forecast.eval.strata import in_order
from forecast.report.figures import Heading, at, bodies, columns, heading_of, headings
from forecast.report.page_tables import Cell, Column, Line, PageTable, files_table
from forecast.scoring.paired_differences import FEW_TRACKS, Paired, paired

Document = Mapping[str, Any]

#: Metrics of which several files' differences are shown.
_COMPARED = ("min_ade_1", "min_fde_1", "min_ade_5", "miss_rate_5_2m", "dispersion_m", "convergence_s.1.0")
_DIFFERENCES = (
    "Second minus first: below 0 the second is better, for C above 0. Bold: the paired 95 % interval leaves out 0, and "
    f"rests on {FEW_TRACKS} tracks or more."
)
_SHARED_COUNTS = (("metrics", "min_fde_1", "count"), ("temporal", "dispersion_m", "count"))
_POINT_KEYS = ("dispersion", "convergence", "closest_mode")


def metric_tables(document: Document) -> dict[str, list[PageTable]]:
    """The tables of the metrics, by section: ``accuracy``, ``road`` and ``temporal``."""
    shown = columns(document)
    found = [replace(one, path=shown[one.text]) for one in headings(document) if one.text in shown]
    several = len(bodies(document)) > 1
    parts = {
        "accuracy": [("How far forecasts are from the truth.", [one for one in found if _kind(one) == "accuracy"])],
        "road": [("How often forecasts leave the drivable area.", [one for one in found if _kind(one) == "road"])],
        "temporal": [
            ("Successive forecasts of the same target point.", [one for one in found if _kind(one) == "points"]),
            ("Further views of how forecasts change.", [one for one in found if _kind(one) == "changes"]),
        ],
    }
    made = {
        section: [files_table(document, caption, some, several=several) for caption, some in tables]
        for section, tables in parts.items()
    }
    return {section: [table for table in tables if table is not None] for section, tables in made.items()}


def _kind(heading: Heading) -> str:
    group, key = heading.path[:2]
    if key.startswith("off_road"):
        return "road"
    if not group.startswith("temporal"):
        return "accuracy"
    return "points" if key.startswith(_POINT_KEYS) else "changes"


def hardest_table(document: Document) -> PageTable | None:
    """minFDE_1 on the hardest agents, a column a share of them."""
    first = bodies(document)[0]["hardest"]
    found = [
        replace(heading_of("min_fde_1"), text=f"hardest {percent} %", path=("hardest", "min_fde_1", percent))
        for percent in first["min_fde_1"]
    ]
    caption = (
        "minFDE_1 on the agents that a constant-velocity Kalman filter forecasts worst (acceleration "
        f"{first['kalman_acceleration_mps2']:g} m/s², observation {first['kalman_observation_m']:g} m)."
    )
    return files_table(document, caption, found, several=True)


def strata_tables(document: Document) -> list[PageTable]:
    """minFDE_1 by location, manoeuvre and speed, a column a stratum."""
    found = bodies(document)
    made = []
    for kind in found[0]["strata"]:
        labels = in_order(kind, np.array([label for body in found for label in body["strata"].get(kind, {})]))
        one = heading_of("min_fde_1")
        strata = [
            replace(one, text=label, path=("strata", kind, label, one.path[-1]), definition="") for label in labels
        ]
        made.append(files_table(document, f"{one.text} by {kind}.", strata, several=True))
    return [table for table in made if table is not None]


def calibration_table(document: Document) -> PageTable | None:
    """The expected calibration error of files with several modes; None where there is none."""
    lines = []
    for number, body in enumerate(bodies(document)):
        error = body["calibration"]["error"]
        if error is not None and not is_single_mode(body):
            lines.append(Line(body["name"], number, [Cell(f"{error:.3f}", key=error)]))
    heads = [Column("forecasts", words=True), Column("calibration error", "", "↓", "lower is better")]
    caption = "Mean distance of stated probability and share, weighted by the number of modes."
    return PageTable(caption, heads, lines) if lines else None


def is_single_mode(body: Mapping[str, Any]) -> bool:
    """Whether all forecasts of a file are one mode that is certain: its probability says nothing."""
    stated = [value for value in body["calibration"]["stated"] if value is not None]
    return bool(stated) and min(stated) > 1 - 1e-6


def differences_table(document: Document) -> PageTable | None:
    """Every pair of files, second minus first; None where there is one file."""
    pairs = document.get("comparisons", [])
    if not pairs:
        return None
    own = document.get("own_metrics", {})
    compared = [heading_of(key) for key in _COMPARED]
    compared += [one for one in headings(document) if one.path[-1] in own and one.path[0] == "metrics"]
    numbers = {body["name"]: number for number, body in enumerate(bodies(document))}
    lines = []
    for pair in pairs:
        found = [paired([pair], pair["second"], pair["first"], one.path) for one in compared]
        counts = [at(pair, path) for path in _SHARED_COUNTS]
        cells = [_difference(one, heading) for one, heading in zip(found, compared, strict=True)]
        cells += [Cell() if count is None else Cell(f"{count:,}", key=count) for count in counts]
        minus = Cell(pair["first"], key=pair["first"])
        lines.append(Line(pair["second"], numbers.get(pair["second"]), [minus, *cells]))
    heads = [Column("second"), Column("minus first", words=True)]
    heads += [Column(one.text, one.unit, hint=_side(one)) for one in compared]
    heads += [Column("shared agent-samples"), Column("shared points")]
    return PageTable(_DIFFERENCES, heads, lines)


def _side(heading: Heading) -> str:
    """Which sign favours the second file."""
    return f"{'below' if heading.lower_is_better else 'above'} 0 the second is better"


def _difference(one: Paired | None, heading: Heading) -> Cell:
    if one is None:
        return Cell()
    text = f"{one.difference:+.3f}".replace("-", "−")
    if one.low is None or one.high is None:
        return Cell(text, key=one.difference)
    between = f"{one.low:+.3f} to {one.high:+.3f}".replace("-", "−")
    hint = f"{heading.text}: {text}, 95 % interval {between}, n = {one.count:,}"
    return Cell(text, between, key=one.difference, best=one.sure, hint=hint)


def coverage_table(document: Document) -> PageTable:
    """What the figures rest on: a line a count; counts that are 0 in all files are left out."""
    found = bodies(document)
    names = [body["name"] for body in found]
    if len(found) > 1 and all(body["coverage"] == found[0]["coverage"] for body in found):
        found, names = found[:1], ["each file"]
    lines = []
    for name in found[0]["coverage"]:
        values = [body["coverage"].get(name) for body in found]
        if any(values):
            lines.append(Line(name.replace("_", " "), None, [_count(value, share="share" in name) for value in values]))
    heads = [Column("count", words=True), *(Column(name) for name in names)]
    return PageTable("Counts behind the figures; those that are 0 throughout are left out.", heads, lines)


def _count(value: float | None, *, share: bool) -> Cell:
    if value is None:
        return Cell()
    return Cell(f"{value:.1%}" if share else f"{value:,}", key=value)
