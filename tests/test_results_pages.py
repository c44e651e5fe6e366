"""The appendices of the results are what their figures make, and a change of a figure is noticed."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").is_dir() or not (ROOT / "docs" / "results" / "data").is_dir():
    pytest.skip("not run from a checkout", allow_module_level=True)
sys.path.insert(0, str(ROOT / "benchmarks"))

import results_pages  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "docs" / "results", tmp_path / "results"))


def change(folder: Path, **values: object) -> None:
    path = folder / "data" / "demo.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def test_the_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert results_pages.main(["--check"]) == 0, capsys.readouterr().err


def test_a_changed_digit_is_noticed_and_written(folder: Path) -> None:
    path = folder / "data" / "demo.json"
    path.write_text(path.read_text(encoding="utf-8").replace("3.70", "3.72"), encoding="utf-8")
    assert results_pages.main(["--check", "--folder", str(folder)]) == 1
    assert results_pages.main(["--folder", str(folder)]) == 0
    assert results_pages.main(["--check", "--folder", str(folder)]) == 0
    assert "| query_cab (demo) | 3.72 |" in (folder / "demo.md").read_text(encoding="utf-8")


def test_a_page_without_figures_is_noticed(folder: Path) -> None:
    (folder / "by_hand.md").write_text("# By hand\n")
    assert results_pages.outdated(folder) == [folder / "by_hand.md"]


def test_bad_figures_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = {"title": "t", "command": "c", "columns": [{"name": "model", "unit": None}], "notes": []}
    change(folder, tables=[{**table, "rows": [["a", "1"]]}])
    assert results_pages.main(["--folder", str(folder)]) == 2
    assert "demo.json, table 0, row 0: 2 cells, expected 1" in capsys.readouterr().err
    change(folder, tables=[table])
    assert results_pages.main(["--folder", str(folder)]) == 2
    assert "missing: rows" in capsys.readouterr().err


def test_links_of_the_results_lead_somewhere() -> None:
    for page in [ROOT / "docs" / "results.md", *(ROOT / "docs" / "results").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+\.md)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name} links to {target}"
