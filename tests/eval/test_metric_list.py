"""The contract that every metric of the list keeps, whatever it is; what is made from the list is up to date."""

import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval import displacement, metric_docs
from forecast.eval.consistency import successive_forecasts
from forecast.eval.evidence import (
    AgentEvidence,
    HardnessEvidence,
    PairEvidence,
    PointEvidence,
    RevisionEvidence,
    RoadEvidence,
    SampleEvidence,
)
from forecast.eval.matching import truth_for
from forecast.eval.metric_list import METRICS, metric
from forecast.eval.metric_spec import GROUPS
from forecast.eval.metrics import metric_of
from forecast.eval.overlap import successive_pairs
from forecast.eval.results import PerItem, joined
from forecast.eval.revisions import revisions_by_track

TRACKS, ISSUES, MODES, SAMPLES = 8, 20, 4, 7
LEAD_S = 0.5 * np.arange(1, 13)
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def stream(seed=0, *, turn_rad=0.0, shift_m=(0.0, 0.0)):
    """Random walks and forecasts of them, some modes and observations missing; the world turned and moved."""
    random = np.random.default_rng(seed)
    walks = np.cumsum(random.normal(0, 1, (TRACKS, ISSUES, 2)), 1) + random.uniform(100, 900, (TRACKS, 1, 2))
    track, issue = (index.reshape(-1) for index in np.indices((TRACKS, ISSUES)))
    modes = walks[track, issue][:, None, None] + random.normal(0, 1, (len(track), MODES, 12, 2)).cumsum(2)
    likely = random.dirichlet(np.ones(MODES), len(track))
    absent = random.random(likely.shape) < 0.2
    absent[:, 0] = False
    modes[absent], likely[absent] = np.nan, np.nan
    scale = random.normal(0, 1, (len(track), MODES, 12, 2, 2))
    covariances = scale @ scale.swapaxes(-1, -2) + np.eye(2)
    samples = walks[track, issue][:, None, None] + random.normal(0, 2, (len(track), SAMPLES, 12, 2))
    turn = np.array([[np.cos(turn_rad), np.sin(turn_rad)], [-np.sin(turn_rad), np.cos(turn_rad)]])  # of rows
    turned = turn.T @ covariances @ turn
    names = np.array([f"car-{number}" for number in range(TRACKS)])
    rows = ForecastRows(
        names[track], 0.5 * issue, LEAD_S, modes @ turn + shift_m, likely, (turned + turned.swapaxes(-1, -2)) / 2,
        samples @ turn + shift_m,
    )  # fmt: skip
    seen = random.random(len(track)) > 0.1
    return rows, TruthRows(names[track][seen], 0.5 * issue[seen], (walks[track, issue] @ turn + shift_m)[seen])


def evidence(source, rows, truth):
    """What a metric of this source is measured from, and one name an item."""
    truth_m, _ = truth_for(rows, truth)
    keys = [f"{name}@{time}" for name, time in zip(rows.track, rows.issue_time_s, strict=True)]
    if source == "agents":
        return AgentEvidence(rows.positions_m, rows.probabilities, truth_m, None, rows.covariances_m2), keys
    if source == "samples":
        return SampleEvidence(rows.samples_m, truth_m), keys
    if source in ("road", "polygons", "road samples", "polygon samples"):
        modes = rows.samples_m if "samples" in source else rows.positions_m
        off = np.nan_to_num(modes[..., -1, 0]).round().astype(int) % 2 == 0
        valid = np.isfinite(modes).all((-2, -1))
        return RoadEvidence(off & valid, valid, None if "samples" in source else rows.probabilities), keys
    if source == "hardest":
        found = displacement.min_fde_k(rows.positions_m, rows.probabilities, truth_m, k=1)
        return HardnessEvidence(found, PerItem(-np.arange(len(rows)) * 1.0, np.ones(len(rows), dtype=bool))), keys
    if source in ("points", "closest points"):
        said = successive_forecasts(rows, truth, mode="closest" if "closest" in source else "likeliest")
        return PointEvidence(said), [f"{name}@{time}" for name, time in zip(said.track, said.time_s, strict=True)]
    pairs = successive_pairs(rows)
    present = rows.positions_m[:, 0, 0]
    if source == "revisions":
        return RevisionEvidence(revisions_by_track(rows, pairs)), np.unique(rows.track).tolist()
    if source == "tracks":
        return PairEvidence(rows, pairs, present), np.unique(rows.track).tolist()
    return PairEvidence(rows, pairs, present), [keys[row] for row in pairs.earlier]


def measured(spec, rows, truth):
    """Value and validity by item."""
    given, keys = evidence(spec.source, rows, truth)
    found = spec.measure(given)
    return found, {
        key: (value if valid else None)
        for key, value, valid in zip(keys, found.values.tolist(), found.valid.tolist(), strict=True)
    }


def some(rows, which):
    kept = {
        name: getattr(rows, name)[which]
        for name in ("track", "issue_time_s", "positions_m", "probabilities", "covariances_m2", "samples_m")
    }
    return replace(rows, **kept)


def close(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert other[key] == (None if value is None else pytest.approx(value, rel=1e-6, abs=1e-7)), key


every = pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.key)


@every
def test_values_are_finite_where_they_count_and_some_count(spec):
    found, _ = measured(spec, *stream())
    assert found.values.shape == found.valid.shape
    assert found.valid.any()
    assert np.isfinite(found.values[found.valid]).all()
    assert np.isnan(found.values[~found.valid]).all()
    if spec.unit == "share":
        assert ((found.values[found.valid] >= 0) & (found.values[found.valid] <= 1)).all()


@every
def test_the_order_of_the_rows_does_not_matter(spec):
    if spec.source == "hardest":
        pytest.skip("ranks by the hardness that it is given, here the order of the rows")
    rows, truth = stream()
    order = np.random.default_rng(1).permutation(len(rows))
    close(measured(spec, rows, truth)[1], measured(spec, some(rows, order), truth)[1])


@every
def test_parts_of_whole_tracks_make_the_whole(spec):
    if spec.source in ("hardest", "revisions"):
        pytest.skip("a share of the whole, which is measured once the parts are merged")
    rows, truth = stream()
    whole, values = measured(spec, rows, truth)
    parts = [
        measured(spec, some(rows, np.isin(rows.track, names)), truth)
        for names in np.array_split(np.unique(rows.track), 3)
    ]
    close(values, {key: value for _, part in parts for key, value in part.items()})
    assert joined([part for part, _ in parts]).mean.count == whole.mean.count


@pytest.mark.parametrize("spec", [spec for spec in METRICS if spec.rigid], ids=lambda spec: spec.key)
def test_turning_and_shifting_the_world_changes_nothing(spec):
    if spec.source in ("polygons", "polygon samples"):
        pytest.skip("the polygons would have to be turned, too: tests/eval/test_offroad.py")
    moved = stream(turn_rad=0.7, shift_m=(-310.0, 52.0))
    close(measured(spec, *stream())[1], measured(spec, *moved)[1])


def test_no_key_and_no_heading_stands_twice():
    for name in ("key", "heading"):
        counts = Counter(getattr(spec, name) for spec in METRICS if getattr(spec, name))
        assert set(counts.values()) == {1}
    assert {spec.source for spec in METRICS} <= GROUPS.keys()


@every
def test_the_documented_function_and_class_are_there(spec):
    import forecast.eval.metrics

    module, _, name = spec.function.partition(".")
    assert callable(getattr(__import__(f"forecast.eval.{module}", fromlist=[name]), name))
    assert not spec.torch_class or hasattr(forecast.eval.metrics, spec.torch_class.partition("(")[0])


def test_the_table_of_the_docs_is_up_to_date():
    page = PAGE.read_text(encoding="utf-8")
    assert metric_docs.written(page) == page, "run: python -m forecast.eval.metric_docs docs/metrics.md"


@pytest.mark.parametrize("key", ["min_ade_5", "min_fde_1", "miss_rate_10_2m", "brier_min_fde_5"])
def test_the_class_of_a_key_is_what_the_report_measures(key):
    rows, truth = stream()
    truth_m, known = truth_for(rows, truth)
    made = pickle.loads(pickle.dumps(metric_of(key)))
    for part in np.array_split(np.arange(len(rows)), 5):
        modes, likely, true = (torch.from_numpy(a[part]) for a in (rows.positions_m, rows.probabilities, truth_m))
        made.update(modes, likely, truth_m=true, valid=torch.from_numpy(known[part]))
    expected, _ = measured(metric(key), rows, truth)
    assert made.count == expected.mean.count
    assert float(made.compute()) == pytest.approx(expected.mean.value)


def test_an_unknown_key_and_one_that_takes_more_are_told():
    with pytest.raises(KeyError, match=r"no metric 'min_ade_2'; there are min_ade_1, "):
        metric_of("min_ade_2")
    with pytest.raises(KeyError, match=r"takes more than modes and truth; use forecast\.eval\.metrics\.NLL"):
        metric_of("nll_nats")
