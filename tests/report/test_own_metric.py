"""A metric from outside the package, and an entry in the list: both reach the report, the tables and the page."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval import metric_docs, metric_list
from forecast.eval.forecasts import write_forecasts, write_truth
from forecast.eval.metric_spec import MetricSpec
from forecast.eval.results import per_item

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extend" / "metric.md"
STEPS = np.arange(1, 13)
SPEC = "from forecast.eval.metric_spec import MetricSpec\nf = MetricSpec('mine', '{source}', {measure}, 'of mine')"

ONE_SHORT = "lambda found: __import__('forecast.eval.results').eval.results.per_item([1, 2], [True, True])"
WRITES = "lambda found: found.truth_m.fill(0)"
WRITES_INSIDE = "lambda found: found.forecasts.positions_m.fill(0)"
WRITES_SHARED = "lambda found: found.displacements.distance_m.fill(0)"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Cars that drive east at 10 m/s; two forecasts of each, 1 m and 2 m to the left of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_metrics", raising=False)
    names = np.array(["a", "a", "b"])
    issue_s = np.array([0.0, 0.5, 0.0])
    ahead = 10 * (issue_s[:, None] + 0.5 * STEPS)
    path = np.stack([ahead, np.zeros_like(ahead)], -1)
    modes = np.stack([path + np.array([0, 1]), path + np.array([0, 2])], 1)
    write_forecasts("one.parquet", ForecastRows(names, issue_s, 0.5 * STEPS, modes, np.tile([0.3, 0.7], (3, 1))))
    write_forecasts("two.parquet", ForecastRows(names, issue_s, 0.5 * STEPS, modes, np.tile([0.6, 0.4], (3, 1))))
    time_s = np.tile(0.5 * np.arange(14), 2)
    write_truth("truth.csv", TruthRows(np.repeat(["a", "b"], 14), time_s, np.stack([10 * time_s, 0 * time_s], -1)))
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "my_metrics.py").write_text("\n".join(blocks[:2]), encoding="utf-8")
    return tmp_path


def score(*more, files=("one.parquet",)):
    code = main(["score", *files, "--truth", "truth.csv", "--out", "r.json", *more])
    return code, json.loads(Path("r.json").read_text()) if code == 0 else None


def test_the_function_of_the_page(files, capsys):
    code, report = score("--metric", "my_metrics:lateral_error", "--html", "r.html", "--markdown", "r.md",
                         "--per-sample", "s.csv")  # fmt: skip
    assert code == 0
    figure = report["metrics"]["lateral_error"]
    assert (figure["value"], figure["count"]) == (pytest.approx(2.0), 3)
    assert report["own_metrics"]["lateral_error"]["definition"].startswith("Distance of the most likely end-point")
    assert "lateral_error" in capsys.readouterr().out
    assert "lateral_error" in Path("r.md").read_text()
    assert "lateral_<wbr>error" in Path("r.html").read_text()
    assert "lateral_error" in Path("s.csv").read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("values", "value", "count", "said"),
    [
        ("[1.0, np.nan, 3.0]", 2.0, 2, "1 of 3 values of f are not finite and do not count"),
        ("[np.inf, -np.inf, 3.0]", 3.0, 1, "2 of 3 values of f are not finite and do not count"),
        ("[np.nan] * 3", None, 0, "3 of 3 values of f are not finite and do not count"),
        ("[1.0, 2.0, 3.0]", 2.0, 3, None),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_values_that_are_not_finite_do_not_count_and_are_told(files, monkeypatch, values, value, count, said, whole):
    function = f"import numpy as np\ndef f(m, p, t, v): return {values}\n"
    entry = (
        "from forecast.eval.metric_spec import MetricSpec\nfrom forecast.eval.results import PerItem\n"
        "f = MetricSpec('f', 'agents', lambda found, f=f: PerItem(np.array(f(*'mptv')), np.ones(3, bool)), 'mine')\n"
    )
    monkeypatch.delitem(sys.modules, "own", raising=False)
    Path("own.py").write_text(function + entry * whole)
    _, report = score("--metric", "own:f")
    assert (report["metrics"]["f"]["value"], report["metrics"]["f"]["count"]) == (value, count)
    assert [line for line in report["warnings"] if "of f" in line] == ([said] if said else [])


def test_a_metric_that_nothing_is_there_for_is_told(files, monkeypatch):
    monkeypatch.delitem(sys.modules, "own", raising=False)
    Path("own.py").write_text(SPEC.format(source="samples", measure="len"))
    _, report = score("--metric", "own:f")
    assert "mine" not in report["metrics"]
    assert [line for line in report["warnings"] if line.startswith("mine is not measured")]


@pytest.mark.parametrize(
    ("source", "group", "items"),
    [
        ("agents", "metrics", "len(found.modes_m)"),
        ("points", "temporal", "len(found.points.track)"),
        ("pairs", "temporal", "len(found.pairs.earlier)"),
        ("tracks", "temporal", "2"),
        ("hardest", "hardest", "len(found.hardness.valid)"),
    ],
)
def test_a_whole_entry_may_have_any_source(files, monkeypatch, source, group, items):
    monkeypatch.delitem(sys.modules, "own", raising=False)
    measure = f"lambda found: per_item([1.0] * {items}, [True] * {items})"
    text = SPEC.format(source=source, measure=measure)
    Path("own.py").write_text(f"from forecast.eval.results import per_item\n{text}")
    code, report = score("--metric", "own:f")
    assert code == 0
    assert report[group]["mine"]["value"] == 1.0
    assert report[group]["mine"]["count"] >= 1


def test_two_files_are_compared_by_it_and_a_whole_entry_is_taken(files):
    own = ("--metric", "my_metrics:lateral_error", "--metric", "my_metrics:CONFIDENCE")
    code, report = score(*own, "--html", "r.html", files=("one.parquet", "two.parquet"))
    assert code == 0
    (pair,) = report["comparisons"]
    assert pair["metrics"]["lateral_error"]["difference"] == pytest.approx(-1.0)
    assert [body["metrics"]["confidence"]["value"] for body in report["reports"]] == [
        pytest.approx(0.7),
        pytest.approx(0.6),
    ]
    assert re.search(r"<button[^>]*>confidence <.*higher is better", Path("r.html").read_text())


def test_an_installed_command_finds_modules_of_the_current_folder(files):
    code = (
        "import sys; sys.path[:] = [p for p in sys.path if p not in ('', '.')];"
        "from forecast.cli.main import main;"
        "sys.exit(main(['score', 'one.parquet', '--truth', 'truth.csv', '--out', 'r.json', "
        "'--metric', 'my_metrics:lateral_error']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=files, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "written", "said"),
    [
        ("lateral", "", "expected module:name"),
        ("nowhere_at_all:f", "", r"nowhere_at_all cannot be imported \(ModuleNotFoundError"),
        ("own:f", "", "own has no f"),
        ("own:f", "f = 3", "is int; expected a function or a MetricSpec"),
        ("own:f", "def f(*a): return 1 / 0", "ZeroDivisionError: division by zero"),
        ("own:f", "def f(m, p, t, v): return p", r"gave shape \(3, 2\); expected \(3,\), one value an agent-sample"),
        ("own:f", "def f(m, p, t, v): return ['x'] * len(m)", "ValueError: could not convert"),
        ("own:min_ade_1", "def min_ade_1(m, p, t, v): return t", "a metric min_ade_1 is there already"),
        ("own:f", "def f(m, p, t, v): t[:] = 0; return p[:, 0]", "read-only"),
        ("own:f", "raise SystemExit('no')", r"own cannot be imported \(SystemExit: no"),
        ("own:f", SPEC.format(source="agents", measure="lambda found: 3"), "its measure gave int; expected"),
        (
            "own:f",
            SPEC.format(source="agents", measure=ONE_SHORT),
            r"gave values and valid of shapes \(2,\) and \(2,\)",
        ),
        ("own:f", SPEC.format(source="agents", measure=WRITES), "read-only"),
        ("own:f", SPEC.format(source="pairs", measure=WRITES_INSIDE), "read-only"),
        ("own:f", SPEC.format(source="agents", measure=WRITES_SHARED), "read-only"),
        ("own:f", SPEC.format(source="agents", measure="lambda found: 1 / 0"), "ZeroDivisionError: division by zero"),
        ("own:f", SPEC.format(source="agentz", measure="len"), "its source is 'agentz'; did you mean 'agents'"),
        ("own:f", "import os\nos.nothing", r"own cannot be imported \(AttributeError"),
    ],
)
def test_mistakes_are_one_line(files, capsys, monkeypatch, name, written, said):
    monkeypatch.delitem(sys.modules, "own", raising=False)
    Path("own.py").write_text(written)
    code, _ = score("--metric", name)
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert re.search(said, line), line
    assert not Path("r.json").exists()


def test_an_entry_in_the_list_is_all_that_a_metric_takes(files, monkeypatch, capsys):
    def modes_given(found):
        return per_item(np.isfinite(found.probabilities).sum(1), np.ones(len(found.truth_m)))

    entry = MetricSpec(
        "modes_given", "agents", modes_given,
        "how many modes a forecast has", heading="modes", lower_is_better=False,
    )  # fmt: skip
    monkeypatch.setattr(metric_list, "METRICS", (*metric_list.METRICS, entry))
    code, report = score("--html", "r.html")
    assert code == 0
    assert report["metrics"]["modes_given"]["value"] == 2.0
    assert re.search(r"modes +. +2\.000", capsys.readouterr().out)
    assert re.search(r"modes ↑.*</th><td[^>]*>2\.00</td>", Path("r.html").read_text())
    assert "| `metrics.modes_given` | modes | how many modes a forecast has |" in metric_docs.markdown()
