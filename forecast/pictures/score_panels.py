"""Small multiples of scores, a mark a file with its 95 % interval: by stratum, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from forecast.core.drawing import Drawing
from forecast.core.json_files import finite
from forecast.eval.metric_list import metric
from forecast.eval.metric_spec import MetricSpec
from forecast.eval.strata import in_order
from forecast.pictures.literal import literal
from forecast.pictures.score_curves import bodies_of
from forecast.pictures.svg_markup import QUIET, inline_svg, panel, series_style
from forecast.scoring.paired_differences import paired
from forecast.scoring.report_document import Report

_STRATA_KEYS = ("min_fde_1", "min_ade_5")
_DIFFERENCE_KEYS = ("min_fde_1", "min_ade_5", "dispersion_m", "convergence_s.1.0")
#: Height of a mark's line, and of what stands around all of them.
_MARK_IN, _AROUND_IN = 0.125, 0.65


def strata_panels(report: Report) -> list[Drawing]:
    """Errors by location, manoeuvre and speed: a panel for each of them and metric."""
    bodies = finite(bodies_of(report))
    kinds = {kind: None for body in bodies.values() for kind in body["strata"]}
    return [_stratum_panel(bodies, kind, metric(key)) for kind in kinds for key in _STRATA_KEYS]


def difference_panels(report: Report, reference: str) -> list[Drawing]:
    """Paired differences of all other files to one of them: a panel for each metric that they share.

    Args:
        report: of several files.
        reference: the name of one.
    """
    document = finite(report.as_json())
    drawn = (_difference_panel(document, reference, metric(key)) for key in _DIFFERENCE_KEYS)
    return [one for one in drawn if one is not None]


def _stratum_panel(bodies: Mapping[str, Any], kind: str, spec: MetricSpec) -> Drawing:
    labels = in_order(kind, np.array([label for body in bodies.values() for label in body["strata"][kind]]))
    figure, axes = panel(height_in=_height_in(len(labels), len(bodies)))
    counts: dict[str, int] = {}
    for number, body in enumerate(bodies.values()):
        for place, label in enumerate(labels):
            found = body["strata"][kind].get(label, {}).get(spec.key)
            if found and found["count"]:
                counts[label] = max(counts.get(label, 0), found["count"])
                at = place + _offset(number, len(bodies))
                _mark(axes, number, at, found["value"], found["ci_low"], found["ci_high"])
    _name_lines(axes, [f"{label} ({counts.get(label, 0):,})" for label in labels])
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{spec.heading}, m")
    alt = f"{spec.heading} by {kind}, a mark a file with its 95 % interval; the table below has the figures."
    return Drawing(
        f"{spec.heading} by {kind} (in brackets: agent-samples). Lower is better.", alt, svg=inline_svg(figure, alt)
    )


def _difference_panel(document: Mapping[str, Any], reference: str, spec: MetricSpec) -> Drawing | None:
    names = [body["name"] for body in document["reports"]]
    others = [(number, name) for number, name in enumerate(names) if name != reference]
    figure, axes = panel(height_in=_AROUND_IN + 0.3 * len(others))
    axes.axvline(0, color=QUIET, lw=1)
    said = []
    for place, (number, name) in enumerate(others):
        found = paired(document["comparisons"], name, reference, spec.path)
        if found is not None:
            _mark(axes, number, place, found.difference, found.low, found.high)
            said.append(f"{name} {found.difference:+.2f}")
    if not said:
        return None
    _name_lines(axes, [literal(_shortened(name)) for _, name in others])
    axes.set_xlabel(f"difference in {spec.heading}, {spec.unit}")
    alt = f"Paired differences in {spec.heading} to {reference}: {', '.join(said)} {spec.unit}."
    better = "left" if spec.lower_is_better else "right"
    caption = f"{spec.heading}, difference to {reference} with paired 95 % intervals. To the {better} of 0 is better."
    return Drawing(caption, alt, svg=inline_svg(figure, alt))


#: Letters of a file's name beside its mark, at most.
_LONGEST = 25


def _shortened(name: str) -> str:
    """A long name without its middle: files often differ in their ends alone."""
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[:half]}…{name[-half:]}"


def _mark(axes: Axes, number: int, at: float, value: float, low: float | None, high: float | None) -> None:
    style = series_style(number)
    if low is not None and high is not None:
        axes.plot([low, high], [at, at], "-", color=style["color"], lw=1.4, solid_capstyle="butt")
    axes.plot([value], [at], style["marker"], color=style["color"], ms=4.5)


def _name_lines(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")


def _height_in(labels: int, files: int) -> float:
    return _AROUND_IN + labels * max(0.28, _MARK_IN * (files + 1))


def _offset(number: int, files: int) -> float:
    """Where the mark of a file stands in the band of its line, −0.4 to 0.4."""
    return 0.0 if files == 1 else 0.7 * (number / (files - 1) - 0.5)
