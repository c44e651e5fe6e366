"""Pictures of scenes and of successive forecasts: what they show is what the data and the metrics say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from PIL import Image

from forecast.cli.main import main
from forecast.core.agents import AgentType
from forecast.core.errors import DataError, SubmissionError
from forecast.core.rows import ForecastRows
from forecast.eval.consistency import convergence_to_range, dispersion
from forecast.eval.forecasts import write_forecasts
from forecast.eval.formats.submission_json import write_submission
from forecast.model.cvae import CVAE
from forecast.pictures.agent_forecasts import ForecastSource, open_forecasts
from forecast.pictures.animation import _colours, draw_frame
from forecast.pictures.key_frame_agents import moment_at
from forecast.pictures.map_background import View
from forecast.pictures.picture_subject import chosen_frame, chosen_point
from forecast.pictures.point_forecasts import points_of, successive_at
from forecast.pictures.scene_picture import EGO, FORECAST, OTHER, TARGET, TRUTH, draw_scenes
from forecast.prediction.checkpoint import save_checkpoint
from forecast.prediction.predictor import predict
from forecast.scoring.dataset_join import Joined
from forecast.training.config import load_config


@pytest.fixture(scope="module")
def scene(town) -> str:
    return str(town.dataset.scenes_of("mini_val")[0])


@pytest.fixture(scope="module")
def moment(town, scene: str):
    return moment_at(town.dataset, chosen_frame(town.dataset.tracks, scene, None))


@pytest.fixture(scope="module")
def source(town, dense_file: Path) -> ForecastSource:
    return open_forecasts(dense_file, town.dataset)


@pytest.fixture(scope="module")
def found(town, scene: str, source: ForecastSource):
    tracks = town.dataset.tracks
    return successive_at(tracks, chosen_point(tracks, scene, None, None, 12), source, steps=12, step_s=0.5)


def test_a_moment_is_everybody_at_its_key_frame(town, moment, scene: str) -> None:
    tracks = town.dataset.tracks
    frames = tracks.frames_of(scene)
    assert moment.frame == len(frames) // 2
    assert moment.ego.sum() == 1
    assert (tracks.row_sample[moment.rows] == frames[moment.frame]).all()
    # Targets are exactly the dense population of the key frame.
    dense = town.dataset.samples("mini_val", dense=True).rows
    np.testing.assert_array_equal(
        np.sort(moment.rows[moment.targets]), np.sort(dense[tracks.row_sample[dense] == moment.sample])
    )
    assert (moment.types[moment.targets] == AgentType.VEHICLE).all()


def test_all_sources_of_the_same_forecasts_agree(town, moment, tmp_path: Path, small_settings) -> None:
    save_checkpoint(tmp_path / "net.safetensors", CVAE(load_config("gain", settings=small_settings).model), {})
    submission = predict(tmp_path / "net.safetensors", town.root, "v1.0-mini", "mini_val", dense=True)
    write_submission(tmp_path / "net.json", submission)
    tracks = town.dataset.tracks
    time_of = dict(zip(tracks.sample_tokens.tolist(), (tracks.sample_time_us * 1e-6).tolist(), strict=True))
    issued = [time_of[token] for token in submission.sample_tokens.tolist()]
    write_forecasts(tmp_path / "net.parquet", replace(submission, issue_time_s=issued))
    rows = moment.rows[moment.targets]
    first, *others = (
        open_forecasts(tmp_path / f"net.{kind}", town.dataset).of(rows) for kind in ("safetensors", "json", "parquet")
    )
    assert first.known.all()
    for other in others:
        np.testing.assert_allclose(other.positions_m, first.positions_m, atol=1e-4)
        np.testing.assert_allclose(other.probabilities, first.probabilities, atol=1e-5)


def test_who_is_not_in_a_file_has_no_forecast(town, moment, source: ForecastSource) -> None:
    ego = moment.rows[moment.ego]
    mixed = np.concatenate([ego, moment.rows[moment.targets][:1]])
    answers = source.of(mixed)
    assert answers.known.tolist() == [False, True]
    assert np.isnan(answers.most_likely_m()[0]).all()
    assert np.isfinite(answers.most_likely_m()[1]).all()


def test_the_most_likely_of_modes_with_gaps() -> None:
    positions = np.arange(2 * 3 * 1 * 2, dtype=float).reshape(2, 3, 1, 2)
    probabilities = np.array([[0.2, 0.5, np.nan], [np.nan, np.nan, 0.1]])
    rows = ForecastRows(
        np.array(["a", "b"]), np.zeros(2), np.arange(1, positions.shape[2] + 1), positions, probabilities
    )
    np.testing.assert_array_equal(rows.most_likely_m()[:, 0], [[2, 3], [10, 11]])


def test_north_is_up_and_a_pose_can_be(moment) -> None:
    centre = np.array([100.0, 50.0])
    np.testing.assert_allclose(View.north_up(centre)(np.array([103.0, 57.0])), [3.0, 7.0], atol=1e-12)
    # A car that heads west: what lies west of it is ahead, north of it to its right.
    np.testing.assert_allclose(View(np.array([0, 0, np.pi]))(np.array([-5.0, 2.0])), [2.0, 5.0], atol=1e-12)


def test_panels_share_their_window_and_say_what_is_on_them(town, moment, source: ForecastSource) -> None:
    truth_m = moment.truth_m(town.dataset.tracks, 12)
    answers = source.of(moment.rows[moment.targets])
    figure = draw_scenes(moment, [("one", answers), ("two", answers)], truth_m)
    one, two = figure.axes
    assert one.get_xlim() == two.get_xlim()
    assert one.get_ylim() == two.get_ylim()
    assert one.get_aspect() == two.get_aspect() == 1.0
    assert (one.get_xlabel(), one.get_ylabel()) == ("east, m", "north, m")
    off_m = np.linalg.norm(answers.most_likely_m() - truth_m, axis=-1)
    scored = int(np.isfinite(off_m).any(1).sum())
    assert (
        one.get_title() == f"one\nmost likely modes of all {scored} vehicles: {np.nanmean(off_m):.1f} m off on average"
    )
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"forecast, p = 90%", "ego vehicle", "truth, marks every 2 s"} <= set(labels)


def test_probable_modes_are_thicker_and_improbable_ones_are_left_out(town, moment) -> None:
    rows = moment.rows[moment.targets]
    start = town.dataset.tracks.row_position_m[rows]
    paths = start[:, None, None] + np.linspace(1, 30, 12)[:, None] * np.array(
        [[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]]]
    )
    likely = np.tile([0.6, 0.395, 0.005], (len(rows), 1))
    lead_s = 0.5 * np.arange(1, paths.shape[2] + 1)
    answers = ForecastRows(np.arange(len(rows)), np.zeros(len(rows)), lead_s, paths, likely)
    (panel,) = draw_scenes(moment, [("net", answers)], moment.truth_m(town.dataset.tracks, 12)).axes
    lines = [drawn for drawn in panel.collections if isinstance(drawn, LineCollection)]
    widths = [line.get_linewidth()[0] for line in lines if to_rgb(FORECAST) == tuple(line.get_color()[0][:3])]
    assert len(widths) == 2 * len(rows)
    assert len(set(widths)) == 2
    assert max(widths) > min(widths) + 0.3


def test_colours_differ_in_greyscale() -> None:
    def luminance(colour: object) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear)) ** (1 / 2.2)

    shades = sorted(luminance(colour) for colour in (TRUTH, TARGET, FORECAST, EGO, OTHER, "#e4e4e4"))
    assert np.diff(shades).min() > 0.03
    assert luminance(FORECAST) < 0.6 * luminance("#e4e4e4")


def test_issues_get_darker_with_time(found) -> None:
    shades = [np.dot([0.299, 0.587, 0.114], colour[:3]) for colour in _colours(found)]
    assert (np.diff(shades) < -0.01).all()


def test_d_and_c_beside_the_animation_are_the_metrics(town, found, dense_file: Path, source: ForecastSource) -> None:
    """Against the metrics themselves, over all forecasts of the file."""
    from forecast.eval.formats.submission_json import read_submission

    dataset, submission = town.dataset, read_submission(dense_file)
    tracks = dataset.tracks
    pairs = zip(submission.track, submission.sample_tokens, strict=True)
    rows = np.array([dataset.locate(str(agent), str(sample)) for agent, sample in pairs])
    joined = Joined(submission, tracks, rows, np.zeros((len(rows), 12, 2)), np.arange(0), 0)
    forecasts, truth = joined.forecast_rows(), joined.truth_rows()
    measured = dispersion(forecasts, truth)
    track = np.searchsorted(tracks.first_row, found.point_row, side="right") - 1
    first = tracks.frames_of(str(tracks.scene_names[tracks.track_scene[track]]))[0]
    time_s = (tracks.row_sample[found.point_row] - first) * 0.5
    here = (measured.points.track == tracks.track_tokens[track]) & np.isclose(measured.points.time_s, time_s)
    assert here.sum() == 1
    assert found.dispersion_m(12) == pytest.approx(measured.scores.values[here][0], abs=1e-9)
    for tau_m, points in convergence_to_range(forecasts, truth).items():
        assert found.within_s(tau_m, 12) == points.scores.values[here][0]


def test_frames_say_the_numbers_they_show(town, found) -> None:
    for issued in (1, 7, 13):
        figure = draw_frame(town.dataset, found, issued, "net")
        titles = [axes.get_title() for axes in figure.axes]
        count = min(issued, 12)
        assert titles[1].endswith(f"D = {found.dispersion_m(count):.2f} m")
        values = " / ".join(f"{found.within_s(tau, count):g}" for tau in (0.2, 1.0, 5.0))
        assert titles[2] == f"convergence to range: C(0.2 / 1 / 5 m) = {values} s"
        assert ("t̂ has come" in titles[0]) == (issued == 13)
        assert figure.axes[0].get_aspect() == figure.axes[1].get_aspect() == 1.0


def test_running_convergence_ends_where_a_forecast_leaves_the_range(found) -> None:
    off = found.off_m
    for issued in range(1, 13):
        newest = off[:issued][::-1] <= 1.0
        expected = 0.5 * (np.argmin(newest) if not newest.all() else issued)
        assert found.within_s(1.0, issued) == expected


def test_the_animation_has_a_frame_an_issue(town, scene: str, dense_file: Path, tmp_path: Path) -> None:
    data = ["--dataroot", str(town.root), "--version", "v1.0-mini", "--scene", scene]
    assert main(["draw", str(dense_file), *data, "--out", str(tmp_path / "a.gif")]) == 0
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.format == "GIF"
        assert picture.n_frames == 13
        durations = []
        for frame in range(13):
            picture.seek(frame)
            durations.append(picture.info["duration"])
        assert durations == [700] * 12 + [4000]
        seen = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    # The road's grey is exactly that, whatever the palette.
    assert (seen == np.rint(np.array(to_rgb("#e4e4e4")) * 255).astype(int)).all(1).sum() > 1000
    assert (tmp_path / "a.gif").stat().st_size < 500_000


def test_points_have_a_forecast_at_every_step_before(town) -> None:
    tracks = town.dataset.tracks
    for track in range(0, len(tracks.track_tokens), 7):
        first, end = tracks.first_row[track : track + 2].tolist()
        expected = [
            row
            for row in range(first, end)
            if all((tracks.row_sample[first + 1 : end] == tracks.row_sample[row] - lead).any() for lead in range(1, 13))
        ]
        assert points_of(tracks, track, 12).tolist() == expected


@pytest.mark.parametrize(("name", "magic"), [("p.png", b"\x89PNG"), ("p.pdf", b"%PDF")])
def test_draw_writes_pictures(town, scene: str, dense_file: Path, tmp_path: Path, name: str, magic: bytes) -> None:
    data = ["--dataroot", str(town.root), "--version", "v1.0-mini", "--scene", scene]
    assert main(["draw", str(dense_file), *data, "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_draw_two_models_as_svg(town, dense_file: Path, tmp_path: Path) -> None:
    data = ["--dataroot", str(town.root), "--version", "v1.0-mini", "--split", "mini_val"]
    out = tmp_path / "two.svg"
    assert main(["draw", str(dense_file), str(dense_file), *data, "--names", "one, two", "--out", str(out)]) == 0
    assert ElementTree.parse(out).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "p.jpeg"], "p.jpeg: expected a name that ends in .png"),
        (["--scene", "scene-9999"], "no scene 'scene-9999'"),
        (["--frame", "400"], "has no key frame 400"),
        (["--names", "a,b"], "2 names for 1 models"),
        (["--agent", "nobody"], "no instance 'nobody'"),
        (["--agent", "nobody", "--out", "p.gif"], "no instance 'nobody'"),
        (["--frame", "3", "--out", "p.gif"], "choose a later key frame"),
        (["--dataroot", "/nowhere"], "/nowhere"),
    ],
)
def test_a_mistake_is_one_line(
    town, dense_file: Path, tmp_path: Path, refused: Callable[[list[str]], str], monkeypatch, options, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = ["--dataroot", str(town.root), "--version", "v1.0-mini", "--split", "mini_val", "--out", "p.png"]
    assert said in refused(["draw", str(dense_file), *data, *options])
    assert not list(tmp_path.iterdir())


def test_forecasts_that_are_missing_are_counted(town, scene: str, tmp_path: Path) -> None:
    whole = town.forecasts(dense=True)
    kept = np.arange(len(whole)) % 3 > 0
    parts = (whole.track, whole.sample_tokens, whole.positions_m, whole.probabilities)
    write_submission(tmp_path / "sparse.json", ForecastRows.at_key_frames(*(part[kept] for part in parts)))
    sparse = open_forecasts(tmp_path / "sparse.json", town.dataset)
    tracks = town.dataset.tracks
    with pytest.raises(SubmissionError, match=r"sparse: lacks \d+ forecasts .* --dense"):
        successive_at(tracks, chosen_point(tracks, scene, None, None, 12), sparse, steps=12, step_s=0.5)


def test_rows_of_another_data_set_are_refused(town, tmp_path: Path) -> None:
    other = replace(town.forecasts(), issue_time_s=np.arange(len(town.forecasts())))
    write_forecasts(tmp_path / "other.parquet", other)
    with pytest.raises(SubmissionError, match="none of its"):
        open_forecasts(tmp_path / "other.parquet", town.dataset)


def test_a_frame_beyond_the_scene_is_named(town, scene: str) -> None:
    with pytest.raises(DataError, match="its key frames are 0 to"):
        chosen_frame(town.dataset.tracks, scene, -1)
