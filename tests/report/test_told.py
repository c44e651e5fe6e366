"""What a report must say for itself: few points, other frames, uneven ends, files that share a part alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from forecast.core.rows import ForecastRows, TruthRows, keys_of
from forecast.eval.consistency import dispersion_of
from forecast.eval.forecasts import write_forecasts, write_truth
from forecast.eval.formats.submission_json import write_submission
from forecast.report.figures import rows, shared_points, warnings
from forecast.report.latex_table import as_latex
from forecast.report.tables import as_markdown
from forecast.report.terminal_table import print_table
from forecast.scoring.dataset_scores import score_submission
from forecast.scoring.stream_scores import score_streams

SPLIT = "mini_val"
LEADS = 0.5 * np.arange(1, 13)


def cars(errors_m: tuple[float, ...] = (1.0, 5.0), seconds: float = 20.0) -> tuple[ForecastRows, TruthRows]:
    """Cars at 5 m/s along x from (300, 700) on, forecast at 2 Hz, car n ``errors_m[n]`` metres too far to the left."""
    times = np.arange(0, seconds + 1e-9, 0.5)
    track = np.repeat([f"car-{n}" for n in range(len(errors_m))], len(times))
    clock = np.tile(times, len(errors_m))
    lane = 700.0 + 10.0 * np.repeat(np.arange(len(errors_m)), len(times))
    here = np.stack([300 + 5 * clock, lane], -1)
    ahead = np.stack([5 * LEADS, 0 * LEADS], -1)
    off = np.stack([np.zeros(len(track)), np.repeat(errors_m, len(times))], -1)
    positions = (here[:, None] + ahead + off[:, None])[:, None]
    return ForecastRows(track, clock, LEADS, positions, np.ones((len(track), 1))), TruthRows(track, clock, here)


def scored(tmp_path: Any, forecasts: ForecastRows, truth: TruthRows, **options: Any) -> dict[str, Any]:
    write_forecasts(tmp_path / "f.parquet", forecasts, **options)
    write_truth(tmp_path / "t.parquet", truth)
    return score_streams([tmp_path / "f.parquet"], tmp_path / "t.parquet").as_json()


def said(report: dict[str, Any], words: str) -> list[str]:
    return [line for line in warnings(report) if words in line]


def test_sound_rows_have_nothing_to_say_but_what_holds_for_all(tmp_path):
    report = scored(tmp_path, *cars((1.0, 2.0, 3.0, 4.0)))
    assert report["metrics"]["min_fde_1"] == {**report["metrics"]["min_fde_1"], "value": 2.5, "count": 4 * 29}
    about = [line for line in report["warnings"] if "no truth at any lead" not in line]
    assert about == []


def test_few_points_name_the_denser_population(town, dense_file):
    challenge = score_submission(dense_file, town.dataset, SPLIT).as_json()
    assert challenge["population"] == "challenge"
    assert challenge["temporal"]["dispersion_m"]["count"] < 100
    assert len(said(challenge, "--population dense")) == 1
    dense = score_submission(dense_file, town.dataset, SPLIT, population="dense").as_json()
    assert dense["temporal"]["dispersion_m"]["count"] > 100
    assert not said(dense, "--population dense")


def test_minfde_over_a_part_is_told(tmp_path):
    forecasts, truth = cars()
    short = forecasts.positions_m.copy()
    short[forecasts.track == "car-1", :, 6:] = np.nan
    report = scored(tmp_path, replace(forecasts, positions_m=short), truth, flat=True)
    assert report["metrics"]["min_fde_1"]["count"] == 29
    assert len(said(report, "29 of the 58 forecasts whose track is observed that long: 29 end before it")) == 1
    assert len(said(report, "over fewer leads")) == 1
    # and in the table: that figure alone rests on fewer than the others beside it
    cells = dict(
        zip(
            as_markdown(report).splitlines()[0].split(" | "),
            as_markdown(report).splitlines()[2].split(" | "),
            strict=True,
        )
    )
    assert cells["minFDE_1"].endswith("(29)")
    assert "(" not in cells["minADE_1"]

    random = np.random.default_rng(0)
    moved = truth.time_s + random.uniform(-0.08, 0.08, len(truth))
    at = np.stack([300 + 5 * moved, truth.positions_m[:, 1]], -1)
    report = scored(tmp_path, forecasts, TruthRows(truth.track, moved, at))
    counted = report["metrics"]["min_fde_1"]["count"]
    assert 20 < counted < 50
    assert len(said(report, f"rests on {counted} of the ")) == 1
    assert said(report, "no observation within the tolerance")


def test_modes_of_uneven_length_are_told(tmp_path):
    forecasts, truth = cars((5.0,))
    both = np.concatenate([forecasts.positions_m, forecasts.positions_m - [0.0, 5.0]], 1)
    both[:, 1, 1:] = np.nan
    likely = np.tile([0.9, 0.1], (len(forecasts), 1))
    for flat in (True, False):
        report = scored(tmp_path, replace(forecasts, positions_m=both, probabilities=likely), truth, flat=flat)
        assert report["metrics"]["min_ade_5"]["value"] == pytest.approx(5.0)
        assert report["metrics"]["miss_rate_5_2m"]["value"] == 1.0
        assert len(said(report, "modes of 41 of 41 agent-samples end at different leads")) == 1


@pytest.mark.parametrize("reading", ["swapped", "relative", "turned too"])
def test_another_frame_is_told_of_rows_and_of_submissions(town, tmp_path, reading):
    good = town.forecasts()
    tracks = town.dataset.tracks
    row = np.array([town.dataset.locate(*pair) for pair in zip(good.track, good.sample_tokens, strict=True)])
    here, heading = tracks.row_position_m[row][:, None, None], tracks.row_heading_rad[row][:, None, None]
    moved = good.positions_m - here
    cos, sin = np.cos(heading), np.sin(heading)
    turned = np.stack([moved[..., 0] * cos + moved[..., 1] * sin, moved[..., 1] * cos - moved[..., 0] * sin], -1)
    wrong = {"swapped": good.positions_m[..., ::-1], "relative": moved, "turned too": turned}[reading]
    write_submission(tmp_path / "f.json", replace(good, positions_m=wrong))
    report = score_submission(tmp_path / "f.json", town.dataset, SPLIT).as_json()
    hint = "x and y swapped" if reading == "swapped" else "relative to their agents"
    assert len(said(report, hint)) == 1
    assert hint in report["warnings"][0]

    forecasts, truth = cars()
    present = truth.positions_m[:, None, None]
    other = forecasts.positions_m[..., ::-1] if reading == "swapped" else forecasts.positions_m - present
    assert len(said(scored(tmp_path, replace(forecasts, positions_m=other), truth), hint)) == 1


def test_a_few_wild_forecasts_are_no_other_frame(tmp_path):
    forecasts, truth = cars()
    wild = forecasts.positions_m.copy()
    wild[:5] += 400.0
    report = scored(tmp_path, replace(forecasts, positions_m=wild), truth)
    lines = said(report, "5 of 82 forecasts begin farther from their agents than any road user gets")
    assert len(lines) == 1
    assert "swapped" not in lines[0]


def test_files_are_compared_on_shared_points(town, tmp_path, capsys):
    one = town.forecasts(dense=True)
    two = town.forecasts(dense=True, seed=1)
    samples = np.unique(two.sample_tokens)
    two = town.part_of(two, ~np.isin(two.sample_tokens, samples[:: len(samples) // 3]))
    sparse = town.part_of(one, np.arange(3))
    for name, submission in {"one": one, "two": two, "sparse": sparse}.items():
        write_submission(tmp_path / f"{name}.json", submission)
    files = [tmp_path / f"{name}.json" for name in ("one", "two", "sparse")]
    report = score_submission(files, town.dataset, SPLIT, allow_missing=True, population="dense")
    document = report.as_json()
    first, second, third = document["reports"]
    assert second["temporal"]["dispersion_m"]["count"] < first["temporal"]["dispersion_m"]["count"]
    assert third["temporal"]["dispersion_m"]["count"] == 0
    assert third["temporal_shared"] == {}

    def keys(scores: Any) -> np.ndarray:
        points = scores.successive
        return keys_of(points.track, points.time_s)

    values = [
        dict(
            zip(
                keys(scores)[ok := scores.points["dispersion_m"].valid],
                scores.points["dispersion_m"].values[ok],
                strict=True,
            )
        )
        for scores in report.scores
    ]
    both = values[0].keys() & values[1].keys()
    for body, known in zip((first, second), values, strict=False):
        shared = body["temporal_shared"]["dispersion_m"]
        assert shared["count"] == len(both) > 0
        assert shared["value"] == pytest.approx(np.mean([known[key] for key in both]))
    pair = document["comparisons"][0]["temporal"]["dispersion_m"]
    assert pair["count"] == len(both)
    assert pair["difference"] == pytest.approx(np.mean([values[1][key] - values[0][key] for key in both]))
    assert pair["ci_low"] <= pair["difference"] <= pair["ci_high"]
    assert document["comparisons"][1]["temporal"]["dispersion_m"]["count"] == 0

    note = shared_points(document)
    assert note is not None
    assert f"{len(both):,} target points" in note
    assert f"one {first['temporal']['dispersion_m']['count']:,}" in note
    print_table(document)
    printed = capsys.readouterr().out
    assert note in printed
    assert f"on {len(both):,} shared points" in printed
    assert rows(document)[2].count("–") > 3
    # Accuracy is over different agents here, and each cell says over how many.
    for text in (as_markdown(document), as_latex(document)):
        assert f"({first['metrics']['min_ade_1']['count']:,})" in text


def test_d_of_the_report_is_the_mean_distance(tmp_path):
    forecasts, truth = cars((0.0,))
    random = np.random.default_rng(3)
    noisy = replace(forecasts, positions_m=forecasts.positions_m + random.normal(0, 1, forecasts.positions_m.shape))
    report = scored(tmp_path, noisy, truth)
    issue = {time: row for row, time in enumerate(noisy.issue_time_s)}
    expected = []
    for time in truth.time_s:
        row = [issue.get(time - lead) for lead in LEADS]
        if None not in row:
            expected.append([noisy.positions_m[r, 0, lead] for lead, r in enumerate(row)])
    found = report["temporal"]
    for name, reading in (("dispersion_m", "mean_distance"), ("dispersion_rms_m", "rms")):
        assert found[name]["value"] == pytest.approx(dispersion_of(expected, reading=reading).mean.value)
    assert found["dispersion_m"]["count"] == len(expected)


def test_truth_too_sparse_for_the_leads_is_told(tmp_path):
    forecasts, truth = cars()
    kept = np.flatnonzero(np.isclose(truth.time_s % 3.0, 0.0))
    sparse = TruthRows(truth.track[kept], truth.time_s[kept], truth.positions_m[kept])
    issued = np.flatnonzero(np.isclose(forecasts.issue_time_s % 3.0, 0.0))
    some = ForecastRows(
        forecasts.track[issued],
        forecasts.issue_time_s[issued],
        LEADS,
        forecasts.positions_m[issued],
        forecasts.probabilities[issued],
    )
    report = scored(tmp_path, some, sparse)
    assert report["coverage"]["points_without_an_observation"] > 100
    assert len(said(report, "have no observation within the tolerance, although")) == 1
    assert not said(scored(tmp_path, forecasts, truth), "although")


def test_files_of_other_leads_are_not_compared(tmp_path, capsys):
    forecasts, truth = cars()
    write_truth(tmp_path / "t.parquet", truth)
    short = ForecastRows(
        forecasts.track,
        forecasts.issue_time_s,
        LEADS[:6],
        forecasts.positions_m[:, :, :6],
        forecasts.probabilities,
    )
    for name, rows_ in {"long": forecasts, "short": short}.items():
        write_forecasts(tmp_path / f"{name}.parquet", rows_)
    files = [tmp_path / "long.parquet", tmp_path / "short.parquet"]
    document = score_streams(files, tmp_path / "t.parquet").as_json()
    assert document["comparisons"][0]["metrics"] == document["comparisons"][0]["temporal"] == {}
    assert len(said(document, "its leads (6 up to 3 s) are not those of long (12 up to 6 s)")) == 1
    print_table(document)
    assert "short − long: of other leads, not compared" in capsys.readouterr().out
    again = score_streams([files[0], files[0]], tmp_path / "t.parquet").as_json()
    assert again["comparisons"][0]["metrics"]["min_fde_1"]["difference"] == 0


def test_one_lead_has_no_dispersion(tmp_path):
    forecasts, truth = cars()
    one = ForecastRows(
        forecasts.track, forecasts.issue_time_s, LEADS[:1], forecasts.positions_m[:, :, :1], forecasts.probabilities
    )
    report = scored(tmp_path, one, truth)
    assert report["temporal"]["dispersion_m"] == {
        "value": None,
        "count": 0,
        "ci_low": None,
        "ci_high": None,
    } or np.isnan(report["temporal"]["dispersion_m"]["value"])
    assert report["temporal"]["convergence_s"]["1.0"]["count"] > 0
    assert len(said(report, "two leads or more, and there is one")) == 1
    assert not dispersion_of(np.zeros((3, 1, 2))).valid.any()


def test_motion_that_nobody_makes_is_told(tmp_path):
    forecasts, truth = cars()
    padded = forecasts.positions_m.copy()
    padded[:, :, 8:] = 0.0
    assert len(said(scored(tmp_path, replace(forecasts, positions_m=padded), truth), "faster than 100 m/s")) == 1
    small = replace(forecasts, positions_m=forecasts.positions_m * 1e-5)
    in_degrees = TruthRows(truth.track, truth.time_s, truth.positions_m * 1e-5)
    assert len(said(scored(tmp_path, small, in_degrees), "degrees")) == 1
    in_mm = TruthRows(truth.track, truth.time_s, truth.positions_m * 1e3)
    assert said(
        scored(tmp_path, replace(forecasts, positions_m=forecasts.positions_m * 1e3), in_mm),
        "observations of the truth",
    )
    covariances = np.broadcast_to(1e-12 * np.eye(2), (*forecasts.positions_m.shape, 2)).copy()
    assert (
        len(said(scored(tmp_path, replace(forecasts, covariances_m2=covariances), truth), "standard deviations")) == 1
    )


@pytest.mark.parametrize(("shift", "where"), [(-1, "one lead earlier"), (1, "one lead later")])
def test_a_shift_by_one_lead_is_told(tmp_path, shift, where):
    forecasts, truth = cars((0.1, 0.2))
    moved = forecasts.positions_m + np.array([shift * 2.5, 0.0])
    report = scored(tmp_path, replace(forecasts, positions_m=moved), truth)
    assert len(said(report, where)) == 1
    assert not said(scored(tmp_path, forecasts, truth), "one lead")
    # Who says that a moving car stands is wrong, not shifted.
    here = np.broadcast_to(truth.positions_m[:, None, None], forecasts.positions_m.shape).copy()
    assert not said(scored(tmp_path, replace(forecasts, positions_m=here), truth), "one lead")


def test_y_negated_is_told(tmp_path):
    forecasts, truth = cars((0.1, 0.2))
    report = scored(tmp_path, replace(forecasts, positions_m=forecasts.positions_m * (1, -1)), truth)
    assert len(said(report, "y negated")) == 1
