"""What is written reads back as it was, or is refused before there is a file."""

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import read_forecasts, read_truth, write_forecasts, write_truth

FORMS = [("f.parquet", False), ("f.parquet", True), ("f.csv", True)]


def some_rows(modes=3, **changes):
    random = np.random.default_rng(0)
    rows = ForecastRows(
        ["a", "a", "b"],
        [0.0, 0.5, 0.0],
        0.5 * np.arange(1, 5),
        random.normal(0, 50, (3, modes, 4, 2)),
        np.full((3, modes), 1 / modes),
        np.broadcast_to(np.eye(2), (3, modes, 4, 2, 2)).copy(),
        random.normal(0, 50, (3, 2, 4, 2)),
    )
    return replace(rows, **changes)


def points(rows):
    """All that rows hold, by who and where."""
    found = {}
    lead_us = np.rint(rows.own_lead_s * 1e6).astype(int)
    for row, (track, issue_s) in enumerate(zip(rows.track.tolist(), rows.issue_time_s.tolist(), strict=True)):
        for mode, probability in enumerate(rows.probabilities[row]):
            if not np.isnan(probability):
                found[track, issue_s, mode] = probability
        kinds = {"mode": rows.positions_m, "sample": rows.samples_m}
        for kind, values in kinds.items():
            for number, step in np.argwhere(np.isfinite(values[row]).any(-1)) if values is not None else ():
                key = (track, issue_s, kind, number, lead_us[row, step])
                found[key] = values[row, number, step].tolist()
                if kind == "mode" and rows.covariances_m2 is not None:
                    found[(*key, "covariance")] = rows.covariances_m2[row, number, step].tolist()
    return found


@st.composite
def any_rows(draw):
    """Rows with holes, absent modes and samples, and now and then what no file may hold."""
    rows = some_rows()
    number = st.sampled_from([np.nan] * 6 + [np.inf, 2e7, 0.0])
    positions, probabilities, samples = rows.positions_m.copy(), rows.probabilities.copy(), rows.samples_m.copy()
    for _ in range(draw(st.integers(0, 4))):
        row, mode, step = draw(st.integers(0, 2)), draw(st.integers(0, 2)), draw(st.integers(0, 3))
        what = draw(st.sampled_from(["point", "mode", "half", "probability", "sample", "half sample"]))
        value = draw(number)
        if what == "point":
            positions[row, mode, step] = value
        elif what == "mode":
            positions[row, mode], probabilities[row, mode] = np.nan, np.nan
        elif what == "half":
            positions[row, mode, step, 0] = value
        elif what == "probability":
            probabilities[row, mode] = value
        elif what == "sample":
            samples[row, mode % 2] = value
        else:
            samples[row, mode % 2, step, 1] = value
    track = ["a", "a", draw(st.sampled_from(["b", "a", "1.0", " b", "b\n", "b\r", 'b"', "b,c", "nan", "\ufffd", "é"]))]
    issue_s = [0.0, 0.5, draw(st.sampled_from([0.0, 1.0, 0.5 + 1e-7]))]
    own = draw(st.sampled_from([None, rows.own_lead_s + 0.01 * np.arange(3)[:, None], rows.own_lead_s[:, ::-1]]))
    return replace(
        rows,
        track=track,
        issue_time_s=issue_s,
        positions_m=positions,
        probabilities=probabilities,
        samples_m=draw(st.sampled_from([samples, None])),
        covariances_m2=draw(st.sampled_from([rows.covariances_m2, None, -rows.covariances_m2])),
        row_lead_s=own,
    )


@pytest.mark.parametrize(("name", "flat"), FORMS)
@settings(max_examples=60, deadline=None)
@given(rows=any_rows())
def test_what_is_written_reads_back_or_is_refused(name, flat, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        try:
            write_forecasts(path, rows, flat=flat)
        except SubmissionError as fault:
            said = str(fault)
        else:
            said = ""
        if said:
            assert len(said.splitlines()) == 1
            assert not list(Path(folder).iterdir())
            return
        assert points(read_forecasts(path)) == points(rows)


def holed(rows, at):
    positions = rows.positions_m.copy()
    positions[at] = np.nan
    return replace(rows, positions_m=positions)


@pytest.mark.parametrize(("name", "flat"), FORMS)
@pytest.mark.parametrize(
    "at", [(0, 1, 0), (0, 1, 2), (0, 1, slice(1, 3)), (0, 1, 3)], ids=["first", "hole", "two", "end"]
)
def test_modes_may_lack_leads(tmp_path, name, flat, at):
    rows = holed(some_rows(), at)
    write_forecasts(tmp_path / name, rows, flat=flat)
    assert points(read_forecasts(tmp_path / name)) == points(rows)


@pytest.mark.parametrize(("name", "flat"), FORMS)
def test_absent_modes_keep_the_numbers_of_others(tmp_path, name, flat):
    rows = some_rows()
    rows.positions_m[0, 0], rows.probabilities[0, 0], rows.samples_m[1, 0] = np.nan, np.nan, np.nan
    write_forecasts(tmp_path / name, rows, flat=flat)
    found = read_forecasts(tmp_path / name)
    np.testing.assert_array_equal(found.probabilities, rows.probabilities)
    np.testing.assert_array_equal(found.samples_m, rows.samples_m)


def changed(name, at, value):
    rows = some_rows()
    getattr(rows, name)[at] = value
    return rows


UNFIT = {
    "infinite": (changed("positions_m", (1, 0, 0), np.inf), "row 1 .*a position that is not finite"),
    "half": (changed("positions_m", (1, 0, 0, 1), np.nan), "row 1 .*a position that is not finite"),
    "no probability": (changed("probabilities", (2, 1), np.nan), "row 2 .*in a mode without a probability"),
    "no position": (changed("positions_m", (2, 1), np.nan), "row 2 .*a probability of a mode without positions"),
    "no mode": (changed("probabilities", 0, np.nan), "row 0 .*no mode with a probability"),
    "far": (changed("positions_m", (1, 0, 0), 1e8), "10,000 km|finite metres"),
    "sample": (changed("samples_m", (1, 0, 0), np.inf), "row 1 .*a sample that is not finite"),
    "skew": (changed("covariances_m2", (1, 0, 0, 0, 1), 0.5), "row 1 .*not symmetric"),
    "negative": (changed("covariances_m2", (1, 0, 0, 0, 0), -1.0), "positive definite"),
    "twice": (some_rows(issue_time_s=[0.0, 0.0, 0.0]), "twice|second forecast|two rows|two forecasts"),
    "unit": (some_rows(issue_time_s=[0.0, 5000.0, 0.0]), "another unit"),
}


@pytest.mark.parametrize(("name", "flat"), FORMS)
@pytest.mark.parametrize("case", UNFIT)
def test_unfit_rows_are_refused(tmp_path, name, flat, case):
    rows, said = UNFIT[case]
    with pytest.raises(SubmissionError, match=rf"{re.escape(name)}: not written: .*({said})"):
        write_forecasts(tmp_path / name, rows, flat=flat)
    assert not list(tmp_path.iterdir())


def test_a_forecast_in_two_pieces_is_refused(tmp_path):
    with pytest.raises(SubmissionError, match=r"two forecasts of track 'a' at 0 s"):
        write_forecasts(tmp_path / "f.parquet", [some_rows(), some_rows()])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
@pytest.mark.parametrize(
    ("time_s", "x_m", "said"),
    [([0.0, 1.0], np.nan, "x_m is not a finite number"), ([0.0, 0.0], 1.0, "twice"), ([0.0, 1.0], 1e8, "10,000 km")],
)
def test_unfit_truth_is_refused(tmp_path, name, time_s, x_m, said):
    with pytest.raises(SubmissionError, match=f"not written: .*{said}"):
        write_truth(tmp_path / name, TruthRows(["a", "a"], time_s, [[0.0, 0.0], [x_m, 0.0]]))
    assert not list(tmp_path.iterdir())
    sound = TruthRows(["a", "a"], [0.0, 1.0], [[0.0, 0.0], [1.0, 0.0]])
    write_truth(tmp_path / name, sound)
    assert read_truth(tmp_path / name).positions_m.tolist() == sound.positions_m.tolist()
