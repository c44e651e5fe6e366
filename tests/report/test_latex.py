"""The table for a paper: what it shows, what is bold, and that LaTeX can read it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forecast.cli.main import main
from forecast.core.errors import ConfigError
from forecast.report.latex_table import as_latex
from forecast.report.tables import as_markdown


def figure(value: float | None, count: int = 10, half: float = 0.25) -> dict[str, Any]:
    if value is None:
        return {"value": None, "count": 0, "ci_low": None, "ci_high": None}
    return {"value": value, "count": count, "ci_low": value - half, "ci_high": value + half}


def body(name: str, ade: float, c: float, jitter: float | None, efficiency: float, items: int = 10) -> dict[str, Any]:
    return {
        "name": name,
        "metrics": {"min_ade_1": figure(ade, items), "off_road_rate": figure(0.5)},
        "temporal": {
            "convergence_s": {"1.0": figure(c)},
            "endpoint_jitter_m": figure(jitter),
            "revision_efficiency": figure(efficiency),
        },
        "warnings": [],
    }


COLUMNS = ("min_ade_1", "convergence_s.1.0", "revision_efficiency", "endpoint_jitter_m", "off_road_rate")
GOLDEN = r"""\begin{tabular}{lrrrrr}
\toprule
HEAD
\midrule
a\_50\%\&b & \textbf{1.500} & 2.000 & $-$0.300 & -- & 0.500 \\
\textbackslash{}two & \textbf{1.500} & \textbf{3.000} & \textbf{0.200} & 0.750 & 0.500 \\
three & 1.600 & 1.000 & 0.400 & \textbf{0.700} & 0.500 \\
\bottomrule
\end{tabular}
"""
HEAD = " & ".join(
    [
        "forecasts",
        r"minADE\_1 (m) $\downarrow$",
        r"C 1 m (s) $\uparrow$",
        r"revision efficiency $\to 0$",
        r"end-point jitter (m) $\downarrow$",
        r"OffRoad $\downarrow$ \\",
    ]
)


def three_files() -> dict[str, Any]:
    return {
        "reports": [
            body("a_50%&b", 1.5, 2.0, None, -0.3),
            body("\\two", 1.5000001, 3.0, 0.75, 0.2),
            body("three", 1.6, 1.0, 0.7, 0.4),
        ]
    }


def test_the_table_of_chosen_metrics_is_exactly_this() -> None:
    assert as_latex(three_files(), keys=COLUMNS) == GOLDEN.replace("HEAD", HEAD)


def test_intervals_stand_beside_the_figures() -> None:
    row = as_latex(three_files(), keys=COLUMNS[:2], intervals=True).splitlines()[5]
    assert row == r"\textbackslash{}two & \textbf{1.500} $\pm$ 0.250 & \textbf{3.000} $\pm$ 0.250 \\"
    line = as_markdown(three_files(), keys=COLUMNS[:2], intervals=True).splitlines()[3]
    assert line == "| \\two | 1.500 ± 0.250 | 3.000 ± 0.250 |"
    assert as_markdown(three_files(), keys=COLUMNS[3:4], intervals=True).splitlines()[2] == "| a_50%&b | – |"


def test_nothing_is_best_among_figures_of_different_items() -> None:
    document = {"reports": [body("one", 1.0, 1.0, 1.0, 1.0, 10), body("two", 2.0, 1.0, 1.0, 1.0, 4)]}
    assert "textbf" not in as_latex(document, keys=("min_ade_1",))
    assert as_latex(document, keys=("min_ade_1",)).splitlines()[5] == r"two & 2.000 (4) \\"


def test_one_file_has_no_best_and_the_usual_columns() -> None:
    table = as_latex(body("one", 1.0, 2.0, 3.0, 0.1))
    assert "textbf" not in table
    assert r"minADE\_1 (m) $\downarrow$" in table


def test_latex_reads_it(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    table = as_latex(three_files(), intervals=True)
    text = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + table + "\\end{document}\n"
    (tmp_path / "table.tex").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def test_every_figure_of_every_metric_is_plain_latex() -> None:
    from forecast.eval.metric_list import METRICS

    document: dict[str, Any] = {"name": "m", "warnings": []}
    for spec in METRICS:
        *above, last = spec.path
        place = document
        for name in above:
            place = place.setdefault(name, {})
        place[last] = figure(-1.0)
    keys = [spec.key for spec in METRICS if spec.heading]
    assert as_latex(document, keys=keys, intervals=True).isascii()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--columns", "min_ade_1", "--intervals"], "add --latex FILE or --markdown FILE"),
        (["--columns", "dispersion", "--latex", "t.tex"], "did you mean 'dispersion_m'?"),
        (["--columns", "min_ade_1,min_ade_1", "--latex", "t.tex"], "min_ade_1 twice"),
    ],
)
def test_mistakes_are_told_before_the_work(refused: Callable[[list[str]], str], options: list[str], said: str) -> None:
    assert said in refused(["score", "f.csv", "--truth", "t.csv", "--out", "r.json", *options])


def test_a_metric_that_there_is_not_is_an_error_in_python_too() -> None:
    with pytest.raises(ConfigError, match="no metric 'nothing'"):
        as_latex(three_files(), keys=("nothing",))


def test_score_writes_the_table_that_is_asked_for(town, dense_file: Path, tmp_path: Path) -> None:
    table = ["--latex", str(tmp_path / "t.tex"), "--columns", "dispersion_m, min_fde_1", "--intervals"]
    out = ["--out", str(tmp_path / "r.json"), *table]
    assert main(["score", str(dense_file), *town.arguments, "--population", "dense", *out]) == 0
    lines = (tmp_path / "t.tex").read_text().splitlines()
    assert lines[2].startswith("forecasts & D (m) $\\downarrow$ & minFDE\\_1 (m) $\\downarrow$")
    assert lines[4].count(r"$\pm$") == 2
