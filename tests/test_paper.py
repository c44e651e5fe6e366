"""The command that takes a nuScenes folder to the paper's tables."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from forecast.data.synthetic.town_writer import write_town

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "paper.py"
pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="benchmarks/ is not beside the tests")


@pytest.fixture(scope="module")
def paper() -> ModuleType:
    sys.path.insert(0, str(SCRIPT.parent))  # where the script finds what it shares with others
    return importlib.import_module("paper")


def figure(value: float | None, low: float = 0.0, high: float = 9.0) -> dict[str, float | None]:
    return {"value": value, "count": 3, "ci_low": low, "ci_high": high}


def told(ade: dict[str, float | None]) -> dict[str, object]:
    return {"figures": {"minADE_1, m": ade}, "min_fde_1_by": {}}


def test_ours_with_the_widest_interval_of_the_seeds_beside_the_published_figure(paper: ModuleType) -> None:
    ours = {"cab": [told(figure(3.0, 2.5, 3.5)), told(figure(4.0, 2.8, 4.2))], "gain": [told(figure(1))]}
    lines = paper.table("T", ["minADE_1, m", "OffR-ML"], ours).splitlines()
    assert lines[2] == "| model | seeds | minADE_1, m | paper | OffR-ML | paper |"
    assert lines[4] == "| cab | 2 | 3.50 [2.50, 4.20] | 2.90 | – | 0.13 |"
    assert lines[5] == "| gain | 1 | 1.00 [0.00, 9.00] | – | – | – |"


def test_a_single_track_has_no_interval(paper: ModuleType) -> None:
    nan = float("nan")
    assert "| 3.00 |" in paper.table("T", ["minADE_1, m"], {"x": [told(figure(3.0, nan, nan))]})


def test_every_planned_model_is_a_row(paper: ModuleType) -> None:
    assert set(paper.PLAN) <= set(paper.networks.ROWS)
    assert set(paper.PUBLISHED) <= {*paper.PLAN, *paper.PHYSICS}


def test_unknown_model_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--dataroot", "x", "--models", "rubix"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.startswith("paper.py: --models rubix: expected some of no_context, trajectron")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_rehearsal_on_a_town_keeps_what_is_finished(tmp_path: Path) -> None:
    town, out = tmp_path / "town", tmp_path / "paper"
    write_town(town, scenes=6, seed=1, version="v1.0-trainval")
    command = [sys.executable, str(SCRIPT), "--dataroot", str(town), "--out", str(out), "--models", "cab", "no_context"]
    command += ["--epochs", "1", "--seeds", "1", "--figures", str(out / "figures")]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    tables = (out / "tables.md").read_text()
    assert [line.split(" | ")[0] for line in tables.splitlines() if " | 8.02 | " in line] == ["| cab"]
    weights = out / "cab-map-1-seed0" / "last.safetensors"
    written = weights.stat().st_mtime_ns
    (out / "figures" / "no_context-map-1-seed0.json").unlink()  # as if it had been interrupted there
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert weights.stat().st_mtime_ns == written
    assert (out / "tables.md").read_text() == tables
    assert tables in first.stdout
    assert tables in again.stdout
