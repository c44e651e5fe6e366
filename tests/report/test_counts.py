"""No finite input gives a figure without its count: hypothesis makes rows of every shape, the report is walked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecast.core.rows import ForecastRows, TruthRows
from forecast.report.latex_table import as_latex
from forecast.report.tables import as_markdown
from forecast.report.terminal_table import print_table
from forecast.scoring.finishing import finish
from forecast.scoring.measure import score_rows
from forecast.scoring.report_document import Report
from forecast.scoring.scores import Scores
from forecast.scoring.settings import Settings

EXAMPLES = pytest.mark.parametrize(
    "examples", [20, pytest.param(1500, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
#: What holds a figure: a mean or a difference.
VALUES = ("value", "difference")


@st.composite
def made_up(draw: st.DrawFn) -> tuple[ForecastRows, TruthRows, Settings]:
    """Forecasts and truth with gaps of every kind; all that is not NaN by the rules is finite."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tracks, issues = draw(st.integers(1, 3)), draw(st.integers(1, 16))
    modes, steps = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    step_s = draw(st.sampled_from([0.1, 0.5, 1.0]))
    scale_m = draw(st.sampled_from([0.0, 1.0, 1e3, 1e6]))
    holes = draw(st.sampled_from([0.0, 0.1, 0.6]))
    clock = np.tile(step_s * np.arange(issues), tracks) + draw(st.sampled_from([0.0, 1.7e9]))
    track = np.repeat([f"t{n}" for n in range(tracks)], issues)
    seen = random.normal(0, 1, (len(track), 2)) * scale_m
    positions = seen[:, None, None] + random.normal(0, 1, (len(track), modes, steps, 2)) * scale_m
    ends = random.integers(1, steps + 1, (len(track), modes)) if holes else np.full((len(track), modes), steps)
    positions[np.arange(steps) >= ends[..., None]] = np.nan
    likely = random.random((len(track), modes)) + 1e-3
    likely[:, 1:][random.random((len(track), modes - 1)) < holes] = np.nan
    covariances = np.broadcast_to(np.eye(2), (*positions.shape, 2)).copy() if draw(st.booleans()) else None
    keep = random.random(len(track)) >= holes
    kept = random.random(len(track)) >= holes
    keep[0] = kept[0] = True
    rows = ForecastRows(
        track[keep],
        clock[keep],
        step_s * np.arange(1, steps + 1),
        positions[keep],
        likely[keep],
        None if covariances is None else covariances[keep],
    )
    return rows, TruthRows(track[kept], clock[kept], seen[kept]), Settings(samples=3)


def figures(document: Any, where: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every figure in a document: its place, the name of its value, and all that stands beside it."""
    if isinstance(document, dict):
        for name in VALUES:
            if name in document:
                yield where, name, document
        for key, part in document.items():
            yield from figures(part, f"{where}.{key}")
    elif isinstance(document, list):
        for number, part in enumerate(document):
            yield from figures(part, f"{where}[{number}]")


def scored(name: str, world: tuple[ForecastRows, TruthRows, Settings]) -> Scores:
    forecasts, truth, chosen = world
    return finish(score_rows(name, forecasts, forecasts, truth, chosen))


@EXAMPLES
def test_every_figure_has_its_count(examples: int, tmp_path: Path) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(made_up(), made_up())
    def check(one: Any, two: Any) -> None:
        report = Report((scored("one", one), scored("two", two)), (), {"population": "all"})
        report.write(tmp_path / "report.json")
        document = json.loads((tmp_path / "report.json").read_text())
        found = 0
        for where, name, figure in figures(document):
            found += 1
            value, count = figure[name], figure["count"]
            assert isinstance(count, int), where
            assert (value is None) == (count == 0), f"{where}: {figure}"
            if value is not None:
                assert math.isfinite(value), where
            if figure["ci_low"] is not None:
                slack = 1e-9 * max(1.0, abs(value))
                assert figure["ci_low"] - slack <= value <= figure["ci_high"] + slack, f"{where}: {figure}"
        assert found > 60
        for body, world in zip(document["reports"], (one, two), strict=True):
            agents = len(world[0])
            assert body["coverage"]["agent_samples"] == agents
            assert all(figure["count"] <= agents for figure in body["metrics"].values())
        as_markdown(document)
        as_latex(document)
        print_table(document)

    check()
