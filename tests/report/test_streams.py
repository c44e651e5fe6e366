"""Rows of any rate against rows of truth, without nuScenes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import write_forecasts, write_truth
from forecast.report.streams import score_streams


def straight(rate_hz: float, *, off_m: float = 0.0, tracks: int = 3) -> tuple[ForecastRows, TruthRows]:
    """Tracks at 10 m/s for 12 s, forecast perfectly, save for a sideways error that grows by ``off_m`` a second."""
    steps = round(12 * rate_hz)
    time_s = 1.5e9 + np.arange(steps) / rate_hz
    lead_s = np.arange(1, round(6 * rate_hz) + 1) / rate_hz
    names = np.repeat([f"track {number}" for number in range(tracks)], steps)
    clock = np.tile(time_s, tracks)
    here = np.stack([10 * (clock - 1.5e9), np.repeat(3.0 * np.arange(tracks), steps)], -1)
    ahead = np.stack([10 * lead_s, off_m * lead_s], -1)
    modes = here[:, None, None] + np.stack([ahead, ahead + np.array([0.0, 20.0])])[None]
    likely = np.tile([0.7, 0.3], (len(names), 1))
    return ForecastRows(names, clock, lead_s, modes, likely), TruthRows(names, clock, here)


@pytest.mark.parametrize(
    ("rate_hz", "suffix", "flat"), [(2.0, ".parquet", False), (5.0, ".parquet", True), (10.0, ".csv", True)]
)
def test_any_rate_and_form(tmp_path, rate_hz, suffix, flat):
    forecasts, truth = straight(rate_hz, off_m=0.5)
    file, answers = tmp_path / f"forecasts{suffix}", tmp_path / f"tracks{suffix}"
    write_forecasts(file, forecasts, flat=flat)
    write_truth(answers, truth)
    out, page = tmp_path / "report.json", tmp_path / "report.html"
    assert main(["score", str(file), "--truth", str(answers), "--out", str(out), "--html", str(page)]) == 0
    report = json.loads(out.read_text())
    # The error at a lead of t seconds is t / 2 metres: 3 m at 6 s, and within 1 m up to 2 s.
    steps = round(6 * rate_hz)
    assert report["metrics"]["min_fde_1"]["value"] == pytest.approx(3.0, abs=1e-6)
    assert report["metrics"]["min_fde_1"]["count"] == 3 * steps
    assert report["temporal"]["convergence_s"]["1.0"]["value"] == pytest.approx(2.0)
    lead_s = np.arange(1, steps + 1) / rate_hz
    assert report["temporal"]["dispersion_rms_m"]["value"] == pytest.approx(np.std(0.5 * lead_s), abs=1e-6)
    assert report["temporal"]["dispersion_rms_m"]["count"] == 3 * steps
    assert set(report["not_computable"]) >= {"nll_nats", "off_road_rate"}
    assert "hardest" in page.read_text()


def test_pieces_give_what_the_whole_gives(tmp_path, monkeypatch):
    import forecast.eval.forecasts as files

    forecasts, truth = straight(2.0, off_m=0.5, tracks=9)
    noise = np.random.default_rng(0).normal(0, 1, forecasts.positions_m.shape)
    noisy = ForecastRows(
        forecasts.track,
        forecasts.issue_time_s,
        forecasts.lead_s,
        forecasts.positions_m + noise,
        np.random.default_rng(1).dirichlet([1, 1], len(forecasts)),
        covariances_m2=np.broadcast_to(np.eye(2), (*noise.shape, 2)),
    )
    write_forecasts(tmp_path / "f.parquet", noisy)
    write_truth(tmp_path / "t.parquet", truth)
    whole = score_streams([tmp_path / "f.parquet"], tmp_path / "t.parquet").as_json()
    monkeypatch.setattr(files, "NESTED_CHUNK_ROWS", 40)
    pieces = score_streams([tmp_path / "f.parquet"], tmp_path / "t.parquet").as_json()
    assert whole["metrics"]["nll_nats"]["count"] > 0
    for group in ("metrics", "coverage", "calibration"):
        for name, figure in whole[group].items():
            found = pieces[group][name]
            value, again = (figure["value"], found["value"]) if isinstance(figure, dict) else (figure, found)
            np.testing.assert_allclose(again, value, rtol=1e-9, err_msg=name)
    assert pieces["temporal"]["dispersion_rms_m"]["value"] == pytest.approx(
        whole["temporal"]["dispersion_rms_m"]["value"]
    )


def test_nothing_that_matches_is_an_error(tmp_path, refused):
    forecasts, truth = straight(2.0)
    write_forecasts(tmp_path / "f.parquet", forecasts)
    write_truth(tmp_path / "t.csv", TruthRows(truth.track, truth.time_s + 1000.25, truth.positions_m))
    arguments = ["score", str(tmp_path / "f.parquet"), "--truth", str(tmp_path / "t.csv")]
    assert "same clock" in refused([*arguments, "--out", str(tmp_path / "r.json")])
    write_truth(tmp_path / "t.csv", TruthRows(np.char.add("other ", truth.track), truth.time_s, truth.positions_m))
    assert "track names" in refused([*arguments, "--out", str(tmp_path / "r.json")])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["f.parquet"], "add --truth"),
        (["f.csv", "--dataroot", "d", "--version", "v", "--split", "s"], "add --truth"),
        (["f.json", "--dataroot", "d"], "--version, --split missing"),
        (["f.json", "--truth", "t.csv"], "f.json"),
        (["f.csv", "--truth", "t.csv", "--split", "mini_val"], "--split"),
        (["f.csv", "--truth", "t.csv", "--population", "challenge"], "--population"),
        (["f.csv", "--truth", "t.csv"], "t.csv"),
    ],
)
def test_wrong_combinations(tmp_path: Path, refused, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused(["score", *arguments, "--out", "r.json"])
