"""The comparison of two checkouts notices a changed figure, whatever file it stands in, and nothing else."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("not run from a checkout", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

from before_after_compare import Rules, compare_files, differences  # noqa: E402

FIGURES = {"a": [1.0, 2.0, 3.0], "b": [1.0, float("nan"), -1e6]}


def write(path: Path, columns: dict[str, list[float]]) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(columns))
    elif path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: np.array(values) for name, values in columns.items()})
    else:
        with path.open("w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
    return path


@pytest.mark.parametrize("suffix", [".json", ".parquet", ".npz", ".csv"])
@pytest.mark.parametrize(("by", "count"), [(0.0, 0), (1e-10, 0), (1e-8, 1), (float("nan"), 1), (float("inf"), 1)])
def test_a_changed_figure_is_seen_in_every_kind_of_file(tmp_path: Path, suffix: str, by: float, count: int) -> None:
    changed = {**FIGURES, "a": [1.0 + by, 2.0, 3.0]}
    before = write(tmp_path / f"before{suffix}", FIGURES)
    after = write(tmp_path / f"after{suffix}", changed)
    assert len(compare_files(before, after, Rules())) == count


def test_large_figures_are_compared_relatively_and_losses_more_loosely() -> None:
    assert list(differences(1e6, 1e6 + 1e-4, Rules())) == []
    assert list(differences(1e6, 1e6 + 1e-2, Rules()))
    assert list(differences(1.0, 1.0 + 1e-7, Rules(1e-6))) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 1}, {}),
        ({}, {"a": 1}),
        ([1, 2], [1]),
        ({"a": None}, {"a": 0.0}),
        ({"a": True}, {"a": 1}),
        ("x", "y"),
        (np.zeros(3), np.zeros((3, 1))),
        (np.zeros(3), np.zeros(3, int)),
        (np.array(["a"]), np.array(["b"])),
    ],
)
def test_other_changes_are_seen(before: Any, after: Any) -> None:
    assert len(list(differences(before, after, Rules()))) == 1


def test_a_new_name_is_followed_and_what_is_left_out_is_not_compared() -> None:
    before, after = {"old": 1.0, "version": "1"}, {"new": 1.0, "version": "2"}
    rules = Rules(names={"old": "new"}, left_out=("$.version",))
    assert list(differences(before, after, rules)) == []
    assert list(differences(before, {**after, "new": 2.0}, rules)) == ["$.new: 1.0, now 2.0"]


def test_a_file_that_one_side_did_not_write_is_a_difference(tmp_path: Path) -> None:
    there = write(tmp_path / "a.json", FIGURES)
    assert compare_files(there, tmp_path / "b.json", Rules()) == ["b.json: after did not write it"]


@given(
    st.recursive(
        st.floats() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_everything_equals_itself(value: Any) -> None:
    assert list(differences(value, json.loads(json.dumps(value)), Rules())) == []
