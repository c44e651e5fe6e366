"""Hostile files on the command line: each is refused in one line, or scored to counts that are not zero.

Never a traceback, never a silent zero: what is scored says how many agent-samples are behind every figure.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import forecast.eval.formats.forecast_file as files
from forecast.cli.main import main
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.bootstrap import bootstrap_mean
from forecast.eval.forecasts import write_forecasts, write_truth
from forecast.eval.formats.nested_rows import nested_table_of
from forecast.eval.formats.submission_json import write_submission
from forecast.scoring import report_document

FORMS = ("csv", "flat", "nested", "truth.csv", "truth.parquet", "json")
#: Cases of each form: few by default, over 20,000 in all with those of tests/eval in the slow run.
CASES = pytest.mark.parametrize("cases", [25, pytest.param(700, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def rows_and_truth() -> tuple[ForecastRows, TruthRows]:
    """Two cars at 5 m/s for 5 s, forecast 1.5 s ahead in two modes."""
    clock = np.tile(0.5 * np.arange(10), 2)
    track = np.repeat(["a", "b"], 10)
    here = np.stack([5 * clock, np.repeat([0.0, 4.0], 10)], -1)
    lead_s = 0.5 * np.arange(1, 4)
    modes = here[:, None, None] + np.stack([5.0 * lead_s, 0 * lead_s], -1) + np.array([0, 1.0])[:, None, None]
    return ForecastRows(track, clock, lead_s, modes, np.tile([0.6, 0.4], (20, 1))), TruthRows(track, clock, here)


class Bench:
    """A good pair of files, any of which a test may damage, and the command that scores them."""

    def __init__(self, form: str, folder: Path, town: Any) -> None:
        self.out = folder / "r.json"
        forecasts, truth = rows_and_truth()
        self.files = {"forecasts": folder / ("f.csv" if form == "csv" else "f.parquet"), "truth": folder / "t.csv"}
        if form == "truth.parquet":
            self.files["truth"] = folder / "t.parquet"
        if form == "json":
            self.files = {"forecasts": folder / "s.json"}
            write_submission(self.files["forecasts"], town.forecasts(modes=2))
            self.arguments = ["score", str(self.files["forecasts"]), *town.arguments, "--allow-missing"]
        else:
            write_forecasts(self.files["forecasts"], forecasts, flat=form in ("csv", "flat"))
            write_truth(self.files["truth"], truth)
            self.arguments = ["score", str(self.files["forecasts"]), "--truth", str(self.files["truth"])]
        self.target = self.files["truth" if form.startswith("truth") else "forecasts"]
        self.whole = self.target.read_bytes()

    def score(self) -> tuple[int, str]:
        """Run the command; answers its code and what it said on stderr. An exception here is the test's failure."""
        self.out.unlink(missing_ok=True)
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = main([*self.arguments, "--out", str(self.out)])
        return code, said.getvalue()

    def refused_or_counted(self) -> str:
        """One clear line and no report, or a report that rests on something; answers the line."""
        code, said = self.score()
        if code == 0:
            report = json.loads(self.out.read_text())
            assert report["metrics"]["min_ade_1"]["count"] > 0 or report["warnings"]
            for figure in report["metrics"].values():
                assert (figure["count"] > 0) == (figure["value"] is not None)
            return ""
        assert code == 2
        assert said.count("\n") == 1, said
        assert "Traceback" not in said
        assert not self.out.exists()
        return said


@pytest.fixture(scope="module", autouse=True)
def _few_resamples() -> Iterator[None]:
    """Intervals of ten resamples: thousands of reports are written here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_document, "bootstrap_mean", partial(bootstrap_mean, resamples=10))
        yield


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, town: Any) -> Callable[[str], Bench]:
    return lambda form: Bench(form, tmp_path_factory.mktemp("hostile"), town)


def test_what_is_left_alone_is_scored(bench):
    for form in FORMS:
        code, said = bench(form).score()
        assert (code, said) == (0, "")


CUTS = st.lists(st.tuples(st.integers(0, 10**7), st.binary(max_size=6)), min_size=1, max_size=3)


@CASES
@pytest.mark.parametrize("form", FORMS)
def test_damaged_bytes(bench, form, cases):
    here = bench(form)

    @settings(max_examples=cases, **QUIET)
    @given(CUTS)
    def attack(cuts):
        content = here.whole
        for place, change in cuts:
            at = place % max(len(content), 1)
            content = content[:at] + change + content[at + len(change) :] if change else content[:at]
        here.target.write_bytes(content)
        here.refused_or_counted()

    attack()


CELLS = st.sampled_from(
    [
        "",
        " ",
        "NaN",
        "inf",
        "-inf",
        "1e309",
        "-1",
        "26",
        "99",
        "0",
        "0.5",
        "1e18",
        "text",
        '"',
        "a,b",
        "0x1f",
        "½",
        "\x00",
        "None",
        "1;2",
        "1.0",
        "500",
        "1700000000000000000",
    ]
)


@CASES
@pytest.mark.parametrize("form", ["csv", "truth.csv"])
def test_damaged_cells(bench, form, cases):
    here = bench(form)
    lines = [line.split(",") for line in here.whole.decode().splitlines()]

    @settings(max_examples=cases, **QUIET)
    @given(st.lists(st.tuples(st.integers(0, len(lines) - 1), st.integers(0, 6), CELLS), min_size=1, max_size=3))
    def attack(changes):
        table = [list(line) for line in lines]
        for row, column, cell in changes:
            table[row][column % len(table[row])] = cell
        here.target.write_text("\n".join(",".join(line) for line in table) + "\n")
        here.refused_or_counted()

    attack()


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=4), st.just([]), st.just({})
)


@CASES
def test_damaged_fields_of_a_submission(bench, cases):
    here = bench("json")
    entries = msgspec.json.decode(here.whole)
    fields = st.sampled_from(["instance", "sample", "prediction", "probabilities", "point", "mode", "probability"])

    @settings(max_examples=cases, **QUIET)
    @given(st.integers(0, len(entries) - 1), fields, VALUES, st.booleans())
    def attack(number, field, value, drop):
        changed = msgspec.json.decode(here.whole)
        entry = changed[number]
        if field in entry:
            entry[field] = value
            if drop:
                del entry[field]
        elif field == "point":
            entry["prediction"][0][0] = value
        elif field == "mode":
            entry["prediction"][0] = value
        else:
            entry["probabilities"][0] = value
        here.target.write_text(json.dumps(changed))  # NaN and Infinity as many writers have them
        here.refused_or_counted()

    attack()


KINDS = [
    pa.float32(),
    pa.float16(),
    pa.int64(),
    pa.string(),
    pa.bool_(),
    pa.timestamp("ns"),
    pa.duration("ms"),
    pa.binary(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.null(),
]


def odd_column(column: Any, change: str, number: float, kind: pa.DataType, seed: int) -> Any:
    """A column in another unit, of another type, with noise, with holes; or as it was where that cannot be."""
    random = np.random.default_rng(seed)
    plain = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    if change == "unit" and plain:
        return pa.array(column.to_numpy() * number)
    if change == "noise" and plain:
        return pa.array(column.to_numpy() + random.uniform(-number, number, len(column)))
    if change == "holes":
        gone = pa.array(random.random(len(column)) < 0.1)
        with contextlib.suppress(pa.ArrowException):
            return pc.if_else(gone, pa.scalar(None, column.type), column)
    if change == "kind":
        with contextlib.suppress(pa.ArrowException):
            return (column.cast(pa.int64()) if pa.types.is_temporal(kind) else column).cast(kind)
    return column


@CASES
@pytest.mark.parametrize("form", ["flat", "nested", "truth.parquet"])
def test_odd_columns(bench, form, cases):
    here = bench(form)
    table = pq.read_table(here.target)
    plain = list(here.arguments)
    columns = st.sampled_from(table.column_names)
    changes = st.tuples(
        columns,
        st.sampled_from(["unit", "noise", "holes", "kind"]),
        st.sampled_from([1e-9, 1e-3, 1 / 60, 0.01, 0.3, 60.0, 1e3, 1e6, 1e9]),
        st.sampled_from(KINDS),
        st.integers(0, 99),
    )

    @settings(max_examples=cases, **QUIET)
    @given(st.lists(changes, min_size=1, max_size=3), st.booleans(), st.booleans(), st.integers(1, 200))
    def attack(changes, skip, mixed, rows):
        odd = table
        for name, *change in changes:
            place = odd.column_names.index(name)
            odd = odd.set_column(place, name, odd_column(odd.column(name), *change))
        if mixed:
            odd = odd.take(np.random.default_rng(rows).permutation(odd.num_rows))
        pq.write_table(odd, here.target)
        here.arguments = [*plain, *["--skip-bad-rows"] * skip]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, "CHUNK_ROWS", rows)
            patch.setattr(files, "NESTED_CHUNK_ROWS", rows)
            here.refused_or_counted()

    attack()


def changed_rows(**changes: Any) -> ForecastRows:
    return replace(rows_and_truth()[0], **changes)


def lines_of(here: Bench, change: Callable[[list[str]], list[str]]) -> None:
    lines = here.whole.decode().splitlines()
    here.target.write_text("\n".join(change(lines)) + "\n")


def with_cell(row: int, column: int, value: str) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        cells = lines[row].split(",")
        cells[column] = value
        return [*lines[:row], ",".join(cells), *lines[row + 1 :]]

    return change


NAMED = {
    "empty": (lambda lines: [], "Empty"),
    "header alone": (lambda lines: lines[:1], "no rows"),
    "no header": (lambda lines: lines[1:], "no column"),
    "a column short": (lambda lines: [line.rpartition(",")[0] for line in lines], "no column y_m"),
    "twice": (lambda lines: [*lines, *lines[-6:]], "two rows for the same"),
    "26 modes": (with_cell(1, 2, "25"), "beyond the 25"),
    "text": (with_cell(1, 5, "far"), "x_m"),
    "NaN": (with_cell(1, 5, "nan"), "x_m is not a finite number"),
    "infinite": (with_cell(1, 5, "inf"), "x_m is not a finite number"),
    "negative probability": (with_cell(1, 3, "-0.6"), "negative"),
    "huge probability": (with_cell(1, 3, "1e160"), "over a million"),
    "lead backwards": (with_cell(1, 4, "-0.5"), "lead_s is not positive"),
    "other order": (lambda lines: [lines[0], *lines[:0:-1]], None),
    "time running backwards": (lambda lines: [lines[0], *lines[61:], *lines[1:61][::-1]], None),
    "a track that returns": (lambda lines: [*lines[:30], *lines[61:], *lines[30:61]], None),
    "a column twice": (lambda lines: [lines[0].replace("y_m", "x_m"), *lines[1:]], "column x_m twice"),
    "a lead of years": (with_cell(1, 4, "9e10"), "expected seconds"),
    "microseconds": (with_cell(1, 1, "1.5e15"), "expected seconds"),
}


@pytest.mark.parametrize("name", NAMED)
def test_wrong_tables(bench, name):
    change, expected = NAMED[name]
    here = bench("csv")
    lines_of(here, change)
    said = here.refused_or_counted()
    assert (expected is None) == (said == "")
    if expected:
        assert expected in said


def test_probabilities_that_do_not_sum_to_1_are_counted(bench):
    here = bench("csv")
    rows = changed_rows(probabilities=np.tile([0.9, 0.8], (20, 1)))
    write_forecasts(here.target, rows)
    assert here.score()[0] == 0
    report = json.loads(here.out.read_text())
    assert report["coverage"]["probabilities_not_summing_to_1"] == 20
    assert any("do not sum to 1" in line for line in report["warnings"])


def test_unknown_tracks_and_another_clock(bench):
    here = bench("csv")
    write_forecasts(here.target, changed_rows(track=np.repeat(["x", "y"], 10)))
    assert "none of its 20 forecasts has a truth" in here.refused_or_counted()
    write_forecasts(here.target, changed_rows(track=np.repeat(["a", "y"], 10)))
    assert here.score()[0] == 0
    report = json.loads(here.out.read_text())
    assert report["metrics"]["min_ade_1"]["count"] < 10
    assert any(
        "10 of 20 forecasts have no truth" in line or "no truth at any lead" in line for line in report["warnings"]
    )


def test_bad_covariances_in_lists(bench):
    here = bench("nested")
    for bad in (np.zeros((2, 2)), np.array([[1.0, 2.0], [2.0, 1.0]]), np.full((2, 2), np.nan), -np.eye(2)):
        rows = changed_rows(covariances_m2=np.broadcast_to(bad, (20, 2, 3, 2, 2)).copy())
        pq.write_table(nested_table_of(rows), here.target)  # the writer itself would refuse it
        assert "positive definite" in here.refused_or_counted()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("form", ["csv", "truth.csv", "json"])
def test_a_line_of_two_gigabytes_in_bounded_memory(bench, form):
    import resource

    here = bench(form)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with here.target.open("ab") as file:
        for _ in range(2 * 1024 + 8):
            file.write(b"7" * 2**20)
    assert here.refused_or_counted()
    grown_gib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    here.target.unlink()
    assert grown_gib < 1


def test_a_column_name_with_a_line_break_is_quoted_on_one_line(bench: Callable[[str], Bench]) -> None:
    at = bench("nested")
    at.target.write_bytes(at.whole.replace(b"track", b"\nrack"))
    assert r"no column track; found \nrack" in at.refused_or_counted()
