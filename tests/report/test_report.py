"""The evaluator against the devkit's own metrics, what it writes, and how it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.core.rows import ForecastRows
from forecast.eval.formats.submission_json import write_submission
from forecast.pictures.case_pictures import draw_cases
from forecast.report.figures import columns
from forecast.report.latex_table import as_latex
from forecast.report.tables import as_markdown
from forecast.report.terminal_table import print_table
from forecast.scoring.dataset_scores import score_submission
from forecast.scoring.settings import Settings

VERSION, SPLIT = "v1.0-mini", "mini_val"


@pytest.mark.parametrize("world", ["town", "nuscenes"], indirect=True)
def test_equals_the_devkit(world, tmp_path):
    from nuscenes import NuScenes
    from nuscenes.eval.prediction.compute_metrics import compute_metrics
    from nuscenes.eval.prediction.config import PredictionConfig
    from nuscenes.eval.prediction.metrics import MinADEK, MinFDEK, MissRateTopK, OffRoadRate, RowMean
    from nuscenes.prediction import PredictHelper

    path = tmp_path / "forecasts.json"
    submission = world.forecasts()
    # On real data that is all of them; the devkit's off-road rate is slow, the town is enough for it.
    on_town = (world.root / "town.json").exists()
    chosen = np.arange(len(submission))[:61]
    write_submission(path, world.part_of(submission, chosen))
    ours = score_submission(path, world.dataset, SPLIT, allow_missing=True).as_json()["metrics"]

    helper = PredictHelper(NuScenes(VERSION, str(world.root), verbose=False))
    mean, ks = [RowMean()], [1, 5, 10]
    metrics = [MinADEK(ks, mean), MinFDEK(ks, mean), MissRateTopK(ks, mean)]
    if on_town:
        metrics.append(OffRoadRate(helper, mean))
    theirs = compute_metrics(json.loads(path.read_text()), helper, PredictionConfig(metrics, seconds=6))
    for name, key in {"min_ade_{}": "MinADEK", "min_fde_{}": "MinFDEK", "miss_rate_{}_2m": "MissRateTopK_2.0"}.items():
        found = [ours[name.format(k)]["value"] for k in ks]
        np.testing.assert_allclose(found, theirs[key]["RowMean"], atol=1e-6, rtol=0)
    assert ours["min_ade_1"]["count"] == len(chosen)
    # One mode in two hundred may differ: the devkit draws its map from triangles in a hashed order.
    if on_town:
        assert ours["off_road_rate"]["value"] == pytest.approx(theirs["OffRoadRate"]["RowMean"][0], abs=5e-3)


def test_writes_report_page_and_details(town, dense_file, tmp_path):
    extra = [f"--{name}={tmp_path / name}" for name in ("html", "markdown", "latex", "per-sample", "per-point")]
    out = tmp_path / "report.json"
    population = ["--population", "dense"]
    assert main(["score", str(dense_file), *town.arguments, *population, "--out", str(out), *extra]) == 0
    report = json.loads(out.read_text())
    agents = len(town.dataset.samples(SPLIT))
    assert (report["format_version"], report["name"], report["split"]) == (2, "dense", SPLIT)
    for name in ("min_ade_5", "min_fde_1", "miss_rate_5_2m", "off_road_rate"):
        figure = report["metrics"][name]
        assert figure["count"] == agents
        assert figure["ci_low"] <= figure["value"] <= figure["ci_high"]
    temporal = report["temporal"]
    assert temporal["dispersion_rms_m"]["value"] > temporal["dispersion_m"]["value"] > 0
    assert temporal["dispersion_rms_m"]["value"] > temporal["dispersion_std_of_norms_m"]["value"] > 0
    convergence = [temporal["convergence_s"][tau]["value"] for tau in ("0.2", "1.0", "5.0")]
    assert convergence == sorted(convergence)
    assert temporal["dispersion_rms_m"]["count"] == report["coverage"]["points_used"] > 0
    page = (tmp_path / "html").read_text()
    assert page.count("data:image/png;base64,") >= 3
    assert "://" not in page
    import pyarrow.parquet as pq

    assert pq.read_table(tmp_path / "per-sample").num_rows == agents
    assert pq.read_table(tmp_path / "per-point").num_rows == report["coverage"]["points_annotated"]
    assert f"{report['metrics']['min_ade_1']['value']:.3f}" in (tmp_path / "markdown").read_text()
    assert "\\toprule" in (tmp_path / "latex").read_text()


def test_populations_nest(town, dense_file):
    counts = {}
    for population in ("challenge", "challenge-tracks", "dense"):
        document = score_submission(dense_file, town.dataset, SPLIT, population=population).as_json()
        assert document["population"] == population
        counts[population] = document["coverage"]["forecasts"]
    tracks = town.dataset.tracks
    official, every = town.dataset.samples(SPLIT).rows, town.dataset.samples(SPLIT, dense=True).rows
    listed = np.isin(tracks.row_track[every], tracks.row_track[official])
    assert counts == {"challenge": len(official), "challenge-tracks": listed.sum(), "dense": len(every)}
    assert counts["challenge"] < counts["challenge-tracks"] < counts["dense"]


def test_off_road_exactly_is_near_the_raster(town, tmp_path):
    # Every other mode is moved aside by a few lanes, so that some forecasts surely leave the road.
    swerving = town.forecasts()
    swerving.positions_m[:, ::2] += np.array([4.0, 7.0])
    write_submission(tmp_path / "swerving.json", swerving)
    settings = Settings(exact_road=True)
    metrics = score_submission(tmp_path / "swerving.json", town.dataset, SPLIT, settings=settings).as_json()["metrics"]
    for raster, exact in (("off_road_rate", "off_road_exact_rate"), ("off_road_ml", "off_road_exact_ml")):
        assert metrics[exact]["count"] == metrics[raster]["count"]
        # The raster rounds to pixels of 0.1 m and smooths the path; the polygons know of neither.
        assert metrics[exact]["value"] == pytest.approx(metrics[raster]["value"], abs=0.1)
        assert 0 < metrics[exact]["value"] < 1


def test_forecasts_far_from_their_map_have_no_off_road_rate(town, tmp_path):
    elsewhere = town.forecasts()
    elsewhere.positions_m[:] += 50_000.0
    write_submission(tmp_path / "elsewhere.json", elsewhere)
    settings = Settings(exact_road=True)
    report = score_submission(tmp_path / "elsewhere.json", town.dataset, SPLIT, settings=settings).as_json()
    for name in ("off_road_rate", "off_road_exact_rate"):
        assert report["metrics"][name]["count"] == 0
    assert any("none of" in line and "do not count" in line for line in report["warnings"])


def test_compares_files_on_the_same_agents(town, dense_file, tmp_path):
    other, out = tmp_path / "other.json", tmp_path / "report.json"
    write_submission(other, town.forecasts(seed=1))
    report = score_submission([dense_file, other], town.dataset, SPLIT)
    report.write(out)
    document = json.loads(out.read_text())
    first, second = (body["metrics"]["min_ade_1"]["value"] for body in document["reports"])
    difference = document["comparisons"][0]["metrics"]["min_ade_1"]
    assert difference["difference"] == pytest.approx(second - first)
    assert difference["ci_low"] < difference["difference"] < difference["ci_high"]


def test_draws_left_on_the_left(town, tmp_path):
    from matplotlib.figure import Figure

    from forecast.pictures.agent_picture import Agent, draw_forecast

    # Heading north-east (45 degrees), the mode bends to the agent's left, i.e. to the north-west.
    heading = np.pi / 4
    ahead, left = np.array([np.cos(heading), np.sin(heading)]), np.array([-np.sin(heading), np.cos(heading)])
    agent = Agent(np.array([1000.0, 500.0, heading]), np.array([4.0, 2.0]), np.array([[1000.0, 500.0]]))
    mode = agent.pose_world[:2] + np.linspace(0, 1, 12)[:, None] * (20 * ahead + 10 * left)
    axes = Figure().subplots()
    draw_forecast(axes, agent, np.stack([mode, mode]), np.array([0.75, 0.25]), truth_m=mode)
    lines = {line.get_label(): line.get_xydata() for line in axes.get_lines()}
    np.testing.assert_allclose(lines["truth"][-1], [-10, 20], atol=1e-6)
    assert {"mode 1: 75.0%", "mode 2: 25.0%", "truth", "history"} <= set(lines)
    assert axes.get_aspect() == 1


def test_draws_one_picture_per_agent(town, dense_file, tmp_path):
    rows = town.dataset.samples(SPLIT).rows[:2]
    pictures = draw_cases(tmp_path / "pictures", town.dataset, dense_file, rows.tolist())
    assert len(pictures) == 2
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--split", "mini_vall", "mini_val"), ("--version", "v9", "v9"), ("--dataroot", "/nowhere", "/nowhere")],
)
def test_names_what_is_wrong(town, dense_file, tmp_path, refused, option, value, said):
    arguments = town.arguments
    arguments[arguments.index(option) + 1] = value
    line = refused(["score", str(dense_file), *arguments, "--out", str(tmp_path / "r.json")])
    assert said in line
    assert not (tmp_path / "r.json").exists()


def test_names_what_is_wrong_with_the_file(town, tmp_path, refused):
    out = ["--out", str(tmp_path / "r.json")]
    assert "gone.json" in refused(["score", str(tmp_path / "gone.json"), *town.arguments, *out])
    good, file = town.forecasts(), tmp_path / "f.json"
    write_submission(file, town.part_of(good, np.arange(1, len(good))))
    assert "--allow-missing" in refused(["score", str(file), *town.arguments, *out])
    unknown = ForecastRows.at_key_frames(
        np.where(np.arange(len(good)) == 2, "nobody", good.track),
        good.sample_tokens,
        good.positions_m,
        good.probabilities,
    )
    write_submission(file, unknown)
    line = refused(["score", str(file), *town.arguments, *out])
    assert "entry 2" in line
    assert "nobody" in line
    file.write_text("[{")
    assert str(file) in refused(["score", str(file), *town.arguments, *out])


def test_allows_missing_agents_and_counts_them(town, tmp_path):
    good, file = town.forecasts(), tmp_path / "f.json"
    write_submission(file, town.part_of(good, np.arange(3, len(good))))
    report = score_submission(file, town.dataset, SPLIT, allow_missing=True).as_json()
    assert report["coverage"]["missing_agent_samples"] == 3
    assert report["metrics"]["min_ade_1"]["count"] == len(good) - 3


def two_files(names=("a_model", "b{50%}")):
    figure = {"value": 1.5, "count": 3, "ci_low": 1.0, "ci_high": 2.0}
    bodies = [
        {"name": name, "metrics": {"min_ade_1": figure}, "warnings": ["read this"], "temporal": {"overlap_m": figure}}
        for name in names
    ]
    difference = {"difference": 0.25, "count": 3, "ci_low": 0.1, "ci_high": 0.4}
    pair = {"first": names[0], "second": names[1], "metrics": {"min_fde_1": difference}}
    return {"reports": bodies, "comparisons": [pair]}


def test_tables_leave_out_what_no_file_has():
    document = two_files()
    assert list(columns(document)) == ["minADE_1", "overlap"]
    assert (
        as_markdown(document) == "| forecasts | minADE_1 |\n| --- | ---: |\n| a_model | 1.500 |\n| b{50%} | 1.500 |\n"
    )
    assert as_latex(document).splitlines()[4:6] == [r"a\_model & 1.500 \\", r"b\{50\%\} & 1.500 \\"]


def test_the_terminal_numbers_names_that_do_not_fit(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    print_table(two_files())
    assert "(1)" not in capsys.readouterr().out
    print_table(two_files(("a" * 30, "b" * 30)))
    said = capsys.readouterr().out
    assert f"(1) {'a' * 30}" in said
    assert f"{'b' * 30} − {'a' * 30}: minFDE_1 +0.250 m [0.100, 0.400] on 3 shared agent-samples" in said
    assert "all: read this" in said


@pytest.mark.parametrize("files", [3, 7, 20])
def test_the_terminal_never_breaks_a_figure_in_two(files, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    document = two_files([f"model_{number}" for number in range(files)])
    for number, body in enumerate(document["reports"]):
        body["metrics"]["min_ade_1"] = {"value": 1000.125 + number}
    print_table(document)
    said = capsys.readouterr().out
    assert all(f" {1000.125 + number:.3f} " in said for number in range(files))
    assert max(map(len, said.splitlines()[files:-2])) <= 60
