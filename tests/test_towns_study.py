"""The study on towns: cells that are kept, and their tables."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("not run from a checkout", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import towns  # noqa: E402


def test_models_that_do_not_exist_are_refused() -> None:
    with pytest.raises(SystemExit, match=r"--cell towns/cap/0: expected one of towns, .* / cab, .* / a seed"):
        towns.Cell.parse("towns/cap/0")
    with pytest.raises(SystemExit, match="--mini DATAROOT"):
        towns.Cell.parse("mini/cab/0").config(Path("out"), None)


@pytest.mark.slow
def test_a_cell_is_run_once_and_told_in_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(towns, "TOWNS", {"learn": (3, 1), "judge": (3, 2)})
    monkeypatch.setitem(towns.BUDGETS, "towns", {"run.epochs": 1})

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["towns.py", *arguments, "--out", str(tmp_path)])
        towns.main()
        return capsys.readouterr().out

    cells = ("--cell", "towns/gain/0", "--cell", "towns/no_context/0", "--cell", "towns/no_context/1")
    assert call("run", *cells).count(" on town: ") == 3
    assert " on town: " not in call("run", *cells)
    table = call("table")
    for row in ("constant_velocity_heading (1)", "towns: gain (1)", "towns: no_context (2)"):
        assert table.count(f"\n| {row} | ") == 2  # of all metrics, and of the horizons
    cells = next(line for line in table.splitlines() if line.startswith("| towns: no_context")).split(" | ")
    assert cells[2] == cells[-1].removesuffix(" |")  # who never sees the context loses nothing without it
