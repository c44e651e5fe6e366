"""Leads of real time stamps: they are steps of one grid, and their points stay at their own times."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.consistency import dispersion, successive_forecasts
from forecast.eval.forecasts import iter_forecasts, read_forecasts, write_forecasts
from forecast.eval.matching import truth_for
from forecast.eval.overlap import shifted_overlap, successive_pairs

COLUMNS = ("track", "issue_time_s", "mode", "probability", "lead_s", "x_m", "y_m")
LEADS = 0.5 * np.arange(1, 13)


def table_of_stamps(stamps, *, steps=12, modes=1, gap=None, mode_noise=0.0, seed=0):
    """Tracks seen at their stamps, at 5 m/s, each forecast perfectly at all later stamps but for the gap-th lead."""
    random, lines = np.random.default_rng(seed), []
    for number, stamp in enumerate(stamps):
        for i, issue in enumerate(stamp):
            for j in range(1, steps + 1):
                if i + j < len(stamp) and j != gap:
                    for mode in range(modes):
                        lead = stamp[i + j] - issue + random.uniform(-mode_noise, mode_noise)
                        where = (5 * (issue + lead), 10.0 * number)
                        lines.append((f"car-{number}", issue, mode, 1 / modes, lead, *where))
    return pa.table(dict(zip(COLUMNS, map(list, zip(*lines, strict=True)), strict=True)))


def truth_of_stamps(stamps):
    names = np.repeat([f"car-{number}" for number in range(len(stamps))], [len(stamp) for stamp in stamps])
    time_s = np.concatenate(stamps)
    return TruthRows(
        names, time_s, np.stack([5 * time_s, 10.0 * np.array([int(name[4:]) for name in names.tolist()])], -1)
    )


def wandering(seed=0, tracks=3, count=30, low=0.4, high=0.6):
    """Stamps as key frames have them: 0.4 to 0.6 s apart."""
    random = np.random.default_rng(seed)
    return [100 + np.concatenate([[0], np.cumsum(random.uniform(low, high, count))]) for _ in range(tracks)]


def read(tmp_path, table):
    pq.write_table(table, tmp_path / "f.parquet")
    return read_forecasts(tmp_path / "f.parquet")


@pytest.mark.parametrize("jitter_s", [0.0002, 0.01, 0.04])
def test_leads_that_jitter_are_the_steps_they_jitter_about(tmp_path, jitter_s):
    random = np.random.default_rng(0)
    stamps = [0.5 * np.arange(41) + random.uniform(-jitter_s, jitter_s, 41) for _ in range(2)]
    rows, truth = read(tmp_path, table_of_stamps(stamps)), truth_of_stamps(stamps)
    np.testing.assert_array_equal(rows.lead_s, LEADS)
    positions, valid = truth_for(rows, truth)
    assert valid[:, -1].sum() == 2 * 29
    np.testing.assert_allclose(positions[valid], rows.positions_m[:, 0][valid], atol=1e-5)  # each at its own time
    found = dispersion(rows, truth)
    assert found.mean.count == 2 * 29
    assert found.mean.value == pytest.approx(0, abs=1e-5)


def test_stamps_that_wander_are_counted(tmp_path):
    stamps = wandering()
    rows, truth = read(tmp_path, table_of_stamps(stamps)), truth_of_stamps(stamps)
    assert len(rows.lead_s) == 12
    np.testing.assert_allclose(rows.lead_s, LEADS)
    positions, valid = truth_for(rows, truth)
    assert valid[:, -1].sum() == sum(len(stamp) - 12 for stamp in stamps)
    np.testing.assert_allclose(positions[valid], rows.positions_m[:, 0][valid], atol=1e-5)
    said = successive_forecasts(rows, truth)
    assert said.valid.all(-1).sum() == sum(len(stamp) - 12 for stamp in stamps)
    np.testing.assert_allclose(said.predicted_m[said.valid], np.repeat(said.truth_m, said.valid.sum(-1), 0), atol=1e-5)


def test_successive_forecasts_of_stamps_that_wander_meet(tmp_path):
    stamps = wandering(count=20)
    rows = read(tmp_path, table_of_stamps(stamps))
    pairs = successive_pairs(rows)
    overlap = shifted_overlap(rows, pairs)
    assert overlap.mean.count == pairs.candidates == 3 * 19
    assert overlap.mean.value == pytest.approx(0, abs=1e-5)


def test_a_gap_stays_a_gap(tmp_path):
    rows = read(tmp_path, table_of_stamps(wandering(low=0.48, high=0.52), gap=4))
    assert len(rows.lead_s) == 11
    np.testing.assert_allclose(rows.lead_s, np.delete(LEADS, 3), atol=0.1)


def test_modes_with_a_little_noise_of_their_own_share_a_step(tmp_path):
    rows = read(tmp_path, table_of_stamps([0.5 * np.arange(20.0)] * 2, modes=3, mode_noise=0.0002))
    assert rows.positions_m.shape[1:3] == (3, 12)
    with pytest.raises(SubmissionError, match="lie on no grid"):
        read(tmp_path, table_of_stamps([0.5 * np.arange(20.0)] * 2, modes=3, mode_noise=0.02))


@pytest.mark.parametrize(
    ("first", "second"),
    [((0.5, 1.0, 1.5), (0.4, 0.8, 1.2)), ((0.1, 0.6, 1.1), (0.1, 0.6)), ((1, 2, 3, 5, 8), (1, 2)), ((0.2,), (0.2,))],
)
def test_leads_that_are_the_same_in_many_forecasts_stay_as_they_are(tmp_path, first, second):
    lines = [
        (f"car-{number}", float(issue), 0, 1.0, lead, 0.0, 0.0)
        for number, leads in enumerate((first, second))
        for issue in range(5)
        for lead in leads
    ]
    rows = read(tmp_path, pa.table(dict(zip(COLUMNS, map(list, zip(*lines, strict=True)), strict=True))))
    np.testing.assert_array_equal(rows.lead_s, sorted({*first, *second}))
    assert rows.row_lead_s is None


def test_leads_on_no_grid_are_refused_in_one_line(tmp_path):
    random = np.random.default_rng(0)
    lines = [
        ("a", float(issue), 0, 1.0, lead, 0.0, 0.0) for issue in range(50) for lead in np.sort(random.uniform(0, 6, 12))
    ]
    with pytest.raises(SubmissionError, match=r"lie on no grid: one forecast has points .* interpolate") as caught:
        read(tmp_path, pa.table(dict(zip(COLUMNS, map(list, zip(*lines, strict=True)), strict=True))))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "flat"), [("f.parquet", False), ("f.parquet", True), ("f.csv", True)])
def test_own_leads_there_and_back(tmp_path, name, flat):
    rows = read(tmp_path, table_of_stamps(wandering()))
    write_forecasts(tmp_path / name, rows, flat=flat)
    again = read_forecasts(tmp_path / name)
    np.testing.assert_array_equal(again.lead_s, rows.lead_s)
    np.testing.assert_allclose(again.row_lead_s, rows.row_lead_s, atol=1e-6)
    np.testing.assert_array_equal(again.positions_m, rows.positions_m)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    chunk_rows=st.integers(1, 500),
    spread=st.sampled_from([0.0, 0.0004, 0.02, 0.1]),
    short=st.booleans(),
)
def test_pieces_have_the_grid_of_the_whole(tmp_path_factory, seed, chunk_rows, spread, short):
    folder = tmp_path_factory.mktemp("pieces")
    stamps = wandering(seed, tracks=4, count=16, low=0.5 - spread, high=0.5 + spread)
    stamps[0] = stamps[0][:4] if short else stamps[0]
    table = table_of_stamps(stamps)
    mixed = table.take(np.random.default_rng(seed).permutation(table.num_rows))
    whole = read(folder, table)
    pq.write_table(mixed, folder / "m.parquet")
    pieces = list(iter_forecasts(folder / "m.parquet", chunk_rows=chunk_rows))
    for piece in pieces:
        np.testing.assert_array_equal(piece.lead_s, whole.lead_s)
    order = np.argsort(np.concatenate([piece.track for piece in pieces]), kind="stable")
    np.testing.assert_allclose(
        np.concatenate([piece.positions_m for piece in pieces])[order], whole.positions_m, atol=1e-9
    )
    np.testing.assert_allclose(np.concatenate([piece.own_lead_s for piece in pieces])[order], whole.own_lead_s)


MEMORY = r"""
import re, sys
from pathlib import Path
from forecast.scoring.stream_scores import score_streams
report = score_streams([sys.argv[1]], sys.argv[2]).as_json()
assert report["metrics"]["min_ade_1"]["count"] == 1950
# Of this process alone: resource.getrusage knows how large the one was that started it.
print(int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_memory_is_in_proportion_to_the_file(tmp_path):
    random, count = np.random.default_rng(0), 2000
    stamps = [0.5 * np.arange(40) + random.uniform(-0.005, 0.005, 40) for _ in range(count // 40)]
    pq.write_table(table_of_stamps(stamps, modes=2), tmp_path / "f.parquet")
    truth = truth_of_stamps(stamps)
    table = {"track": truth.track, "time_s": truth.time_s, "x_m": truth.positions_m[:, 0], "y_m": np.zeros(count)}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "f.parquet"), str(tmp_path / "t.parquet")]
    used = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(used) < 500


def test_own_leads_must_fit(tmp_path):
    rows = read(tmp_path, table_of_stamps(wandering(count=5)))
    with pytest.raises(ValueError, match="row_lead_s"):
        ForecastRows(
            rows.track, rows.issue_time_s, rows.lead_s, rows.positions_m, rows.probabilities, row_lead_s=rows.lead_s
        )
