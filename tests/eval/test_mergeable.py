"""Results add up: by one rule a column, whatever the parts are."""

import pickle
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest

from forecast.eval.mergeable import add, column, concatenate, each_field, first_given, merge_results, reorder, same
from forecast.eval.results import PerItem


@dataclass(frozen=True)
class Inner:
    names: np.ndarray = column(concatenate, items="things")
    step_s: float = column(same)


@dataclass(frozen=True)
class Result:
    values: dict = column(concatenate, items="things")
    counts: dict = column(add)
    bins: np.ndarray = column(add)
    inner: Inner = column(each_field)
    lines: list = column(concatenate, default_factory=list)
    why: str = column(first_given, default="")


def part(*values, step_s=0.5, why=""):
    numbers = np.array(values, dtype=float)
    held = {"a": PerItem(numbers, numbers > 0)}
    inner = Inner(np.array([f"{v:g}" for v in values]), step_s)
    return Result(held, {"n": len(values)}, np.array([1, len(values)]), inner, [len(values)], why)


def test_each_column_by_its_rule():
    whole = merge_results([part(1, -2), part(3, why="a gap"), part(why="another")])
    assert whole.values["a"].values.tolist() == [1, -2, 3]
    assert whole.values["a"].valid.tolist() == [True, False, True]
    assert whole.counts == {"n": 3}
    assert whole.bins.tolist() == [3, 3]
    assert whole.inner.names.tolist() == ["1", "-2", "3"]
    assert (whole.lines, whole.why) == ([2, 1, 0], "a gap")


def test_merging_may_be_done_in_steps_and_across_processes():
    parts = [part(5), part(6, 7), part(8), part(9, 1)]
    carried = [pickle.loads(pickle.dumps(one)) for one in parts]
    in_steps = merge_results([merge_results(carried[:2]), merge_results(carried[2:])])
    at_once = merge_results(parts)
    assert in_steps.inner.names.tolist() == at_once.inner.names.tolist()
    assert in_steps.counts == at_once.counts


def test_what_must_be_the_same_is_compared():
    with pytest.raises(ValueError, match=r"parts of one result differ: 0\.5 and 0\.1; expected the same in all"):
        merge_results([part(1), part(2, step_s=0.1)])
    nan = merge_results([part(1, step_s=np.nan), part(2, step_s=np.nan)])
    assert np.isnan(nan.inner.step_s)


def test_rows_are_reordered_together():
    whole = reorder(part(3, 1, 2), {"things": np.array([1, 2, 0])})
    assert whole.values["a"].values.tolist() == [1, 2, 3]
    assert whole.inner.names.tolist() == ["1", "2", "3"]
    assert whole.bins.tolist() == [1, 3]


def test_the_scores_have_a_rule_for_every_column():
    from forecast.eval.calibration import Calibration
    from forecast.eval.consistency import SuccessiveForecasts
    from forecast.scoring.scores import Scores
    from forecast.scoring.stability import Stability

    for kind in (Scores, Stability, SuccessiveForecasts, Calibration):
        assert all(callable(one.metadata["merge"]) for one in fields(kind)), kind
    assert replace(part(1), why="x").why == "x"
