"""Submissions, flat and nested rows are forms of one type; the ending of a name chooses."""

from dataclasses import replace

import numpy as np
import pytest

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import read_forecasts, write_forecasts
from forecast.eval.matching import match_points, truth_for


def rows(count=4, modes=3):
    random = np.random.default_rng(0)
    return ForecastRows.at_key_frames(
        [f"car{number}" for number in range(count)],
        [f"frame{number}" for number in range(count)],
        random.normal(500, 20, (count, modes, 12, 2)),
        random.dirichlet(np.ones(modes), count),
        issue_time_s=1.5e9 + 0.5 * np.arange(count),
    )


@pytest.mark.parametrize("ending", ["json", "parquet", "csv"])
def test_positions_and_probabilities_come_back_from_every_form(tmp_path, ending):
    given = rows()
    write_forecasts(tmp_path / f"f.{ending}", given)
    found = read_forecasts(tmp_path / f"f.{ending}")
    np.testing.assert_array_equal(found.track, given.track)
    np.testing.assert_array_equal(found.lead_s, given.lead_s)
    np.testing.assert_allclose(found.positions_m, given.positions_m, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.probabilities, given.probabilities, rtol=0, atol=1e-12)
    if ending == "json":
        np.testing.assert_array_equal(found.sample_tokens, given.sample_tokens)
        assert np.isnan(found.issue_time_s).all()
    else:
        assert found.sample_tokens is None
        np.testing.assert_allclose(found.issue_time_s, given.issue_time_s, rtol=0, atol=1e-6)


def test_pieces_become_one_submission(tmp_path):
    whole = rows()
    write_forecasts(tmp_path / "f.json", (whole.take([n]) for n in range(len(whole))))
    assert read_forecasts(tmp_path / "f.json").track.tolist() == whole.track.tolist()


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("f.json", {"sample_tokens": None}, r"f\.json: not written: rows without sample_tokens"),
        ("f.parquet", {"issue_time_s": np.full(4, np.nan)}, r"f\.parquet: not written: rows whose issue times are not"),
        ("f.csv", {"issue_time_s": np.full(4, np.nan)}, r"f\.csv: not written: rows whose issue times are not known"),
    ],
)
def test_what_a_form_has_no_place_for_is_refused(tmp_path, name, change, said):
    with pytest.raises(SubmissionError, match=said):
        write_forecasts(tmp_path / name, replace(rows(), **change))
    assert not list(tmp_path.iterdir())


def test_unknown_times_match_nothing_by_accident():
    unknown = replace(rows(), issue_time_s=np.full(4, np.nan))
    truth = TruthRows(["car0"], [0.5], [[0.0, 0.0]])
    for match in (truth_for, match_points):
        with pytest.raises(SubmissionError, match="issue times are not known; join a submission with its data set"):
            match(unknown, truth)


def test_times_may_be_unknown_only_where_the_key_frames_are_known():
    with pytest.raises(ValueError, match="issue_time_s: entry 0 is not a finite time"):
        replace(rows(), issue_time_s=np.full(4, np.nan), sample_tokens=None)
    with pytest.raises(ValueError, match="issue_time_s: entry 2 is not a finite time"):
        replace(rows(), issue_time_s=np.array([0.0, 1.0, np.nan, 3.0]))
    with pytest.raises(ValueError, match=r"sample_tokens: expected shape \(4,\), got \(3,\)"):
        replace(rows(), sample_tokens=["a", "b", "c"])


def test_rows_are_taken_whole():
    given = replace(rows(), row_lead_s=np.tile(0.5 * np.arange(1, 13), (4, 1)) + 0.01 * np.arange(4)[:, None])
    some = given.take(np.array([False, True, False, True]))
    assert some.track.tolist() == ["car1", "car3"]
    assert some.sample_tokens.tolist() == ["frame1", "frame3"]
    np.testing.assert_array_equal(some.row_lead_s, given.row_lead_s[[1, 3]])
