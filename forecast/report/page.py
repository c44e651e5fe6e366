"""The self-contained HTML page of a report: words, tables, and the pictures that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forecast.core.drawing import Drawing
from forecast.core.json_files import finite
from forecast.eval.strata import SPEEDS_MPS, STATIONARY_M, STRAIGHT_DEG, U_TURN_DEG
from forecast.report.figures import Heading, bodies, columns, headings, notes, shared_points, warnings
from forecast.report.page_sections import (
    calibration_table,
    coverage_table,
    differences_table,
    hardest_table,
    is_single_mode,
    metric_tables,
    strata_tables,
)
from forecast.report.page_templates import write_html
from forecast.report.verdict import verdict

_CURVES = ("error", "differences", "temporal", "calibration", "strata")


def write_page(
    path: Path | str,
    document: Mapping[str, Any],
    curves: Mapping[str, Sequence[Drawing]] | None = None,
    cases: Sequence[Drawing] = (),
) -> None:
    """Write the page; it needs no other file and no network.

    Args:
        path: the HTML file.
        document: of report.json.
        curves: pictures of the sections ``error``, ``differences``, ``temporal``, ``calibration`` and ``strata``; what
            lacks is left out.
        cases: the worst cases of the first file.
    """
    document = finite(document)
    parts = _parts(document)
    cases_heading = f"The worst {len(cases)} cases of {bodies(document)[0]['name']}"
    write_html(
        path,
        "score_page.html",
        contents=_contents(parts, cases_heading if cases else ""),
        curves={section: list((curves or {}).get(section, ())) for section in _CURVES},
        cases=cases,
        cases_heading=cases_heading,
        **parts,
    )


def _parts(document: Mapping[str, Any]) -> dict[str, Any]:
    """All that the template shows beside pictures."""
    single = [body["name"] for body in bodies(document) if is_single_mode(body)]
    return {
        "title": _title(document),
        "about": _about(document),
        "names": [body["name"] for body in bodies(document)],
        "verdict": verdict(document),
        "warnings": warnings(document),
        "notes": notes(document),
        "points": shared_points(document),
        "tables": metric_tables(document),
        "differences": differences_table(document),
        "calibration": calibration_table(document),
        "single": ", ".join(single),
        "strata": strata_tables(document),
        "strata_words": _strata_words(),
        "hardest": hardest_table(document),
        "coverage": coverage_table(document),
        "meanings": _meanings(document),
        "missing": _missing(document),
    }


def _contents(parts: Mapping[str, Any], cases_heading: str) -> list[tuple[str, str]]:
    """Identifier and heading of each section that is there."""
    found = [
        ("in-short", "In short", True),
        ("accuracy", "Accuracy", True),
        ("road", "Off the road", parts["tables"]["road"]),
        ("temporal", "Temporal consistency", True),
        ("differences", "Differences", parts["differences"]),
        ("reliability", "Calibration", True),
        ("strata", "By stratum", True),
        ("hardest", "The hardest agents", parts["hardest"]),
        ("cases", "Worst cases", cases_heading),
        ("coverage", "What it rests on", True),
        ("meaning", "What the columns mean", True),
        ("missing", "What is not in it", parts["missing"]),
    ]
    return [(name, heading) for name, heading, there in found if there]


def _title(document: Mapping[str, Any]) -> str:
    if "split" not in document:
        return f"Forecasts against {Path(document['truth']).name}"
    return f"Forecasts on {document['split']}"


def _about(document: Mapping[str, Any]) -> list[str]:
    count = len(bodies(document))
    files = f"{count} files" if count > 1 else bodies(document)[0]["name"]
    if "split" not in document:
        return [f"{files}; scored without a data set, on the truth of {document['truth']}."]
    version, population = document["dataset"]["version"], document["population"]
    return [f"{files}; {version}, temporal metrics over the population “{population}”."]


def _strata_words() -> str:
    return (
        f"Stationary: under {STATIONARY_M:g} m over the annotated future; straight: direction of travel changes by "
        f"less than {STRAIGHT_DEG:g}°; U-turn: by {U_TURN_DEG:g}° or more. Speeds split at "
        f"{', '.join(f'{speed:g}' for speed in SPEEDS_MPS)} m/s. "
        "minADE_1 and minADE_5 by stratum stand in report.json. Bold is the best mean, no more."
    )


def _meanings(document: Mapping[str, Any]) -> list[Heading]:
    shown = columns(document)
    return [one for one in headings(document) if one.text in shown and one.definition]


def _missing(document: Mapping[str, Any]) -> list[str]:
    return sorted({f"{name}: {why}" for body in bodies(document) for name, why in body["not_computable"].items()})
