"""Tables from memory are scored as files of the same rows are, and refused in the same words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import read_forecasts, read_truth, write_forecasts, write_truth
from forecast.eval.formats.flat_rows import table_of
from forecast.scoring.dataset_scores import score_submission
from forecast.scoring.stream_scores import score_streams


def drive() -> tuple[ForecastRows, TruthRows]:
    """Two cars, forecast twelve steps ahead at every step, a little too slow in the second mode."""
    times_s = 0.5 * np.arange(30)
    track = np.repeat(["car-1", "car-2"], 30)
    time_s = np.tile(times_s, 2)
    place_m = np.stack([8.3 * time_s, 3.0 * (track == "car-2")], -1)
    lead_s = 0.5 * np.arange(1, 13)
    ahead_m = np.stack([8.3 * lead_s, np.zeros(12)], -1)
    modes_m = np.stack([place_m[:, None] + 0.95 * ahead_m, place_m[:, None] + 0.7 * ahead_m], 1)
    rows = ForecastRows(track, time_s, lead_s, modes_m, np.tile([0.6, 0.4], (60, 1)))
    return rows, TruthRows(track, time_s, place_m)


class OnlyArrow:
    """A table of some other library: it can hand its columns over, and no more."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def pandas_frame(table: pa.Table) -> Any:
    pytest.importorskip("pandas")
    return table.to_pandas()


def polars_frame(table: pa.Table) -> Any:
    return pytest.importorskip("polars").from_arrow(table)


KINDS: dict[str, Callable[[pa.Table], Any]] = {
    "arrow": lambda table: table,
    "stream": OnlyArrow,
    "pandas": pandas_frame,
    "polars": polars_frame,
}


@pytest.fixture(scope="module")
def of_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("files")
    rows, truth = drive()
    write_forecasts(folder / "mine.parquet", rows, flat=True)
    write_truth(folder / "truth.parquet", truth)
    return score_streams([folder / "mine.parquet"], folder / "truth.parquet").as_json()


def truth_table(truth: TruthRows) -> pa.Table:
    x, y = truth.positions_m.T
    return pa.table({"track": truth.track, "time_s": truth.time_s, "x_m": x, "y_m": y})


def same_but_names(one: dict[str, Any], other: dict[str, Any]) -> None:
    for key in ("metrics", "temporal", "strata", "coverage"):
        np.testing.assert_equal(one[key], other[key])


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_scored_as_its_file_is(kind: str, of_files: dict[str, Any]) -> None:
    rows, truth = drive()
    make = KINDS[kind]
    document = score_streams({"mine": make(table_of(rows))}, make(truth_table(truth))).as_json()
    assert (document["name"], document["truth"]) == ("mine", "truth")
    same_but_names(document, of_files)


def test_rows_as_arrays_are_scored_too(of_files: dict[str, Any]) -> None:
    rows, truth = drive()
    document = score_streams(rows, truth).as_json()
    assert document["name"] == "forecasts"
    same_but_names(document, of_files)
    both = score_streams([rows, table_of(rows)], truth).as_json()
    assert [report["name"] for report in both["reports"]] == ["forecasts 1", "forecasts 2"]
    assert both["comparisons"][0]["metrics"]["min_fde_1"]["difference"] == 0


def test_files_and_tables_go_together(tmp_path: Path) -> None:
    rows, truth = drive()
    write_forecasts(tmp_path / "file.csv", rows)
    document = score_streams([tmp_path / "file.csv", table_of(rows)], truth).as_json()
    assert [report["name"] for report in document["reports"]] == ["file", "forecasts 2"]


def broken(row: int, column: str, value: object) -> pa.Table:
    rows, _ = drive()
    cells = table_of(rows).to_pydict()
    cells[column][row] = value
    return pa.table(cells)


@pytest.mark.parametrize(("column", "value"), [("x_m", float("nan")), ("probability", -1.0), ("track", None)])
def test_a_bad_row_is_told_in_the_words_of_a_file(tmp_path: Path, column: str, value: object) -> None:
    table = broken(17, column, value)
    pq.write_table(table, tmp_path / "f.parquet")
    said = []
    for given in (tmp_path / "f.parquet", table):
        with pytest.raises(SubmissionError) as refused:
            score_streams([given], drive()[1])
        said.append(str(refused.value).replace(str(tmp_path / "f.parquet"), "forecasts"))
    assert said[0] == said[1]
    assert said[1].startswith("forecasts: row 17: ")


def test_bad_rows_of_a_table_can_be_left_out() -> None:
    report = score_streams([broken(17, "x_m", float("nan"))], drive()[1], skip_bad_rows=True)
    assert report.as_json()["coverage"]["bad_rows_left_out"] == 1


def test_a_cell_of_text_among_numbers_of_pandas_is_named() -> None:
    frame = pandas_frame(table_of(drive()[0]))
    frame["x_m"] = frame["x_m"].astype(object)
    frame.loc[17, "x_m"] = "far"
    with pytest.raises(SubmissionError, match=r"forecasts: row 17: x_m is not a finite number: 'far' in column x_m"):
        score_streams([frame], drive()[1])


def test_a_missing_column_and_no_table_at_all_are_one_line() -> None:
    rows, truth = drive()
    with pytest.raises(SubmissionError, match="forecasts: no column lead_s; found track"):
        score_streams([table_of(rows).drop_columns(["lead_s"])], truth)
    with pytest.raises(SubmissionError, match="mine: found int; expected a path, a data frame"):
        score_streams({"mine": 3}, truth)  # type: ignore[dict-item]
    with pytest.raises(SubmissionError, match="truth: no column time_s"):
        read_truth(truth_table(truth).drop_columns(["time_s"]))


def test_tables_are_read_into_rows() -> None:
    rows, truth = drive()
    np.testing.assert_array_equal(read_forecasts(table_of(rows)).positions_m, rows.positions_m)
    np.testing.assert_array_equal(read_truth(OnlyArrow(truth_table(truth))).positions_m, truth.positions_m)


def test_a_table_is_scored_on_a_data_set_too(town, tmp_path: Path) -> None:
    rows = town.forecasts()
    write_forecasts(tmp_path / "mine.parquet", rows, flat=True)
    table = pq.read_table(tmp_path / "mine.parquet")
    of_file = score_submission(tmp_path / "mine.parquet", town.dataset, "mini_val").as_json()
    same_but_names(score_submission({"mine": table}, town.dataset, "mini_val").as_json(), of_file)
