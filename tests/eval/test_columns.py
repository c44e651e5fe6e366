"""Columns of any kind: read in one way, or refused in one line."""

import uuid

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import iter_forecasts, read_forecasts, read_truth
from forecast.eval.formats.read_notes import Notes

FLAT = {
    "track": ["a", "a", "b", "b"],
    "issue_time_s": [0.0, 0.0, 1.0, 1.0],
    "mode": [0, 0, 0, 0],
    "probability": [1.0] * 4,
    "lead_s": [0.5, 1.0] * 2,
    "x_m": [1.0, 2.0, 3.0, 4.0],
    "y_m": [1.0, 2.0, 3.0, 4.0],
}
IDS = [uuid.UUID(int=1), uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=2)]
TEXT = [str(one) for one in IDS]


def optional(name, make):
    """A kind of column that older versions of Arrow do not have."""
    marks = () if hasattr(pa, name) else (pytest.mark.skip(reason=f"no pyarrow.{name}"),)
    return pytest.param(make, marks=marks)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (pa.array(FLAT["track"], pa.large_string()), ["a", "b"]),
        optional("string_view", lambda: (pa.array(FLAT["track"]).cast(pa.string_view()), ["a", "b"])),
        lambda: (pa.array(FLAT["track"]).dictionary_encode(), ["a", "b"]),
        lambda: (pa.array([1, 1, 2, 2]).dictionary_encode(), ["1", "2"]),
        lambda: (pa.array([1.0, 1.0, 2.0, 2.0]), ["1", "2"]),
        lambda: (pa.array([1, 1, 2, 2], pa.uint8()), ["1", "2"]),
        lambda: (pa.array([b"a", b"a", b"b", b"b"]), ["a", "b"]),
        lambda: (pa.array([one.bytes for one in IDS], pa.binary(16)), TEXT[::2]),
        optional("uuid", lambda: (pa.array([one.bytes for one in IDS], pa.uuid()), TEXT[::2])),
        lambda: (pa.array([b"\x00\x0a"] * 2 + [b"\x00\x0b"] * 2, pa.binary(2)), ["000a", "000b"]),
    ],
)
def test_names_of_any_kind(tmp_path, make):
    column, expected = make()
    pq.write_table(pa.table(FLAT | {"track": column}), tmp_path / "f.parquet")
    for rows in (read_forecasts(tmp_path / "f.parquet"), *iter_forecasts(tmp_path / "f.parquet")):
        assert rows.track.tolist() == expected


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([True] * 4), "holds bool"),
        (pa.array([[1]] * 4), "holds list"),
        (pa.array([1.5] * 4), "holds 1.5"),
        (pa.array([2.0**60] * 4), "below 2"),
        (pa.array([b"\xff"] * 4), "no text"),
        (pa.array(["a", "", "b", "b"]), "row 1: no name"),
        (pa.array(["a", " ", "b", None]), "row 1: no name in column track (2 rows are so"),
        (pa.array([1.0, float("nan"), 2.0, 2.0]), "row 1: no name"),
        (pa.array(["a", "a", "a\0", "a"]), "row 2: a track name with a zero byte"),
        (pa.array(["a" * 2000] * 4), "longer than 1000"),
    ],
)
def test_names_that_are_none(tmp_path, column, said):
    pq.write_table(pa.table(FLAT | {"track": column}), tmp_path / "f.parquet")
    for read in (read_forecasts, lambda path: list(iter_forecasts(path, chunk_rows=1))):
        with pytest.raises(SubmissionError) as caught:
            read(tmp_path / "f.parquet")
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_empty_name_is_refused_in_csv_too(tmp_path):
    (tmp_path / "t.csv").write_text("track,time_s,x_m,y_m\na,0.5,2.5,0\n,1,2.5,0\n")
    with pytest.raises(SubmissionError, match="row 1: no name"):
        read_truth(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"track,time_s,x_m,y_m\na,0.5,2.5,0\n\xff\xfe,1,2.5,0\n")
    with pytest.raises(SubmissionError, match="row 1: a track name that is not UTF-8"):
        read_truth(tmp_path / "t.csv")


def clock(kind, *readings):
    return pa.array(readings, pa.int64()).cast(kind)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_with_a_unit_are_read_by_it(tmp_path, unit):
    scale = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    issue = [1_700_000_000 * scale] * 2 + [1_700_000_001 * scale] * 2
    leads = [scale // 2, scale] * 2
    columns = {
        "issue_time_s": clock(pa.timestamp(unit, tz="UTC"), *issue),
        "lead_s": clock(pa.duration(unit), *leads),
    }
    pq.write_table(pa.table(FLAT | columns), tmp_path / "f.parquet")
    rows = read_forecasts(tmp_path / "f.parquet")
    np.testing.assert_allclose(rows.issue_time_s - 1_700_000_000, [0, 1], atol=1e-6)
    np.testing.assert_array_equal(rows.lead_s, [0.5, 1.0])


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("issue_time_s", [1_700_000_000_000] * 4, "milliseconds since 1970"),
        ("issue_time_s", [1_700_000_000_000_000] * 4, "microseconds since 1970"),
        ("issue_time_s", [1_700_000_000_000_000_001] * 4, "nanoseconds since 1970"),
        ("issue_time_s", pa.array([1, 1, 2, 2], pa.date32()), "holds date32"),
        ("lead_s", clock(pa.timestamp("ns"), 1, 2, 3, 4), "holds timestamp"),
        ("lead_s", [500, 1000] * 2, "runs from 500 to 1000; expected seconds (up to 120), but this looks like milli"),
        ("lead_s", [500_000, 1_000_000] * 2, "microseconds"),
        ("lead_s", [5 * 10**8, 10**9] * 2, "nanoseconds"),
        ("lead_s", [50, 100] * 2, "milliseconds"),
        ("lead_s", [0.5 / 3600, 1 / 3600] * 2, "hours or minutes"),
        ("issue_time_s", [0, 0, float("inf"), 1], "row 2: issue_time_s is not"),
    ],
)
@pytest.mark.parametrize("chunk_rows", [1, None])
def test_times_that_are_no_seconds(tmp_path, column, values, said, chunk_rows):
    pq.write_table(pa.table(FLAT | {column: values}), tmp_path / "f.parquet")
    with pytest.raises(SubmissionError) as caught:
        list(iter_forecasts(tmp_path / "f.parquet", chunk_rows=chunk_rows))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_clocks_of_different_units_in_one_file(tmp_path):
    table = {name: values * 2 for name, values in FLAT.items()} | {"issue_time_s": [0.0] * 2 + [500.0] * 6}
    table["track"] = ["a", "a", "a", "a", "b", "b", "c", "c"]
    pq.write_table(pa.table(table), tmp_path / "f.parquet")
    with pytest.raises(SubmissionError, match=r"steps by 500 and lead_s by 0\.5"):
        list(iter_forecasts(tmp_path / "f.parquet"))


@pytest.mark.parametrize("chunk_rows", [2, None])
def test_rows_are_those_of_the_file(tmp_path, chunk_rows):
    table = {name: values * 3 for name, values in FLAT.items()}
    table["track"] = [f"{name}{number}" for number in range(3) for name in FLAT["track"]]
    for bad in ([7], [7, 10]):
        table["x_m"] = [float("nan") if row in bad else float(row) for row in range(12)]
        order = [11, *range(11)]  # the last track is told in two places
        for rows in (range(12), order):
            pq.write_table(pa.table(table).take(list(rows)), tmp_path / "f.parquet")
            with pytest.raises(SubmissionError) as caught:
                list(iter_forecasts(tmp_path / "f.parquet", chunk_rows=chunk_rows))
            assert f"row {list(rows).index(7)}: x_m is not a finite number" in str(caught.value)
            assert f"{len(bad)} row" in str(caught.value)


@pytest.mark.parametrize("name", ["f.csv", "f.parquet"])
@pytest.mark.parametrize("chunk_rows", [2, None])
def test_bad_rows_are_left_out_and_counted(tmp_path, name, chunk_rows):
    lines = [",".join(map(str, line)) for line in zip(*FLAT.values(), strict=True)]
    bad = ["a,0,0,1,1.5,nan,0", "a,0,0,-1,1.5,0,0", ",0,0,1,1.5,0,0", "b,1,0,1,-1,0,0", "b,1,99,1,1,0,0", lines[0]]
    if name.endswith(".csv"):
        bad += ["a,0,0,1,1.5,far,0", "a,0"]
        (tmp_path / name).write_text("\n".join([",".join(FLAT), *bad[:3], *lines, *bad[3:]]) + "\n")
    else:
        cells = [line.split(",") for line in (*bad[:3], *lines, *bad[3:])]
        columns = dict(zip(FLAT, map(list, zip(*cells, strict=True)), strict=True))
        table = {key: values if key == "track" else [float(one) for one in values] for key, values in columns.items()}
        pq.write_table(pa.table(table), tmp_path / name)
    pq.write_table(pa.table(FLAT), tmp_path / "good.parquet")
    notes, good = Notes(), read_forecasts(tmp_path / "good.parquet")
    found = read_forecasts(tmp_path / name, skip_bad_rows=True, notes=notes)
    np.testing.assert_array_equal(found.positions_m, good.positions_m)
    assert notes.left_out.total() == len(bad)
    assert "1 with a negative probability" in notes.warnings("f")[0]
    pieces = list(iter_forecasts(tmp_path / name, chunk_rows=chunk_rows, skip_bad_rows=True))
    assert sum(map(len, pieces)) == 2
    with pytest.raises(SubmissionError, match=r"row|cells|columns"):
        read_forecasts(tmp_path / name)


def test_of_two_rows_in_one_place_neither_is_taken_unless_they_are_the_same(tmp_path):
    table = {name: [*values, values[0], values[1]] for name, values in FLAT.items()}
    table["x_m"][-1] = 9.0
    pq.write_table(pa.table(table), tmp_path / "f.parquet")
    notes = Notes()
    rows = read_forecasts(tmp_path / "f.parquet", skip_bad_rows=True, notes=notes)
    assert notes.left_out.total() == 3
    np.testing.assert_array_equal(np.isnan(rows.positions_m[0, 0, :, 0]), [False, True])


def test_where_all_rows_are_bad_it_is_an_error_all_the_same(tmp_path):
    pq.write_table(pa.table(FLAT | {"x_m": [float("nan")] * 4}), tmp_path / "f.parquet")
    with pytest.raises(SubmissionError, match="all rows are bad: 4 with x_m is not a finite number"):
        read_forecasts(tmp_path / "f.parquet", skip_bad_rows=True)
    pq.write_table(pa.table(FLAT).drop_columns(["x_m"]), tmp_path / "f.parquet")
    with pytest.raises(SubmissionError, match="no column x_m"):
        read_forecasts(tmp_path / "f.parquet", skip_bad_rows=True)


def forecast_rows(**changes):
    given = {
        "track": ["a", "b"],
        "issue_time_s": np.array([0.0, 1.0]),
        "lead_s": np.array([0.5, 1.0]),
        "positions_m": np.zeros((2, 1, 2, 2)),
        "probabilities": np.ones((2, 1)),
    }
    return ForecastRows(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "issue_s", "lead_s"),
    [
        (
            {"issue_time_s": np.array(["1970-01-01T00:00:01", "1970-01-01T00:00:02.5"], "datetime64[ms]")},
            [1, 2.5],
            None,
        ),
        ({"issue_time_s": np.array([1500, 2500], "timedelta64[ms]")}, [1.5, 2.5], None),
        ({"lead_s": np.array([500, 1000], "timedelta64[ms]")}, None, [0.5, 1]),
        ({"lead_s": np.array([0.5, 1.0], "f4")}, None, [0.5, 1]),
        ({"issue_time_s": [0, 1]}, [0, 1], None),
        ({"issue_time_s": np.ma.array([0, 1])}, [0, 1], None),
        ({"track": np.array([7, 8])}, None, None),
        ({"positions_m": np.zeros((2, 1, 2, 2), "f4")}, None, None),
    ],
)
def test_arrays_of_any_kind(changes, issue_s, lead_s):
    rows = forecast_rows(**changes)
    for name in ("issue_time_s", "lead_s", "positions_m", "probabilities"):
        assert getattr(rows, name).dtype == np.float64
    assert rows.track.dtype.kind == "U"
    np.testing.assert_allclose(rows.issue_time_s, [0, 1] if issue_s is None else issue_s)
    np.testing.assert_allclose(rows.lead_s, [0.5, 1] if lead_s is None else lead_s)


def test_masked_positions_are_unknown():
    rows = forecast_rows(positions_m=np.ma.masked_equal(np.arange(8.0).reshape(2, 1, 2, 2), 7))
    assert np.isnan(rows.positions_m[1, 0, 1, 1])
    assert np.isfinite(rows.positions_m).sum() == 7


@pytest.mark.parametrize(
    "changes",
    [
        {"issue_time_s": np.array([0, "NaT"], "datetime64[s]")},
        {"issue_time_s": np.array([1_700_000_000_000_000_000] * 2)},
        {"issue_time_s": np.ma.array([0.0, 1.0], mask=[False, True])},
        {"issue_time_s": np.array(["0", "1"])},
        {"lead_s": np.array(["1970-01-01", "1970-01-02"], "datetime64[D]")},
        {"lead_s": [1.0, 0.5]},
        {"track": ["a", ""]},
        {"track": [1.5, 2.0]},
        {"track": [True, False]},
        {"track": np.ma.array(["a", "b"], mask=[False, True])},
        {"positions_m": np.full((2, 1, 2, 2), "far")},
    ],
)
def test_arrays_that_cannot_be_rows(changes):
    with pytest.raises(ValueError) as caught:
        forecast_rows(**changes)
    assert "\n" not in str(caught.value)


def test_truth_of_any_kind():
    truth = TruthRows([1, 2], np.array([0, 500], "timedelta64[ms]"), [[0, 0], [1, 1]])
    assert truth.track.tolist() == ["1", "2"]
    np.testing.assert_array_equal(truth.time_s, [0, 0.5])
    with pytest.raises(ValueError, match="nanoseconds"):
        TruthRows(["a"], [1.7e18], [[0, 0]])


EPOCH = 1.5e9


@pytest.mark.parametrize("kind", ["f2", "f4"])
@pytest.mark.parametrize("name", ["issue_time_s", "time_s"])
def test_clocks_too_narrow_for_their_readings_are_refused(tmp_path, kind, name):
    start = 5000.0 if kind == "f2" else EPOCH
    time = pa.array(np.asarray(start + np.arange(3.0), dtype=kind))
    columns = {"track": ["a"] * 3, name: time, "x_m": [0.0] * 3, "y_m": [0.0] * 3}
    read = read_truth
    if name == "issue_time_s":
        columns |= {"mode": [0] * 3, "probability": [1.0] * 3, "lead_s": [0.5, 1.0, 1.5]}
        read = read_forecasts
    pq.write_table(pa.table(columns), tmp_path / "f.parquet")
    with pytest.raises(SubmissionError, match=rf"{name} is float\d\d, which steps by [\d.]+ s at .*; write float64"):
        read(tmp_path / "f.parquet")


@pytest.mark.parametrize(("kind", "bits"), [("f2", 11), ("f4", 24), ("f8", 53)])
def test_whole_number_names_are_told_apart_or_refused(tmp_path, kind, bits):
    for encoded in (False, True):
        for number, sound in ((2**bits - 1, True), (2**bits, False)):
            track = pa.array(np.array([number], dtype=kind))
            track = track.dictionary_encode() if encoded and kind != "f2" else track
            table = pa.table({"track": track, "time_s": [0.0], "x_m": [0.0], "y_m": [0.0]})
            pq.write_table(table, tmp_path / "t.parquet")
            if sound:
                assert read_truth(tmp_path / "t.parquet").track.tolist() == [str(number)]
                assert TruthRows(np.array([number], dtype=kind), [0.0], [[0, 0]]).track.tolist() == [str(number)]
                continue
            with pytest.raises(SubmissionError, match=rf"below 2\^{bits}"):
                read_truth(tmp_path / "t.parquet")
            with pytest.raises(ValueError, match=rf"below 2\^{bits}"):
                TruthRows(np.array([number], dtype=kind), [0.0], [[0, 0]])


@pytest.mark.parametrize("names", [["a", float("nan")], ["a", None], ["a", 1.5], ["a", True], [None, "a"], ["a", " "]])
def test_lists_of_names_hold_names_alone(names):
    with pytest.raises(ValueError, match=r"TruthRows\.track: entry \d is"):
        TruthRows(names, [0.0, 1.0], np.zeros((2, 2)))
    assert TruthRows(["a", 1], [0.0, 1.0], np.zeros((2, 2))).track.tolist() == ["a", "1"]


def test_arrays_too_narrow_for_a_clock():
    for time in (np.float32([EPOCH]), torch.tensor([EPOCH]), torch.tensor([5000.0], dtype=torch.bfloat16)):
        with pytest.raises(ValueError, match=r"TruthRows\.time_s is b?float\d\d, which steps by"):
            TruthRows(["a"], time, [[0.0, 0.0]])
    assert TruthRows(["a"], torch.tensor([100.5]), [[0.0, 0.0]]).time_s.tolist() == [100.5]
