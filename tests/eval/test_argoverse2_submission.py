"""Argoverse 2 submissions: read as they are, written through splines, refused in one line."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forecast.cli.main import main
from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows
from forecast.eval.formats.argoverse2_submission import (
    COLUMNS,
    is_argoverse2_submission,
    read_argoverse2_submission,
    write_argoverse2_submission,
)

TIMES_S = 0.1 * np.arange(1, 61)


def table(**changes) -> pa.Table:
    """Two tracks of two scenarios, two modes and one; the rows of a track do not follow each other."""
    line = (8 * TIMES_S).tolist()
    columns = {
        "scenario_id": ["s1", "s2", "s1"],
        "track_id": ["7", "9", "7"],
        "probability": [0.75, 1.0, 0.25],
        "predicted_trajectory_x": [line, line, [2 * x for x in line]],
        "predicted_trajectory_y": [[0.0] * 60, [1.0] * 60, [2.0] * 60],
    }
    return pa.table(columns | changes)


def test_it_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "submission.parquet"
    pq.write_table(table(), path)
    assert is_argoverse2_submission(path)
    rows = read_argoverse2_submission(path)
    assert rows.track.tolist() == ["s1:7", "s2:9"]
    assert rows.sample_tokens.tolist() == ["s1:t49", "s2:t49"]
    assert np.isnan(rows.issue_time_s).all()
    np.testing.assert_allclose(rows.lead_s, TIMES_S)
    np.testing.assert_array_equal(rows.probabilities, [[0.75, 0.25], [1.0, np.nan]])
    np.testing.assert_allclose(rows.positions_m[0, 1, -1], [96.0, 2.0])
    coarse = read_argoverse2_submission(path, step_s=0.5)
    np.testing.assert_array_equal(coarse.positions_m, rows.positions_m[:, :, 4::5])
    write_argoverse2_submission(tmp_path / "again.parquet", [rows])
    again = read_argoverse2_submission(tmp_path / "again.parquet")
    np.testing.assert_array_equal(again.positions_m, rows.positions_m)


def test_points_between_are_those_of_the_motion(tmp_path: Path) -> None:
    leads = 0.5 * np.arange(1, 13)
    bend = np.stack([20 * np.sin(0.3 * leads), 20 - 20 * np.cos(0.3 * leads)], -1)
    rows = ForecastRows(["s:1"], [4.9], leads, bend[None, None], [[1.0]])
    write_argoverse2_submission(tmp_path / "x.parquet", [rows])
    (path,) = read_argoverse2_submission(tmp_path / "x.parquet").positions_m[:, 0]
    exact = np.stack([20 * np.sin(0.3 * TIMES_S), 20 - 20 * np.cos(0.3 * TIMES_S)], -1)
    np.testing.assert_allclose(path[4:], exact[4:], atol=0.01)
    np.testing.assert_allclose(path[:4], exact[:4], atol=0.1)  # before the first point
    np.testing.assert_allclose(path[4::5], bend, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"probability": [0.5, -1.0, 0.5]}, "row 1: probability -1.0; expected 0 or more"),
        (
            {"predicted_trajectory_x": [[0.0] * 60, [0.0] * 59, [0.0] * 60]},
            "predicted_trajectory_x has 59 points",
        ),
        ({"predicted_trajectory_y": [[0.0] * 60, None, [0.0] * 60]}, "row 1: predicted_trajectory_y has nothing"),
        (
            {"predicted_trajectory_y": [[float("nan")] * 60] * 3},
            "predicted_trajectory_y has a number",
        ),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, changes, said: str) -> None:
    pq.write_table(table(**changes), tmp_path / "x.parquet")
    with pytest.raises(SubmissionError) as refused:
        read_argoverse2_submission(tmp_path / "x.parquet")
    assert said in str(refused.value)


def test_what_it_cannot_hold_is_refused(tmp_path: Path) -> None:
    leads, path = 0.5 * np.arange(1, 13), np.ones((1, 1, 12, 2))
    for rows, said in (
        (ForecastRows(["7"], [4.9], leads, path, [[1.0]]), "expected SCENARIO:TRACK"),
        (ForecastRows(["s:7", "s:7"], [4.9, 5.0], leads, np.ones((2, 1, 12, 2)), [[1.0]] * 2), "is forecast twice"),
        (ForecastRows(["s:7"], [4.9], leads[:6], path[:, :, :6], [[1.0]]), "expected one up to 6 s"),
    ):
        with pytest.raises(SubmissionError, match=said):
            write_argoverse2_submission(tmp_path / "x.parquet", [rows])
    assert not list(tmp_path.iterdir())


def test_without_its_data_set_a_submission_does_not_say_when(tmp_path: Path, capsys) -> None:
    pq.write_table(table(), tmp_path / "x.parquet")
    assert main(["convert", str(tmp_path / "x.parquet"), str(tmp_path / "y.parquet")]) == 2
    assert "name its data set with --dataroot" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "x.parquet"), str(tmp_path / "z.parquet"), "--argoverse2"]) == 0
    assert pq.read_schema(tmp_path / "z.parquet").names == list(COLUMNS)
