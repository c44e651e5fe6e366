"""Files that are not what their names say, and names that nearly agree: the message says so."""

from __future__ import annotations

import codecs
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from forecast.cli.main import main
from forecast.core.errors import SubmissionError
from forecast.core.rows import TruthRows
from forecast.eval.forecasts import read_forecasts, read_truth, write_truth
from forecast.eval.formats.submission_json import read_submission, write_submission

TABLE = {
    "track": ["a", "a", "b", "b"],
    "issue_time_s": [0.0] * 4,
    "mode": [0.0] * 4,
    "probability": [0.7] * 4,
    "lead_s": [0.5, 1.0] * 2,
    "x_m": [1.25, 2.0, 3.0, 4.0],
    "y_m": [1.0, 2.0, 3.0, 4.0],
}


def csv_of(folder: Path) -> str:
    pa.csv.write_csv(pa.table(TABLE), folder / "f.csv")
    return (folder / "f.csv").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: gzip.compress(text.encode()), "gzip"),
        (lambda text: text.encode("utf-16"), "UTF-16"),
        (lambda text: b"PAR1" + text.encode(), "Parquet"),
        (lambda text: text.replace(",", ";").encode(), "separated by semicolons"),
        (lambda text: text.replace(",", "\t").encode(), "separated by tabs"),
        (lambda text: text.replace("0.7", "70%", 1).encode(), "row 0: .*'70%' in column probability"),
        (lambda text: text.replace("1.25", "1.25 m", 1).encode(), "row 0: .*'1.25 m' in column x_m"),
    ],
)
def test_what_is_no_csv_is_told(tmp_path: Path, change: Any, said: str) -> None:
    (tmp_path / "f.csv").write_bytes(change(csv_of(tmp_path)))
    with pytest.raises(SubmissionError, match=said) as caught:
        read_forecasts(tmp_path / "f.csv")
    assert "\n" not in str(caught.value)


def test_truth_names_the_cell_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("track,time_s,x_m,y_m\na,0,1,2\na,1,x,2\n")
    with pytest.raises(SubmissionError, match=r"row 1: .*'x' in column x_m"):
        read_truth(tmp_path / "t.csv")


def test_a_submission_may_begin_with_a_byte_order_mark(town: Any, tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    write_submission(path, town.forecasts())
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert len(read_submission(path)) == len(town.forecasts())


def score(folder: Path, table: dict[str, Any], tracks: list[str], capsys: Any) -> tuple[int, str]:
    pq.write_table(pa.table(table), folder / "f.parquet")
    time_s = 0.5 * np.arange(3)
    truth = TruthRows(np.repeat(tracks, 3), np.tile(time_s, len(tracks)), np.ones((3 * len(tracks), 2)))
    write_truth(folder / "t.parquet", truth)
    arguments = ["score", str(folder / "f.parquet"), "--truth", str(folder / "t.parquet")]
    code = main([*arguments, "--out", str(folder / "r.json")])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(("forecast", "known"), [("A", "a"), ("a ", "a"), ("007", "7"), ("e\u0301", "\u00e9")])
def test_names_that_nearly_agree(tmp_path: Path, capsys: Any, forecast: str, known: str) -> None:
    code, said = score(tmp_path, {**TABLE, "track": [forecast] * 2 + ["zz"] * 2}, [known], capsys)
    assert code == 2
    assert "differ only in case, blanks, leading zeros or Unicode form" in said


def test_columns_that_look_like_covariances_are_told(tmp_path: Path, capsys: Any) -> None:
    code, _ = score(tmp_path, {**TABLE, "Cov_xx": [1.0] * 4}, ["a", "b"], capsys)
    assert code == 0
    assert any(
        "column Cov_xx is not read" in line for line in json.loads((tmp_path / "r.json").read_text())["warnings"]
    )
