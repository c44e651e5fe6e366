"""Rows of any rate against rows of truth, without nuScenes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.consistency import dispersion
from forecast.eval.forecasts import write_forecasts, write_truth
from forecast.eval.strata import strata_of_rows
from forecast.scoring.stream_scores import score_streams


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
    import forecast.eval.formats.forecast_file as files

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


GEOJSON = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"layer": "drivable_area"},
            # The first two tracks (y = 0 and 3 m) are on the road, the third (6 m) never is.
            "geometry": {"type": "Polygon", "coordinates": [[[-50, -2], [500, -2], [500, 5], [-50, 5], [-50, -2]]]},
        }
    ],
}


def with_spread(rows: ForecastRows, variance_m2: float) -> ForecastRows:
    covariances = np.broadcast_to(variance_m2 * np.eye(2), (*rows.positions_m.shape, 2))
    one = np.tile([1.0, 0.0], (len(rows), 1))
    return replace(rows, covariances_m2=covariances.copy(), probabilities=one)


def scored(folder: Path, rows: ForecastRows, truth: TruthRows, *options: str) -> dict[str, Any]:
    write_forecasts(folder / "f.parquet", rows)
    write_truth(folder / "t.csv", truth)
    out = folder / "r.json"
    assert (
        main(["score", str(folder / "f.parquet"), "--truth", str(folder / "t.csv"), "--out", str(out), *options]) == 0
    )
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def road_at(folder: Path, x0: float, y0: float, x1: float, y1: float) -> str:
    ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
    feature = {"properties": {"layer": "drivable_area"}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    (folder / "m.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return str(folder / "m.geojson")


def test_a_map_that_lies_elsewhere_is_refused_or_told(tmp_path, refused):
    forecasts, truth = straight(2.0, tracks=1)
    starts = forecasts.positions_m[:, 0, 0]
    (x0, y0), (x1, y1) = starts.min(0) - 9, starts.max(0) + 9
    report = scored(tmp_path, forecasts, truth, "--map", road_at(tmp_path, x0, y0, x1 + 99, y1))
    assert report["coverage"]["begin_on_the_road"] == len(forecasts)
    assert not [line for line in report["warnings"] if "road" in line]
    # Beside it by some metres; where half of it is missing.
    for place, said in (
        ((x0, y0 + 30, x1, y1 + 30), f"only 0 of {len(forecasts)} forecasts begin on the road of map m"),
        ((x0 - 500, y0, x0 - 20, y1), "forecasts begin on or within 50 m of the road of map m"),
    ):
        (line,) = (
            line
            for line in scored(tmp_path, forecasts, truth, "--map", road_at(tmp_path, *place))["warnings"]
            if "road" in line
        )
        assert said in line
    files = [
        "score",
        str(tmp_path / "f.parquet"),
        "--truth",
        str(tmp_path / "t.csv"),
        "--out",
        str(tmp_path / "no.json"),
    ]
    for place in ((x0 + 5000, y0, x1 + 5000, y1), (x0, y0 - 300, x1, y1 - 300)):
        said = refused([*files, "--map", road_at(tmp_path, *place)])
        assert f"none of {len(forecasts)} forecasts begin on or within 50 m of the road of map m" in said
    assert not (tmp_path / "no.json").exists()


def test_full_distribution_and_a_map_of_polygons(tmp_path):
    (tmp_path / "road.geojson").write_text(json.dumps(GEOJSON))
    forecasts, truth = straight(2.0, off_m=0.5)
    report = scored(tmp_path, with_spread(forecasts, 1e-8), truth, "--map", str(tmp_path / "road.geojson"))
    metrics = report["metrics"]
    # No spread to speak of: the full distribution is its only mode.
    for full, likeliest in (("ade_f_m", "min_ade_1"), ("fde_f_m", "min_fde_1")):
        assert metrics[full]["value"] == pytest.approx(metrics[likeliest]["value"], abs=1e-3)
        assert metrics[full]["count"] == metrics[likeliest]["count"]
    # Half a metre a second to the left: the second track leaves at 4 s, the third is never on the road.
    for name in ("off_road_exact_ml", "off_road_exact_f"):
        assert metrics[name]["value"] == pytest.approx(2 / 3)
    assert report["off_road_rule"] == "exact"
    assert not {"nll_nats", "ade_f_m", "off_road_exact_rate"} & set(report["not_computable"])


def test_samples_of_a_wide_distribution_have_its_mean_error(tmp_path):
    forecasts, truth = straight(2.0)
    metrics = scored(tmp_path, with_spread(forecasts, 4.0), truth, "--samples", "400")["metrics"]
    # Distance of a round Gaussian from its centre: Rayleigh, mean sigma sqrt(pi / 2).
    assert metrics["ade_f_m"]["value"] == pytest.approx(2 * np.sqrt(np.pi / 2), rel=0.01)
    assert metrics["fde_f_m"]["value"] == pytest.approx(2 * np.sqrt(np.pi / 2), rel=0.02)


def test_without_covariances_it_says_so(tmp_path):
    forecasts, truth = straight(2.0)
    why = scored(tmp_path, forecasts, truth)["not_computable"]
    assert {"nll_nats", "ade_f_m", "fde_f_m", "off_road_f", "off_road_rate"} <= set(why)
    assert "covariances" in why["nll_nats"]
    assert "--map" in why["off_road_rate"]


def test_partly_forecast_points(tmp_path):
    forecasts, truth = straight(2.0, off_m=0.5)
    full, partly = scored(tmp_path, forecasts, truth), scored(tmp_path, forecasts, truth, "--minimum-leads", "3")
    assert (full["window"], partly["window"], partly["minimum_leads"]) == ("full", "partial", 3)
    # Of 24 observations a track, the first 12 have fewer than 12 forecasts, the first 3 fewer than 3.
    assert full["temporal"]["dispersion_rms_m"]["count"] == 3 * 12
    assert partly["temporal"]["dispersion_rms_m"]["count"] == 3 * 21


def test_successive_forecasts_that_agree(tmp_path):
    temporal = scored(tmp_path, *straight(2.0))["temporal"]
    for name in ("overlap_m", "endpoint_jitter_m", "mode_flip_rate", "closest_mode_dispersion_rms_m"):
        assert temporal[name]["value"] == pytest.approx(0.0, abs=1e-6)
    assert temporal["overlap_m"]["count"] == 3 * 23
    assert temporal["closest_mode_convergence_s"]["1.0"]["value"] == pytest.approx(6.0)
    # Half a metre a second sideways: the later forecast is 0.25 m nearer wherever both speak.
    assert scored(tmp_path, *straight(2.0, off_m=0.5), "--transport")["temporal"]["overlap_m"][
        "value"
    ] == pytest.approx(0.25)


def test_who_stands_has_no_heading_and_no_manoeuvre_but_standing():
    step_s, future = 0.5, np.array([[4.0, 0.0], [9.0, 0.0], [15.0, 0.0]])
    past = np.array([[[0.0, 0], [0, 0]], [[0, -0.1], [0, 0]], [[0, -0.3], [0, 0]], [[-0.3, 0], [0, 0]]])
    found = strata_of_rows(past, np.stack([future] * 4), step_s)
    assert found["manoeuvre"].tolist() == ["unknown", "unknown", "right", "straight"]
    assert strata_of_rows(past[:1], np.zeros((1, 3, 2)), step_s)["manoeuvre"].tolist() == ["stationary"]


def test_strata_worst_cases_and_details_of_rows(tmp_path):
    files = [tmp_path / name for name in ("page.html", "samples.csv", "points.csv")]
    options = [f"--{name}={path}" for name, path in zip(("html", "per-sample", "per-point"), files, strict=True)]
    report = scored(tmp_path, *straight(2.0, off_m=0.5), *options)
    strata = report["strata"]
    assert list(strata["speed"]) == ["10 m/s and more", "unknown"]  # at the first observation nothing is known
    assert strata["manoeuvre"]["straight"]["min_fde_1"]["count"] == 3 * 11
    page = files[0].read_text()
    assert "worst 3 cases" in page  # one a track
    assert "10 m/s and more" in page
    import pyarrow.csv

    samples, points = (pyarrow.csv.read_csv(file) for file in files[1:])
    assert samples.num_rows == 3 * 24
    assert {"track", "issue_time_s", "speed", "manoeuvre", "min_ade_1"} <= set(samples.column_names)
    assert points.num_rows == 3 * 24
    assert {"track", "time_s", "dispersion_rms_m", "convergence_s.1.0"} <= set(points.column_names)


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
        (["f.csv", "--dataroot", "d", "--version", "v", "--split", "s"], "no such folder"),
        (["f.json", "--dataroot", "d"], "--split missing"),
        (["f.json", "--truth", "t.csv"], "f.json"),
        (["f.csv", "--truth", "t.csv", "--split", "mini_val"], "--split"),
        (["f.csv", "--truth", "t.csv", "--population", "challenge"], "--population"),
        (["f.csv", "--truth", "t.csv"], "t.csv"),
        (["f.csv", "--truth", "t.csv", "--map", "m.geojson"], "m.geojson"),
        (["f.csv", "--truth", "t.csv", "--samples", "0"], "--samples 0"),
        (["f.csv", "--truth", "t.csv", "--exact-off-road"], "--exact-off-road"),
        (["f.json", "--dataroot", "d", "--version", "v", "--split", "s", "--map", "m.json"], "--map"),
    ],
)
def test_wrong_combinations(tmp_path: Path, refused, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused(["score", *arguments, "--out", "r.json"])


HALF_SECONDS = tuple(0.5 * np.arange(1, 13))


def of_tracks(*tracks: tuple[str, list[float]], lead_s: Any = HALF_SECONDS) -> tuple[ForecastRows, TruthRows]:
    """Tracks at 2 m/s, each forecast at its own times with a sideways error of a tenth of the lead."""
    lead_s = np.asarray(lead_s, dtype=np.float64)
    names = np.concatenate([[name] * len(times) for name, times in tracks])
    issue_s = np.concatenate([times for _, times in tracks])
    ahead = np.stack([2 * (issue_s[:, None] + lead_s), np.broadcast_to(0.1 * lead_s, (len(names), len(lead_s)))], -1)
    clock = np.arange(0, 40, 0.5)
    known = np.stack([2 * clock, np.zeros(len(clock))], -1)
    truth = TruthRows(
        np.repeat([name for name, _ in tracks], len(clock)),
        np.tile(clock, len(tracks)),
        np.tile(known, (len(tracks), 1)),
    )
    return ForecastRows(names, issue_s, lead_s, ahead[:, None], np.ones((len(names), 1))), truth


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_order_of_tracks_changes_nothing(tmp_path, suffix):
    once, often = ("a", [0.0]), ("b", [float(second) for second in range(13)])
    found = []
    for order in ((once, often), (often, once)):
        forecasts, truth = of_tracks(*order)
        write_forecasts(tmp_path / f"f{suffix}", forecasts, flat=suffix == ".csv")
        write_truth(tmp_path / "t.csv", truth)
        found.append(score_streams([tmp_path / f"f{suffix}"], tmp_path / "t.csv").as_json())
        assert found[-1]["temporal"]["dispersion_m"]["value"] == pytest.approx(
            dispersion(forecasts, truth).mean.value, abs=1e-9
        )
    assert found[0]["matching"] == found[1]["matching"] == {"step_s": 1.0, "tolerance_s": 0.1}
    np.testing.assert_equal(found[0]["temporal"], found[1]["temporal"])  # intervals of one track are NaN


@pytest.mark.parametrize(
    ("issues", "lead_s"), [([0.0, 8.0], 0.5 * np.arange(1, 13)), ([0.0, 0.5, 1.0], [1.0, 2.0, 3.0, 5.0, 8.0])]
)
def test_where_successive_forecasts_never_meet_accuracy_is_scored_all_the_same(tmp_path, issues, lead_s):
    forecasts, truth = of_tracks(("a", issues), ("b", issues), lead_s=lead_s)
    report = scored(tmp_path, forecasts, truth)
    assert report["metrics"]["min_ade_1"]["count"] == len(forecasts)
    assert report["metrics"]["min_ade_1"]["value"] == pytest.approx(0.1 * np.mean(lead_s))
    assert report["temporal"]["dispersion_rms_m"] == {"value": None, "count": 0, "ci_low": None, "ci_high": None}
    assert any("dispersion and convergence cannot be computed: the forecasts have no" in w for w in report["warnings"])


def test_a_forecast_without_a_step_to_compare_counts_nowhere(tmp_path):
    rows, truth = of_tracks(("a", [0.0, 0.5]), lead_s=[0.5, 1.0])
    rows.positions_m[0, :, 1] = np.nan  # the first speaks of 0.5 s alone
    later = TruthRows(truth.track[2:3], truth.time_s[2:3], truth.positions_m[2:3])  # known at 1 s alone
    rows = replace(rows, covariances_m2=np.broadcast_to(np.eye(2), (2, 1, 2, 2, 2)).copy())
    report = scored(tmp_path, rows, later)
    assert report["metrics"]["nll_nats"]["count"] == report["metrics"]["min_ade_1"]["count"] == 1
    assert report["metrics"]["nll_nats"]["value"] == pytest.approx(np.log(2 * np.pi) + 0.05**2 / 2)
    assert report["coverage"]["agent_samples_without_truth"] == 1


def test_differences_on_one_track_have_no_interval(tmp_path, capsys):
    rows, truth = of_tracks(("a", [0.0, 0.5, 1.0]), ("b", [0.0, 0.5]))
    other, also = of_tracks(("a", [0.0, 0.5, 1.0]), ("c", [0.0]))
    of_c = also.track == "c"
    write_truth(
        tmp_path / "t.csv",
        TruthRows(
            np.concatenate([truth.track, also.track[of_c]]),
            np.concatenate([truth.time_s, also.time_s[of_c]]),
            np.concatenate([truth.positions_m, also.positions_m[of_c]]),
        ),
    )
    for name, found in (("one[v2]", rows), ("two", other)):
        write_forecasts(tmp_path / f"{name}.csv", found)
    files = [str(tmp_path / "one[v2].csv"), str(tmp_path / "two.csv")]
    assert main(["score", *files, "--truth", str(tmp_path / "t.csv"), "--out", str(tmp_path / "r.json")]) == 0
    (pair,) = json.loads((tmp_path / "r.json").read_text())["comparisons"]
    assert pair["metrics"]["min_ade_1"]["count"] == 3
    assert pair["metrics"]["min_ade_1"]["ci_low"] is None
    printed = capsys.readouterr().out
    assert "one[v2]" in printed
    assert "[nan" not in printed
