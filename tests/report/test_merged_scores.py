"""Scores of parts of whole tracks, from other processes, make the report of the whole, in any order of the parts."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.matching import timing_of
from forecast.scoring.finishing import finish
from forecast.scoring.measure import score_rows
from forecast.scoring.report_document import Report
from forecast.scoring.scores import merged
from forecast.scoring.settings import Settings


def world(tracks=9, issues=30):
    random = np.random.default_rng(5)
    walks = np.cumsum(random.normal(0, 1, (tracks, issues, 2)), 1) + random.uniform(100, 900, (tracks, 1, 2))
    track, issue = (index.reshape(-1) for index in np.indices((tracks, issues)))
    names = np.array([f"car-{number}" for number in range(tracks)])
    modes = walks[track, issue][:, None, None] + random.normal(0, 1, (len(track), 3, 12, 2)).cumsum(2)
    covariances = np.broadcast_to(np.eye(2) * 4, (len(track), 3, 12, 2, 2))
    likely = random.dirichlet(np.ones(3), len(track))
    rows = ForecastRows(names[track], 0.5 * issue, 0.5 * np.arange(1, 13), modes, likely, covariances)
    return rows, TruthRows(names[track], 0.5 * issue, walks[track, issue])


def close(one, other, where=""):
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            close(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            close(a, b, f"{where}[{number}]")
    elif isinstance(one, float):
        assert other == pytest.approx(one, rel=1e-12, abs=1e-12), where
    else:
        assert one == other, where


def test_parts_make_the_report_of_the_whole(tmp_path):
    rows, truth = world()
    settings = Settings(samples=5, transport=True)
    timing = timing_of(rows)

    def part(names):
        return score_rows("m", *[rows.take(np.isin(rows.track, names))] * 2, truth_of(names), settings, timing=timing)

    def truth_of(names):
        here = np.isin(truth.track, names)
        return TruthRows(truth.track[here], truth.time_s[here], truth.positions_m[here])

    def document(scores):
        Report((finish(scores),), (), {"truth": "t"}).write(tmp_path / "r.json")
        return json.loads((tmp_path / "r.json").read_text())

    every = np.unique(rows.track)
    whole = document(merged([part(every)]))
    parts = [pickle.loads(pickle.dumps(part(names))) for names in np.array_split(every, 4)]
    close(whole, document(merged(parts)))
    shuffled = [pickle.loads(pickle.dumps(part(names))) for names in np.array_split(every, 4)]
    close(whole, document(merged([merged(shuffled[2:]), merged(shuffled[:2])])))


def test_parts_with_other_leads_or_columns_are_refused():
    rows, truth = world(tracks=2)
    bare = replace(rows, covariances_m2=None)
    short = ForecastRows(rows.track, rows.issue_time_s, rows.lead_s[:6], rows.positions_m[:, :, :6], rows.probabilities)
    whole, other, shorter = (score_rows("m", part, part, truth) for part in (rows, bare, short))
    with pytest.raises(ValueError, match=r"ade_f_m, fde_f_m, nll_nats is not in all"):
        merged([whole, other])
    with pytest.raises(ValueError, match=r"all the input array dimensions|parts of one result differ"):
        merged([other, shorter])
