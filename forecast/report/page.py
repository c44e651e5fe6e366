"""A self-contained HTML page of a report: tables, and the pictures that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from forecast.core.files import written_whole
from forecast.eval.strata import SPEEDS_MPS, STATIONARY_M, STRAIGHT_DEG, U_TURN_DEG, in_order
from forecast.report.figures import at, bodies, columns, heading_of, headings, shared_points, text, warnings
from forecast.report.html_parts import html_image, html_page, html_table

#: Metrics of which several files' differences are shown.
_COMPARED = ("min_ade_1", "min_fde_1", "min_ade_5", "miss_rate_5_2m", "dispersion_m", "convergence_s.1.0")


def write_page(
    path: Path | str,
    document: Mapping[str, Any],
    curves: Mapping[str, bytes] | None = None,
    cases: Mapping[str, bytes] | None = None,
) -> None:
    """Write the page; it needs no other file and no network.

    Args:
        path: the HTML file.
        document: of report.json.
        curves: PNG of the sections ``error``, ``temporal`` and ``calibration``; what lacks is left out.
        cases: further pictures by their headings, PNG.
    """
    drawn = {section: html_image(png) for section, png in (curves or {}).items()}
    parts = [
        _title(document),
        *(f'<p class="warn">{escape(line)}</p>' for line in warnings(document)),
        "<h2>Headline</h2>",
        _headline(document),
        "<h2>Error against horizon</h2>" + drawn.get("error", ""),
        "<h2>Temporal consistency</h2>" + _temporal(document, drawn.get("temporal", "")),
        "<h2>The hardest agents</h2>" + _hardest(document),
        "<h2>Calibration of mode probabilities</h2><p>How often a mode of a stated probability was the closest to the "
        "truth; the dashed line is ideal.</p>" + drawn.get("calibration", ""),
        "<h2>By stratum</h2>" + _strata_tables(document),
        *(f"<h2>{escape(heading)}</h2>{html_image(png)}" for heading, png in (cases or {}).items()),
    ]
    if len(bodies(document)) > 1:
        parts.append("<h2>Differences</h2>" + _comparisons(document))
    parts.append("<h2>What is not in it</h2>" + _not_computable(document))
    with written_whole(path) as temporary:
        temporary.write_text(html_page("Forecasts", parts), encoding="utf-8", errors="backslashreplace")


def _title(document: Mapping[str, Any]) -> str:
    if "split" not in document:
        return f"<h1>Forecasts against {escape(document['truth'])}</h1>"
    population = escape(document["population"])
    return (
        f"<h1>Forecasts on {escape(document['split'])}</h1>"
        f"<p>{escape(document['dataset']['version'])}, temporal population: {population}.</p>"
    )


def _headline(document: Mapping[str, Any]) -> str:
    lines = [["metric", *(body["name"] for body in bodies(document))]]
    alone = len(bodies(document)) == 1  # then there is room for columns
    if alone:
        lines[0] += ["95 % interval", "items"]
    for name, path in columns(document).items():
        found = [at(body, path) for body in bodies(document)]
        if alone:
            lines.append([name, text(found[0]), *_span(found[0]).split("\n")])
        else:
            lines.append([name, *(f"{text(one)}\n{_span(one)}" if text(one) != "–" else "–" for one in found)])
    return html_table(lines) + (
        f"<p>Metres, seconds and shares; for {_higher(document)} higher is better, for "
        f"{_nearer_0(document)} nearer 0, for all else lower. Beside each figure its 95 % "
        "bootstrap interval over tracks, and the number of items behind it. D is the mean distance of successive "
        "forecasts to their barycentre; D rms and D std are other readings of it.</p>"
        + _points_note(document)
        + _coverage(document)
    )


def _higher(document: Mapping[str, Any]) -> str:
    """Of which metrics larger values are better: C at any range is one."""
    found = ["C" if one.text.startswith("C ") else one.text for one in headings(document) if not one.lower_is_better]
    return escape(", ".join(dict.fromkeys(found)))


def _nearer_0(document: Mapping[str, Any]) -> str:
    """Of which metrics values nearer 0 are better."""
    return escape(", ".join(one.text for one in headings(document) if one.zero_is_best))


def _points_note(document: Mapping[str, Any]) -> str:
    line = shared_points(document)
    return f"<p>{escape(line)}.</p>" if line else ""


def _coverage(document: Mapping[str, Any]) -> str:
    lines = [["coverage", *(body["name"] for body in bodies(document))]]
    for name in bodies(document)[0]["coverage"]:
        found = [body["coverage"][name] for body in bodies(document)]
        if not any(found):
            continue  # nothing of that kind: the report says so, the page need not
        lines.append([name.replace("_", " "), *(f"{n:.1%}" if "share" in name else f"{n:,}" for n in found)])
    return html_table(lines)


def _span(figure: dict[str, Any]) -> str:
    low, high = figure["ci_low"], figure["ci_high"]
    between = f"{low:.3f} … {high:.3f}" if np.isfinite(low) else "–"
    return f"{between}\nn = {figure['count']:,}"


def _temporal(document: Mapping[str, Any], curves: str) -> str:
    if not any(body["coverage"]["points_used"] for body in bodies(document)):
        return "<p>Cannot be computed: no target point was forecast at every lead.</p>"
    return (
        "<p>Left: dispersion of the last forecasts before a point, by how many seconds of them are compared. "
        "Right: convergence to a range.</p>" + curves
    )


def _hardest(document: Mapping[str, Any]) -> str:
    found = [body["hardest"] for body in bodies(document)]
    noise = found[0]
    lines = [["hardest", *(body["name"] for body in bodies(document))]]
    for percent in noise["min_fde_1"]:
        figures = [hard["min_fde_1"][percent] for hard in found]
        lines.append([f"{percent} %", *(f"{one['value']:.2f} (n = {one['count']})" for one in figures)])
    return (
        "<p>minFDE_1, metres, on the agents that a constant-velocity Kalman filter forecasts worst "
        f"(acceleration {noise['kalman_acceleration_mps2']:g} m/s², "
        f"observation {noise['kalman_observation_m']:g} m).</p>" + html_table(lines)
    )


def _strata_tables(document: Mapping[str, Any]) -> str:
    page = (
        f"<p>Stationary: under {STATIONARY_M:g} m over the annotated future; straight: direction of travel changes by "
        f"less than {STRAIGHT_DEG:g}°; U-turn: by {U_TURN_DEG:g}° or more. Speeds split at "
        f"{', '.join(f'{speed:g}' for speed in SPEEDS_MPS)} m/s. minADE_1 / minFDE_1 in metres.</p>"
    )
    found = bodies(document)
    for kind in found[0]["strata"]:
        labels = in_order(kind, np.array([label for body in found for label in body["strata"][kind]]))
        lines = [[kind, *(body["name"] for body in found)]]
        lines += [[label, *(_stratum(body["strata"][kind].get(label)) for body in found)] for label in labels]
        page += html_table(lines)
    return page


def _stratum(figures: dict[str, Any] | None) -> str:
    if not figures or not figures["min_fde_1"]["count"]:
        return "–"
    ade, fde = figures["min_ade_1"], figures["min_fde_1"]
    return f"{ade['value']:.2f} / {fde['value']:.2f} (n = {fde['count']})"


def _comparisons(document: Mapping[str, Any]) -> str:
    compared = {key: heading_of(key) for key in _COMPARED}
    names = [heading.text for heading in compared.values()]
    own = {key: one["heading"] for key, one in document.get("own_metrics", {}).items() if one["path"][0] == "metrics"}
    lines = [["second − first", *names, *own.values(), "shared agent-samples, points"]]
    for pair in document["comparisons"]:
        of_key = {key: at(pair, (heading.path[0], key)) for key, heading in compared.items()}
        found = [*of_key.values(), *(at(pair, ("metrics", key)) for key in own)]
        cells = ["–" if one is None or not one["count"] else _change(one) for one in found]
        counts = (of_key["min_fde_1"], of_key["dispersion_m"])
        shared = ", ".join(f"{one['count']:,}" if one else "other leads" for one in counts)
        lines.append([f"{pair['second']} − {pair['first']}", *cells, shared])
    return (
        "<p>Mean difference on the agent-samples (D and C: on the target points) that both have, with its paired 95 % "
        "bootstrap interval over tracks; below 0 the second is better, for C above 0.</p>" + html_table(lines)
    )


def _change(one: dict[str, Any]) -> str:
    return f"{one['difference']:+.3f}\n{one['ci_low']:+.3f} … {one['ci_high']:+.3f}"


def _not_computable(document: Mapping[str, Any]) -> str:
    items = {f"{name}: {why}" for body in bodies(document) for name, why in body["not_computable"].items()}
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in sorted(items)) + "</ul>"
