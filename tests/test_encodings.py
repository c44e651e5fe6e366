"""Terminals and names of files that are not UTF-8, and names with a meaning to matplotlib: every command ends well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forecast.core.files import as_text
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import read_truth, write_forecasts, write_truth

ASCII = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
CP1252 = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
C = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
TRACK = r"a$b$\frac{_τ"


def run(argv: list[str | bytes], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    code = "import sys; from forecast.cli.main import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, env={**os.environ, **environment}, check=False
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A folder, as bytes, with the same forecasts under a plain name and under two that are hard to print."""
    folder = tmp_path_factory.mktemp("naïve-τ")
    times, leads = 0.5 * np.arange(12), 0.5 * np.arange(1, 5)
    paths = np.stack([5 * (times[:, None] + leads), np.ones((12, 4))], -1)[:, None]
    rows = ForecastRows(np.full(12, TRACK), times, leads, paths, np.ones((12, 1)))
    write_forecasts(folder / "a.parquet", rows)
    write_forecasts(folder / "a.csv", rows)
    write_truth(folder / "t.parquet", TruthRows(np.full(12, TRACK), times, np.stack([5 * times, 0 * times], -1)))
    at = os.fsencode(folder)
    (folder / "a.csv").rename(folder / "_τ $1$ & $2$.csv")
    try:
        os.link(at + b"/a.parquet", at + b"/caf\xe9.parquet")
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    return at


@pytest.mark.parametrize("environment", [{}, ASCII, CP1252, C], ids=["as it is", "ascii", "cp1252", "C"])
def test_scoring_ends_well_whatever_the_terminal_and_the_names(files: bytes, environment: dict[str, str]) -> None:
    def at(name: bytes) -> bytes:
        return files + b"/" + name

    forecasts = [at(name) for name in (b"a.parquet", b"caf\xe9.parquet", "_τ $1$ & $2$.csv".encode())]
    outputs = [
        b"--out", at(b"r\xe9.json"), b"--html", at(b"r\xe9.html"), b"--markdown", at(b"r\xe9.md"),
        b"--latex", at(b"r\xe9.tex"), b"--per-sample", at(b"s\xe9.parquet"), b"--per-point", at(b"s\xe9.csv"),
    ]  # fmt: skip
    done = run([b"score", *forecasts, b"--truth", at(b"t.parquet"), *outputs], environment)
    assert done.returncode == 0, done.stderr
    document = json.loads(Path(os.fsdecode(at(b"r\xe9.json"))).read_text(encoding="utf-8"))
    assert [report["name"] for report in document["reports"]] == ["a", r"caf\xe9", "_τ $1$ & $2$"]
    for name in outputs[1::2]:
        assert Path(os.fsdecode(name)).stat().st_size


@pytest.mark.parametrize("environment", [ASCII, C], ids=["ascii", "C"])
def test_a_mistake_is_one_line_whatever_the_terminal(files: bytes, environment: dict[str, str]) -> None:
    argv = [b"score", files + b"/caf\xe9.parquet", b"--truth", files + b"/caf\xe8.parquet", b"--out", files + b"/r"]
    done = run(argv, environment)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.isascii()


@pytest.mark.parametrize("environment", [{}, C], ids=["as it is", "C"])
def test_a_town_may_have_any_name(environment: dict[str, str], tmp_path: Path) -> None:
    out = os.fsencode(tmp_path) + b"/t\xe9wn-\xcf\x84"
    done = run([b"town", b"--out", out, b"--scenes", b"2", b"--world", b"junction"], environment)
    assert done.returncode == 0, done.stderr
    assert Path(os.fsdecode(out), "town.json").is_file()


def test_help_can_be_printed_everywhere() -> None:
    for command in ("", "score", "predict"):
        done = run([*command.split(), "--help"], ASCII)
        assert done.returncode == 0, done.stderr


def test_rows_are_read_and_written_under_any_name(files: bytes, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.parquet"))
    truth = read_truth(Path(os.fsdecode(files + b"/t.parquet")))
    write_truth(odd, truth)
    np.testing.assert_array_equal(read_truth(odd).positions_m, truth.positions_m)
    assert as_text(odd.name) == r"\xe9.parquet"


def test_names_in_pictures_are_no_formulas() -> None:
    from matplotlib.figure import Figure

    from forecast.pictures.literal import literal

    figure = Figure()
    axes = figure.subplots()
    for name in (TRACK, r"a\$b$", "$", "_hidden", "\udce9"):
        axes.plot([0, 1], [0, 1], label=literal(name))
    axes.set_title(literal(TRACK))
    assert len(axes.legend().get_texts()) == 5
    figure.canvas.draw()
