"""The study of cities: what its figures mean, and that a page is made of whatever cells there are."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DISTRICTS = ["a", "b", "c"]


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    if not (BENCHMARKS / "continual_tables.py").is_file():
        pytest.skip("not run from a checkout")
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("continual_tables")
    sys.path.remove(str(BENCHMARKS))


def cell(matrix: list[list[float]], **more: Any) -> dict[str, Any]:
    stages = [
        {
            "learnt": name,
            "seconds": None,
            "parameters": 1000,
            "of_cities": 10,
            "val": {d: {"fde_ml_m": value, "agents": 5} for d, value in zip(DISTRICTS, row, strict=True)},
        }
        for name, row in zip(DISTRICTS, matrix, strict=False)
    ]
    told = {"cell": "x", "row": "naive", "order": 0, "seed": 0, "scenes": None, "districts": DISTRICTS}
    return {**told, "stages": stages, "against_naive": None, **more}


def test_forgetting_and_forward_transfer_by_hand(tables: ModuleType) -> None:
    matrix = tables.matrix_of(cell([[5.0, 9.0, 8.0], [7.0, 4.0, 6.0], [6.0, 5.0, 3.0]]))
    assert tables.forgetting_m(matrix) == pytest.approx(((6 - 5) + (5 - 4)) / 2)
    assert tables.forward_m(matrix) == pytest.approx(8 - 6)
    # Better than ever on an old district is nothing forgotten; the best stage since it was learnt counts.
    assert tables.forgetting_m([[5.0, 9.0], [4.0, 3.0]]) == 0.0
    assert tables.forgetting_m([[5.0, 9.0]]) == 0.0


def test_the_page_of_some_cells_can_be_rendered(tables: ModuleType) -> None:
    pages = importlib.import_module("results_pages")
    interval = {"value": -0.1, "low": -0.2, "high": 0.3}
    low = cell(
        [[5.0, 9.0, 8.0], [7.0, 4.0, 6.0]], row="adapters", scenes=5, against_naive={"a": interval, "b": interval}
    )
    errors = {"fde_ml_m": 5.0}
    told = dict.fromkeys(("model of the first", "the same in the mirror", "model of all"), errors)
    told |= dict.fromkeys(("mirror minus plain", "model of all minus plain"), interval)
    side = {"cell": "side", "seed": 0, "districts": {"a": told}}
    whole = cell([[5.0, 9.0, 8.0], [7.0, 4.0, 6.0], [6.0, 5.0, 3.0]])
    for some in ([], [low], [whole, low, side]):
        text = pages.page_text(tables.page(some), "cities.json")
        assert ("-0.10 (-0.20, +0.30)" in text) == bool(some)
    assert "forgetting, m" in text
    assert "1.00" in text
