"""Files of forecasts and truth: there and back, streamed, and hostile ones."""

from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import (
    iter_forecasts,
    read_forecasts,
    read_truth,
    write_forecasts,
    write_truth,
)
from forecast.eval.formats.flat_rows import table_of
from forecast.eval.formats.nested_rows import nested_table_of
from forecast.eval.formats.submission_json import read_submission, write_submission

FIELDS = ("issue_time_s", "lead_s", "positions_m", "probabilities", "covariances_m2", "samples_m")
FORMS = [("f.parquet", False), ("f.parquet", True), ("f.csv", True)]


def some_rows(seed=0, tracks=4, issues=10, modes=3, *, full=True):
    random = np.random.default_rng(seed)
    count = tracks * issues
    positions = random.normal(1000, 50, (count, modes, 12, 2))
    probabilities = random.dirichlet(np.ones(modes), count)
    covariances = np.broadcast_to([[2.0, 0.5], [0.5, 1.0]], (count, modes, 12, 2, 2)).copy()
    for array in (positions, probabilities, covariances):
        array[5 % count, -1] = np.nan
    return ForecastRows(
        np.repeat([f"t{i}" for i in range(tracks)], issues),
        np.tile(0.5 * np.arange(issues), tracks),
        0.5 * np.arange(1, 13),
        positions,
        probabilities,
        covariances if full else None,
        random.normal(size=(count, 4, 12, 2)) if full else None,
    )


def assert_same(first, second):
    np.testing.assert_array_equal(first.track, second.track)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize(("name", "flat"), FORMS)
def test_there_and_back(tmp_path, name, flat, full):
    rows = some_rows(full=full)
    write_forecasts(tmp_path / name, rows, flat=flat)
    assert_same(rows, read_forecasts(tmp_path / name))


@pytest.mark.parametrize(("name", "flat"), FORMS)
def test_streaming_gives_whole_tracks(tmp_path, name, flat):
    rows = some_rows(full=False)
    write_forecasts(tmp_path / name, rows, flat=flat)
    pieces = list(iter_forecasts(tmp_path / name, chunk_rows=7))
    assert sum(map(len, pieces)) == len(rows)
    seen = [set(piece.track.tolist()) for piece in pieces]
    assert sum(map(len, seen)) == 4
    for field in ("issue_time_s", "probabilities"):
        found = [getattr(piece, field) for piece in pieces]
        wide = [np.pad(f, ((0, 0), (0, 3 - f.shape[1])), constant_values=np.nan) if f.ndim > 1 else f for f in found]
        np.testing.assert_array_equal(np.concatenate(wide), getattr(rows, field))


@pytest.mark.parametrize(("name", "flat"), FORMS)
def test_rows_in_any_order_are_streamed_as_if_sorted(tmp_path, name, flat):
    rows = some_rows(full=False)
    write_forecasts(tmp_path / name, rows, flat=flat)
    if name.endswith(".csv"):
        head, *lines = (tmp_path / name).read_text().splitlines()
        mixed = np.random.default_rng(0).permutation(len(lines))
        (tmp_path / name).write_text("\n".join([head, *(lines[at] for at in mixed)]) + "\n")
    else:
        table = pq.read_table(tmp_path / name)
        pq.write_table(table.take(np.random.default_rng(0).permutation(table.num_rows)), tmp_path / name)
    pieces = list(iter_forecasts(tmp_path / name, chunk_rows=200 if flat else 15))
    assert len(pieces) > 1
    found = {track: piece for piece in pieces for track in piece.track.tolist()}
    assert sum(map(len, pieces)) == len(rows)
    for track in np.unique(rows.track).tolist():
        mine, whole = found[track].track == track, rows.track == track
        np.testing.assert_array_equal(found[track].issue_time_s[mine], rows.issue_time_s[whole])
        np.testing.assert_array_equal(found[track].positions_m[mine], rows.positions_m[whole])


def test_pieces_are_written_as_they_come(tmp_path):
    pieces = [some_rows(seed, full=False) for seed in range(3)]
    named = [replace(p, track=np.char.add(p.track, f"-{i}")) for i, p in enumerate(pieces)]
    write_forecasts(tmp_path / "f.parquet", iter(named))
    assert len(read_forecasts(tmp_path / "f.parquet")) == 120


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_truth_there_and_back_in_any_order(tmp_path, name):
    random = np.random.default_rng(0)
    truth = TruthRows(np.repeat(["007", "b"], 5), np.tile(0.1 * np.arange(5), 2), random.normal(size=(10, 2)))
    mixed = random.permutation(10)
    write_truth(tmp_path / name, TruthRows(truth.track[mixed], truth.time_s[mixed], truth.positions_m[mixed]))
    found = read_truth(tmp_path / name)
    np.testing.assert_array_equal(found.track, truth.track)
    np.testing.assert_array_equal(found.time_s, truth.time_s)
    np.testing.assert_array_equal(found.positions_m, truth.positions_m)


def a_submission(entries=4, modes=3):
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(modes), entries)
    return ForecastRows.at_key_frames(
        np.array([f"i{n}" for n in range(entries)]),
        np.array([f"s{n}" for n in range(entries)]),
        random.normal(1000, 50, (entries, modes, 12, 2)),
        probabilities,
    )


def test_a_submission_is_what_the_devkit_writes(tmp_path):
    from nuscenes.eval.prediction.data_classes import Prediction

    submission = a_submission()
    write_submission(tmp_path / "s.json", submission)
    entries = [
        Prediction(i, s, p, q).serialize()
        for i, s, p, q in zip(
            submission.track.tolist(),
            submission.sample_tokens.tolist(),
            submission.positions_m,
            submission.probabilities,
            strict=True,
        )
    ]
    assert msgspec.json.decode((tmp_path / "s.json").read_bytes()) == entries
    found = read_submission(tmp_path / "s.json")
    np.testing.assert_array_equal(found.positions_m, submission.positions_m)
    assert np.isnan(found.issue_time_s).all()
    np.testing.assert_array_equal(found.track, submission.track)
    np.testing.assert_array_equal(found.sample_tokens, submission.sample_tokens)


def corrupted(change):
    entries = [
        {"instance": f"i{n}", "sample": "s", "prediction": [[[1.0, 2.0]] * 12] * 2, "probabilities": [0.5, 0.5]}
        for n in range(3)
    ]
    change(entries)
    return msgspec.json.encode(entries)


def put(field, value):
    return lambda entries: entries[1].update({field: value})


WRONG = {
    "26 modes": (put("prediction", [[[1.0, 2.0]] * 12] * 26), r"entry 1 \(i1_s\): 26 modes; expected 1 to 25"),
    "no modes": (put("prediction", []), "0 modes"),
    "horizon": (put("prediction", [[[1.0, 2.0]] * 11] * 2), "mode 0 has 11 points; expected 12"),
    "few probabilities": (put("probabilities", [1.0]), "1 probabilities for 2 modes"),
    "negative": (put("probabilities", [1.5, -0.5]), "negative probability"),
    "all zero": (put("probabilities", [0, 0]), "all probabilities are 0"),
    "null": (put("probabilities", [None, 1]), "null"),
    "text": (put("prediction", "far away"), "prediction"),
    "three numbers": (put("prediction", [[[1.0, 2.0, 3.0]] * 12] * 2), "length 2"),
    "far": (put("prediction", [[[1e9, 2.0]] * 12] * 2), "10,000 km"),
    "no token": (put("instance", ""), "empty token"),
    "twice": (put("instance", "i0"), "2 entries for i0_s"),
    "no field": (lambda entries: entries[2].pop("sample"), "sample"),
    "empty": (lambda entries: entries.clear(), "empty list"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_submissions_get_one_clear_line(tmp_path, name):
    change, message = WRONG[name]
    (tmp_path / "s.json").write_bytes(corrupted(change))
    with pytest.raises(SubmissionError, match=message) as caught:
        read_submission(tmp_path / "s.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[NaN]", b"\xff\xfe", b"[" * 100_000, b"PAR1", corrupted(lambda _: None)[:-9]]
)
def test_what_is_no_submission_gets_one_clear_line(tmp_path, content):
    for name, read in (("x.json", read_submission), ("x.parquet", read_forecasts), ("x.csv", read_truth)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SubmissionError) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(SubmissionError, match="No such file"):
        read_submission(tmp_path / "absent.json")


def test_too_large_a_file_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "s.json").open("wb") as file:
        file.truncate(3 * 1024**3)  # sparse: takes no room
    with pytest.raises(SubmissionError, match=r"3\.0 GiB of JSON"):
        read_submission(tmp_path / "s.json")


def test_unnormalised_is_reported_not_refused(tmp_path):
    (tmp_path / "s.json").write_bytes(corrupted(put("probabilities", [0.9, 0.9])))
    total = read_submission(tmp_path / "s.json").probabilities.sum(1)
    np.testing.assert_allclose(total, [1.0, 1.8, 1.0])


FLAT = {
    "track": ["a", "a"],
    "issue_time_s": [0.0, 0.0],
    "mode": [0, 0],
    "probability": [1.0, 1.0],
    "lead_s": [0.5, 1.0],
    "x_m": [1.0, 2.0],
    "y_m": [1.0, 2.0],
}


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("x_m", [1.0, float("nan")], "row 1: x_m is not a finite number"),
        ("x_m", [1.0, float("inf")], "row 1: x_m is not a finite number"),
        ("x_m", ["far", "near"], "x_m holds string; expected numbers"),
        ("y_m", [1.0, None], "row 1: y_m is not"),
        ("lead_s", [0.5, -1.0], "row 1: lead_s is not positive"),
        ("lead_s", [0.5, 0.5], "two rows for the same"),
        ("mode", [0, 25], "beyond the 25 allowed"),
        ("mode", [0, 1.5], "not a whole number"),
        ("mode", [0, -1], "not a whole number"),
        ("probability", [1.0, 0.9], "different probabilities"),
        ("probability", [-1.0, -1.0], "negative"),
        ("probability", [0.0, 0.0], "are 0"),
        ("track", ["a", None], "row 1: no name in column track"),
        ("track", [1.5, 2.5], "expected names"),
        ("issue_time_s", [0.0, float("nan")], "issue_time_s is not"),
    ],
)
def test_wrong_rows_get_one_clear_line(tmp_path, column, values, message):
    pq.write_table(pa.table(FLAT | {column: values}), tmp_path / "f.parquet")
    for read in (read_forecasts, lambda path: list(iter_forecasts(path))):
        with pytest.raises(SubmissionError, match=message) as caught:
            read(tmp_path / "f.parquet")
        assert "\n" not in str(caught.value)


def test_a_missing_column_and_an_empty_table(tmp_path):
    pq.write_table(pa.table(FLAT).drop_columns(["x_m"]), tmp_path / "f.parquet")
    with pytest.raises(SubmissionError, match="no column x_m"):
        read_forecasts(tmp_path / "f.parquet")
    pq.write_table(pa.table(FLAT).slice(0, 0), tmp_path / "f.parquet")
    with pytest.raises(SubmissionError, match="no rows"):
        read_forecasts(tmp_path / "f.parquet")


def test_truth_twice(tmp_path):
    pq.write_table(
        pa.table({"track": ["a", "a"], "time_s": [1.0, 1.0], "x_m": [0.0, 1], "y_m": [0.0, 1]}), tmp_path / "t.parquet"
    )
    with pytest.raises(SubmissionError, match="track a at 1 s twice"):
        read_truth(tmp_path / "t.parquet")


def reads_or_refuses(read, path):
    """A damaged file is either refused in one line, or read to finite numbers."""
    try:
        length, message = len(read(path)), None
    except SubmissionError as error:
        length, message = 0, str(error)
    if message is None:
        assert length > 0
    else:
        assert "\n" not in message
        assert str(path) in message


def damage(content, cuts):
    for place, change in cuts:
        at = place % max(len(content), 1)
        content = content[:at] + change + content[at + len(change) :] if change else content[:at]
    return content


CUTS = st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=6)), min_size=1, max_size=4)


@pytest.mark.parametrize("form", ["json", "flat", "nested", "csv"])
@pytest.mark.parametrize("cases", [60, pytest.param(2600, marks=pytest.mark.slow)])
def test_damaged_files_never_end_in_a_traceback(tmp_path, form, cases):
    name = {"json": "s.json", "csv": "f.csv"}.get(form, "f.parquet")
    path = tmp_path / name
    if form == "json":
        write_submission(path, a_submission(2, 2))
    else:
        write_forecasts(
            path,
            some_rows(tracks=2, issues=2, modes=2, full=False) if form == "csv" else some_rows(tracks=1, issues=6),
            flat=form == "flat",
        )
    whole = path.read_bytes()
    read = read_submission if form == "json" else read_forecasts

    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(CUTS)
    def attack(cuts):
        path.write_bytes(damage(whole, cuts))
        reads_or_refuses(read, path)

    attack()


def test_nested_files_refuse_a_forecast_twice(tmp_path):
    rows = some_rows(full=False)
    again = replace(rows, issue_time_s=np.where(np.arange(40) == 13, 1.0, rows.issue_time_s))  # beside that of row 12
    pq.write_table(nested_table_of(again), tmp_path / "f.parquet")
    with pytest.raises(SubmissionError, match=r"row 13: a second forecast of the same track and issue time"):
        read_forecasts(tmp_path / "f.parquet")


@pytest.mark.parametrize("flat", [True, False])
def test_tracks_with_whole_numbers_for_names_can_be_streamed(tmp_path, flat):
    rows = some_rows(full=False)
    write_forecasts(tmp_path / "f.parquet", rows, flat=flat)
    table = pq.read_table(tmp_path / "f.parquet")
    numbers = pa.array([int(name[1:]) for name in table.column("track").to_pylist()])
    pq.write_table(table.set_column(0, "track", numbers), tmp_path / "f.parquet")
    pieces = list(iter_forecasts(tmp_path / "f.parquet", chunk_rows=7))
    assert [name for piece in pieces for name in np.unique(piece.track)] == ["0", "1", "2", "3"]


def test_pieces_with_other_columns_are_refused_and_nothing_is_written(tmp_path):
    pieces = [some_rows(0, full=False), replace(some_rows(1), covariances_m2=None)]
    for name in ("f.csv", "f.parquet"):
        with pytest.raises(SubmissionError, match="pieces with different columns or leads"):
            write_forecasts(tmp_path / name, iter(pieces))
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "flat"), FORMS)
def test_an_endless_covariance_is_refused(tmp_path, name, flat):
    rows = some_rows()
    rows.covariances_m2[3, 0, 0, 0, 0] = np.inf
    table = table_of(rows) if flat else nested_table_of(rows)
    (pa.csv.write_csv if name.endswith("csv") else pq.write_table)(table, tmp_path / name)
    with pytest.raises(SubmissionError, match="positive definite"):
        read_forecasts(tmp_path / name)


@pytest.mark.parametrize("leads", ["[" * 100_000, "[" + "9" * 5000 + "]", "[0.5, 1e12]", "{}"])
def test_leads_that_are_none_are_refused(tmp_path, leads):
    write_forecasts(tmp_path / "f.parquet", some_rows(full=False))
    table = pq.read_table(tmp_path / "f.parquet").replace_schema_metadata({b"lead_s": leads.encode()})
    pq.write_table(table, tmp_path / "f.parquet")
    with pytest.raises(SubmissionError, match="lead"):
        read_forecasts(tmp_path / "f.parquet")
