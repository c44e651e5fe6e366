"""Files of rows on the command line: what is odd about them is scored right, or told."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import forecast.eval.formats.forecast_file as files
from forecast.cli.main import main
from forecast.core.errors import SubmissionError
from forecast.eval.bootstrap import bootstrap_mean
from forecast.eval.forecasts import read_forecasts, write_forecasts
from forecast.scoring import report_document
from forecast.scoring.settings import Settings
from forecast.scoring.stream_scores import score_streams


@pytest.fixture(scope="module", autouse=True)
def _few_resamples() -> Iterator[None]:
    """Intervals of ten resamples: many reports are written here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_document, "bootstrap_mean", partial(bootstrap_mean, resamples=10))
        yield


UTM = (388096.3, 3948996.7)


def cars(
    errors: tuple[float, ...] = (1.0, 5.0),
    *,
    at: tuple[float, float] = (0.0, 0.0),
    start_s: float = 0.0,
    hz: float = 2.0,
) -> tuple[pa.Table, pa.Table]:
    """Cars at 5 m/s along x for 10 s, each forecast 6 s ahead so many metres beside its path."""
    forecasts, truth = [], []
    for number, error in enumerate(errors):
        for time in np.arange(0, 10.01, 1 / hz).tolist():
            truth.append((f"car-{number}", start_s + time, at[0] + 5 * time, at[1] + 10 * number))
            for lead in (0.5 * np.arange(1, 13)).tolist():
                where = (at[0] + 5 * (time + lead), at[1] + 10 * number + error)
                forecasts.append((f"car-{number}", start_s + time, 0, 1.0, lead, *where))
    names = ("track", "issue_time_s", "mode", "probability", "lead_s", "x_m", "y_m")
    return (
        pa.table(dict(zip(names, map(list, zip(*forecasts, strict=True)), strict=True))),
        pa.table(dict(zip(("track", "time_s", "x_m", "y_m"), map(list, zip(*truth, strict=True)), strict=True))),
    )


def replaced(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def as_type(table: pa.Table, kind: pa.DataType) -> pa.Table:
    for name in ("x_m", "y_m"):
        table = table.set_column(table.column_names.index(name), name, table.column(name).cast(kind))
    return table


def put(folder: Path, name: str, table: pa.Table, form: str = "flat") -> Path:
    path = folder / f"{name}.{'csv' if form == 'csv' else 'parquet'}"
    if form == "csv":
        pyarrow.csv.write_csv(table, path)
        return path
    pq.write_table(table, path)
    if form == "nested":
        write_forecasts(path, read_forecasts(path))
    return path


def scored(folder: Path, forecasts: pa.Table, truth: pa.Table, *options: str, form: str = "flat") -> dict[str, Any]:
    paths = [put(folder, "f", forecasts, form), put(folder, "t", truth, "csv" if form == "csv" else "flat")]
    out = folder / "r.json"
    assert main(["score", str(paths[0]), "--truth", str(paths[1]), "--out", str(out), *options]) == 0
    report: dict[str, Any] = json.loads(out.read_text())
    return report


def figure(report: dict[str, Any], *names: str) -> tuple[Any, int]:
    found: Any = report
    for name in names:
        found = found[name]
    return found["value"], found["count"]


@pytest.mark.parametrize("form", ["flat", "csv", "nested"])
def test_the_interval_can_be_chosen(tmp_path, refused, form):
    forecasts, truth = cars(hz=10.0)
    plain = scored(tmp_path, forecasts, truth, form=form)
    assert figure(plain, "temporal", "overlap_m") == (None, 0)
    assert any("give --interval-s" in line for line in plain["warnings"])
    chosen = scored(tmp_path, forecasts, truth, "--interval-s", "0.5", form=form)
    assert figure(chosen, "temporal", "overlap_m") == (pytest.approx(0, abs=1e-9), 2 * 96)
    assert figure(chosen, "temporal", "dispersion_rms_m") == figure(plain, "temporal", "dispersion_rms_m")
    coarse = scored(tmp_path, forecasts, truth, "--interval-s", "1", form=form)
    assert coarse["matching"]["step_s"] == 1.0
    assert figure(coarse, "temporal", "overlap_m")[1] == 2 * 91
    paths = [str(tmp_path / f"{name}.{'csv' if form == 'csv' else 'parquet'}") for name in "ft"]
    for wrong in ("0.7", "0.1", "12", "0", "nan", "-1"):
        said = refused(["score", paths[0], "--truth", paths[1], "--out", str(tmp_path / "x"), f"--interval-s={wrong}"])
        assert f"--interval-s {wrong}: does not meet the leads" in said


def test_issues_that_jitter_meet_leads_that_do_not(tmp_path):
    forecasts, truth = cars(hz=10.0)
    random = np.random.default_rng(0)
    noise = dict(zip(np.arange(0, 10.01, 0.1).round(3).tolist(), random.uniform(-0.002, 0.002, 101), strict=True))

    def moved(column: Any) -> list[float]:
        return [value + noise[round(value, 3)] for value in column.to_pylist()]

    forecasts = replaced(forecasts, "issue_time_s", moved(forecasts["issue_time_s"]))
    truth = replaced(truth, "time_s", moved(truth["time_s"]))
    for form in ("flat", "csv", "nested"):
        report = scored(tmp_path, forecasts, truth, "--interval-s", "0.5", form=form)
        assert figure(report, "metrics", "min_fde_1")[1] == 2 * 41
        assert figure(report, "temporal", "dispersion_rms_m")[1] == 2 * 41
        assert figure(report, "temporal", "overlap_m")[1] == 2 * 96
        assert report["matching"]["step_s"] == 0.5


def lines_about_digits(report: dict[str, Any]) -> list[str]:
    return [line for line in report["warnings"] if "origin:" in line]


@pytest.mark.parametrize("form", ["flat", "csv", "nested"])
def test_positions_that_lost_their_digits_are_told(tmp_path, form):
    forecasts, truth = cars((0.9, 0.9), at=UTM)
    assert not lines_about_digits(scored(tmp_path, forecasts, truth, form=form))
    narrow = as_type(forecasts, pa.float32())
    (said,) = lines_about_digits(scored(tmp_path, narrow, truth, form=form))
    assert "steps by 0.25 m at 3,949,0" in said
    assert "f." in said
    (said,) = lines_about_digits(scored(tmp_path, forecasts, as_type(truth, pa.float32()), form=form))
    assert "t." in said
    (said,) = lines_about_digits(scored(tmp_path, as_type(narrow, pa.float64()), truth, form=form))
    assert "float32" in said
    metres = as_type(forecasts, pa.float64())
    for name in ("x_m", "y_m"):
        metres = replaced(metres, name, np.rint(metres[name].to_numpy()))
    (said,) = lines_about_digits(scored(tmp_path, metres, truth, form=form))
    assert "whole metres" in said


def test_narrow_types_near_the_origin_are_fine_but_half_floats(tmp_path):
    forecasts, truth = cars((0.9,))
    assert not lines_about_digits(scored(tmp_path, as_type(forecasts, pa.float32()), truth))
    assert not lines_about_digits(scored(tmp_path, as_type(forecasts, pa.float32()), truth, form="nested"))
    (said,) = lines_about_digits(scored(tmp_path, as_type(forecasts, pa.float16()), truth))
    assert "float16" in said


def said_of(folder: Path, refused: Any, forecasts: pa.Table, truth: pa.Table) -> str:
    paths = [put(folder, "f", forecasts), put(folder, "t", truth)]
    said: str = refused(["score", str(paths[0]), "--truth", str(paths[1]), "--out", str(folder / "r.json")])
    return said


def test_what_no_forecast_matches_is_told_with_an_example(tmp_path, refused):
    forecasts, truth = cars()
    other = replaced(truth, "track", [f"x{name}" for name in truth["track"].to_pylist()])
    said = said_of(tmp_path, refused, forecasts, other)
    assert "'car-0' is forecast and 'xcar-0' is known" in said
    late = replaced(truth, "time_s", [time + 1000.2 for time in truth["time_s"].to_pylist()])
    assert "for 0.5 to 16 s, the truth of these tracks is from 1000.2 to 1010.2 s" in said_of(
        tmp_path, refused, forecasts, late
    )
    thousand = replaced(truth, "time_s", [time * 1000 + 100 for time in truth["time_s"].to_pylist()])
    assert "look like milliseconds" in said_of(tmp_path, refused, forecasts, thousand)


def test_tracks_that_the_truth_does_not_know_are_named(tmp_path):
    forecasts, truth = cars()
    known = truth.filter(pa.array([name == "car-0" for name in truth["track"].to_pylist()]))
    report = scored(tmp_path, forecasts, known)
    assert any("(1 tracks are unknown there, e.g. 'car-1')" in line for line in report["warnings"])


ONE = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    ("here", "there"),
    [("1", "1.0"), ("1.0", "1"), (ONE, ONE.replace("-", "")), (ONE.upper(), ONE), (ONE.replace("-", "").upper(), ONE)],
)
def test_names_in_another_form_are_the_same_track(tmp_path, here, there):
    forecasts, truth = cars((3.0,))
    for form in ("flat", "csv"):
        mine = replaced(forecasts, "track", [here] * len(forecasts))
        report = scored(tmp_path, mine, replaced(truth, "track", [there] * len(truth)), form=form)
        assert figure(report, "metrics", "min_fde_1") == (pytest.approx(3.0), 9)


def test_one_track_of_the_truth_is_not_two_forecast_ones(tmp_path, refused):
    forecasts, truth = cars()
    both = replaced(
        forecasts, "track", [{"car-0": "1", "car-1": "1.0"}[name] for name in forecasts["track"].to_pylist()]
    )
    known = replaced(truth, "track", [{"car-0": "1", "car-1": "2"}[name] for name in truth["track"].to_pylist()])
    assert "are both '1' in the truth" in said_of(tmp_path, refused, both, known)


@pytest.mark.parametrize("form", ["flat", "csv"])
def test_bad_rows_are_counted_in_the_report(tmp_path, form, refused):
    forecasts, truth = cars()
    lead = forecasts["lead_s"].to_numpy().copy()
    x, probability = forecasts["x_m"].to_numpy().copy(), forecasts["probability"].to_numpy().copy()
    x[[5, 17, 29]], probability[40], lead[50] = np.inf, -1.0, -1.0
    bad = replaced(replaced(replaced(forecasts, "x_m", x), "probability", probability), "lead_s", lead)
    where = truth["x_m"].to_numpy().copy()
    where[3] = np.nan
    wrong = replaced(truth, "x_m", where)
    report = scored(tmp_path, bad, wrong, "--skip-bad-rows", form=form)
    assert report["coverage"]["bad_rows_left_out"] == 5
    assert report["coverage"]["bad_truth_rows_left_out"] == 1
    (mine,) = [line for line in report["warnings"] if "f." in line and "left out" in line]
    assert "1 with a negative probability; expected 0 or more" in mine
    assert "3 with x_m is not a finite number" in mine
    assert any("bad rows left out: 1 with x_m is not a finite number" in line for line in report["warnings"])
    paths = [put(tmp_path, "f", bad, form), put(tmp_path, "t", truth, form)]
    said = refused(["score", str(paths[0]), "--truth", str(paths[1]), "--out", str(tmp_path / "x.json")])
    assert "row 50: lead_s is not positive" in said
    assert "1 row is so; --skip-bad-rows leaves out" in said


def test_bad_rows_are_of_rows_alone(refused, tmp_path):
    options = ["--dataroot", "d", "--version", "v", "--split", "s", "--out", str(tmp_path / "r.json")]
    assert "--skip-bad-rows goes with rows" in refused(["score", "s.json", "--skip-bad-rows", *options])


def plain_figures(found: Any) -> Any:
    """A report without what names the file or adds up in another order."""
    if isinstance(found, dict):
        return {key: plain_figures(value) for key, value in found.items() if key not in ("name", "truth", "warnings")}
    if isinstance(found, list):
        return [plain_figures(value) for value in found]
    return None if isinstance(found, float) and not np.isfinite(found) else found


def assert_same_figures(first: Any, second: Any) -> None:
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key, value in first.items():
            assert_same_figures(value, second[key])
    elif isinstance(first, list):
        for one, two in zip(first, second, strict=True):
            assert_same_figures(one, two)
    elif isinstance(first, float):
        assert second == pytest.approx(first, rel=1e-9, abs=1e-9)
    else:
        assert first == second


JITTERS = st.sampled_from([0.0, 0.0004, 0.01, 0.08])


def odd_cars(seed: int, issue_s: float, lead_s: float, short: bool, modes: int) -> tuple[pa.Table, pa.Table]:
    """Cars whose issues and leads jitter, of which some are forecast less far, and whose errors are random."""
    random = np.random.default_rng(seed)
    forecasts, truth = cars((0.0, 0.0, 0.0))
    parts = []
    issue = forecasts["issue_time_s"].to_numpy()
    noise = dict(zip(np.unique(issue).tolist(), random.uniform(-issue_s, issue_s, len(np.unique(issue))), strict=True))
    lead = forecasts["lead_s"].to_numpy() + random.uniform(-lead_s, lead_s, len(issue))
    x, y = forecasts["x_m"].to_numpy(), forecasts["y_m"].to_numpy()
    for mode in range(modes):
        changes = {
            "issue_time_s": [value + noise[value] for value in issue.tolist()],
            "lead_s": lead,
            "mode": [mode] * len(x),
            "probability": [(mode + 1) / (modes * (modes + 1) / 2)] * len(x),
            "x_m": x + random.normal(0, 1, len(x)),
            "y_m": y + random.normal(0, 1, len(x)),
        }
        part = forecasts
        for name, values in changes.items():
            part = replaced(part, name, values)
        parts.append(part)
    table = pa.concat_tables(parts)
    if short:
        keep = (table["track"].to_numpy(zero_copy_only=False) != "car-1") | (table["lead_s"].to_numpy() < 3.2)
        table = table.filter(pa.array(keep))
    return table, truth


@pytest.mark.parametrize("cases", [6, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
@pytest.mark.parametrize("form", ["flat", "csv", "nested"])
def test_neither_order_nor_pieces_change_a_figure(tmp_path, monkeypatch, form, cases):
    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.integers(0, 2**32 - 1),
        JITTERS,
        JITTERS,
        st.booleans(),
        st.integers(1, 3),
        st.integers(1, 400),
        st.booleans(),
    )
    def attack(seed, issue_s, lead_s, short, modes, chunk_rows, mixed):
        forecasts, truth = odd_cars(seed, issue_s, lead_s, short, modes)
        monkeypatch.setattr(files, "CHUNK_ROWS", 1 << 20)
        monkeypatch.setattr(files, "NESTED_CHUNK_ROWS", 1 << 14)
        answers = put(tmp_path, "t", truth)
        whole = None
        with contextlib.suppress(SubmissionError):
            whole = score_streams([put(tmp_path, "f", forecasts, form)], answers, Settings()).as_json()
        path = tmp_path / ("f.csv" if form == "csv" else "f.parquet")
        if whole is not None and mixed:
            table = pyarrow.csv.read_csv(path) if form == "csv" else pq.read_table(path)
            order = np.random.default_rng(seed).permutation(table.num_rows)
            (pyarrow.csv.write_csv if form == "csv" else pq.write_table)(table.take(order), path)
        monkeypatch.setattr(files, "CHUNK_ROWS", chunk_rows)
        monkeypatch.setattr(files, "NESTED_CHUNK_ROWS", chunk_rows)
        if whole is None:
            with pytest.raises(SubmissionError, match=r"^[^\n]+$"):
                score_streams([path], answers, Settings())
            return
        again = score_streams([path], answers, Settings()).as_json()
        assert_same_figures(plain_figures(whole), plain_figures(again))
        for name, found in again["metrics"].items():
            assert (found["count"] > 0) == (found["value"] is not None and np.isfinite(found["value"])), name

    attack()


SORTED = r"""
import re, sys
from pathlib import Path
from forecast.scoring.stream_scores import score_streams
report = score_streams([sys.argv[1]], sys.argv[2]).as_json()
assert report["metrics"]["min_ade_1"]["count"] == 130000, report["metrics"]["min_ade_1"]
# Of this process alone: resource.getrusage knows how large the one was that started it.
print(int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_large_file_in_the_order_of_time_is_sorted_in_bounded_memory(tmp_path, suffix):
    count = 1_300_000
    row = np.arange(count)
    columns = {
        "track": row % 1300,
        "issue_time_s": row // 13000 * 0.5,
        "mode": 0 * row,
        "probability": np.ones(count),
        "lead_s": 0.5 * (1 + row // 1300 % 10),
        "x_m": np.zeros(count),
        "y_m": np.zeros(count),
    }
    table, path = pa.table(columns), tmp_path / f"f.{suffix}"
    (pyarrow.csv.write_csv if suffix == "csv" else pq.write_table)(table, path)
    names = np.repeat(np.arange(1300), 120)
    truth = {"track": names, "time_s": np.tile(np.arange(120) * 0.5, 1300), "x_m": 0.0 * names, "y_m": 0.0 * names}
    pq.write_table(pa.table(truth), tmp_path / "t.parquet")
    command = [sys.executable, "-c", SORTED, str(path), str(tmp_path / "t.parquet")]
    used = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(used) < 1500
