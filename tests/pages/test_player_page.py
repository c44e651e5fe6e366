"""What a page of the player holds, read without a browser; and what is said where none can be made."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.core.crops import CropSpec
from forecast.core.rows import ForecastRows, TruthRows
from forecast.data.maps.sources import PolygonMap
from forecast.data.synthetic.town_writer import write_town
from forecast.eval.forecasts import write_forecasts, write_truth
from forecast.pictures.agent_forecasts import open_forecasts
from forecast.view.attention_packing import LARGEST_SHARE, PART_SHARE, PARTS, pack_attention
from forecast.view.attention_shares import AttentionShares
from forecast.view.dataset_scenes import DatasetModel, dataset_scene
from forecast.view.ground_outlines import outlines
from forecast.view.network_attention import attention_answers
from forecast.view.packing import Pack
from forecast.view.player_page import write_player
from forecast.view.rows_scenes import rows_scenes
from forecast.view.scene_encoding import encoded


class Unpack:
    """Reads what a Pack wrote, column by column."""

    def __init__(self, text: str) -> None:
        self._bytes = iter(zlib.decompress(base64.b64decode(text)))

    def _number(self) -> int:
        value, shift, byte = 0, 0, 128
        while byte > 127:
            byte = next(self._bytes)
            value |= (byte & 127) << shift
            shift += 7
        return (value >> 1) ^ -(value & 1)

    def whole(self, order: int = 0, last: int = 0) -> np.ndarray:
        column = np.array([self._number() for _ in range(self._number())], dtype=np.int64)
        for _ in range(order if len(column) else 0):
            column = column.reshape(-1, last or len(column)).cumsum(1).reshape(-1)
        return column

    def measured(self, unit: float, order: int = 0, last: int = 0) -> np.ndarray:
        column = self.whole(order, last) * unit
        column[self.whole(1)] = np.nan
        return column


def rows_and_truth(tracks: int = 3, *, gap_s: float = 0.0) -> tuple[ForecastRows, TruthRows]:
    """Tracks in circles for 10 s, with a gap in the middle, forecast with two modes."""
    time_s = 1.6e9 + 0.5 * np.arange(20)
    time_s[10:] += gap_s
    lead_s = 0.5 * np.arange(1, 7)
    names = np.repeat([f"track {one}" for one in range(tracks)], 20)
    angle = np.tile(0.2 * np.arange(20), tracks) + np.repeat(np.arange(tracks), 20)
    here = 500 + 20 * np.stack([np.cos(angle), np.sin(angle)], -1)
    paths = here[:, None, None] + np.stack([np.stack([lead_s, lead_s], -1), np.stack([-lead_s, lead_s], -1)])
    rows = ForecastRows(names, np.tile(time_s, tracks), lead_s, paths, np.tile([0.75, 0.25], (len(names), 1)))
    return rows, TruthRows(names, np.tile(time_s, tracks), here)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_what_is_packed_comes_back(order: int) -> None:
    random = np.random.default_rng(order)
    pack = Pack()
    whole = random.integers(-(1 << 40), 1 << 40, (7, 5))
    path = random.normal(0, 1000, (9, 6)).cumsum(1)
    path[2, 3:], path[4, 0], path[5] = np.nan, np.nan, np.nan
    pack.whole(whole, order=order)
    pack.measured(path, 0.05, order=order)
    pack.measured(np.zeros(0), 0.1, order=order)
    read = Unpack(pack.text())
    np.testing.assert_array_equal(read.whole(order, 5).reshape(whole.shape), whole)
    back = read.measured(0.05, order, 6).reshape(path.shape)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(path))
    assert np.nanmax(np.abs(back - path)) <= 0.025 + 1e-9
    assert len(read.measured(0.1, order)) == 0


def index_of(page: Path) -> dict[str, Any]:
    """What a page says of all its scenes."""
    found = re.search(r'<script type="application/json" id="index">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    index: dict[str, Any] = json.loads(found[1])
    return index


def test_recordings_are_cut_where_nothing_happens() -> None:
    rows, truth = rows_and_truth(gap_s=30.0)
    scenes = rows_scenes([rows], truth)
    assert [(scene.name, len(scene.time_s)) for scene in scenes] == [
        ("from 1600000000 s", 10),
        ("from 1600000035 s", 10),
    ]
    assert all(len(scene.forecasts[0].rows) == 30 for scene in scenes)
    assert len(rows_scenes([rows], truth, most=1)) == 1
    rows, truth = rows_and_truth()
    (whole,) = rows_scenes([rows], truth)
    assert len(whole.time_s) == 20


def test_tracks_with_times_of_their_own_are_seen_in_the_same_frames() -> None:
    rows, truth = rows_and_truth(5)
    late_s = np.repeat(0.09 * np.arange(5), 20)
    moved = ForecastRows(rows.track, rows.issue_time_s + late_s, rows.lead_s, rows.positions_m, rows.probabilities)
    (scene,) = rows_scenes([moved], TruthRows(truth.track, truth.time_s + late_s, truth.positions_m))
    assert len(scene.time_s) in (20, 21)
    # All five are there in all frames but the ends.
    assert (np.bincount(scene.agents.frame)[1:19] == 5).all()


def test_headings_are_those_of_the_movement() -> None:
    rows, truth = rows_and_truth(1)
    (scene,) = rows_scenes([rows], truth)
    moves = np.diff(truth.positions_m, axis=0)
    np.testing.assert_allclose(scene.agents.pose_world[1:, 2], np.arctan2(moves[:, 1], moves[:, 0]))
    still = TruthRows(truth.track, truth.time_s, np.zeros_like(truth.positions_m))
    (standing,) = rows_scenes([rows], still)
    assert np.isnan(standing.agents.pose_world[:, 2]).all()


def test_the_ground_is_cut_to_what_is_near_and_simplified() -> None:
    import shapely

    near = shapely.Point(0, 0).buffer(40, quad_segs=200).difference(shapely.Point(0, 0).buffer(10))
    source = PolygonMap("plan", {"drivable_area": [near, shapely.box(5000, 0, 5100, 100)], "lane_divider": []})
    ground = outlines(source, np.array([[0.0, 0.0], [np.nan, 1.0]]))
    assert list(ground) == ["drivable_area"]
    outer, hole = sorted(ground["drivable_area"], key=len, reverse=True)
    assert len(outer) < 100
    assert np.abs(np.linalg.norm(outer, axis=1) - 40).max() < 0.3
    assert np.abs(np.linalg.norm(hole, axis=1) - 10).max() < 0.3
    assert outlines(source, np.full((2, 2), np.nan)) == {}


def test_a_page_holds_its_scenes_and_the_worst_cases(tmp_path: Path) -> None:
    rows, truth = rows_and_truth()
    page = tmp_path / "page.html"
    write_player(page, rows_scenes([rows], truth), ["</script><b>"], "A & B")
    text = page.read_text()
    assert "<title>A &amp; B</title>" in text
    assert "</script><b>" not in text
    assert "http" not in re.sub(r"http://www\.w3\.org/2000/svg|http-equiv", "", text)
    index = index_of(page)
    assert index["models"] == ["</script><b>"]
    errors = [case["error_m"] for case in index["worst"][0]]
    assert errors == sorted(errors, reverse=True)
    assert len(errors) == 3
    ahead = truth.positions_m.reshape(3, 20, 2)[:, 6:] - rows.positions_m.reshape(3, 20, 2, 6, 2)[:, :14, 0, 5]
    assert errors[0] == pytest.approx(np.linalg.norm(ahead, axis=-1).max(), abs=1e-3)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic town of two scenes."""
    root = tmp_path_factory.mktemp("pages") / "town"
    write_town(root, scenes=2, seed=3, workers=1)
    return root


def packed_attention(told: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Of a scene as a page holds it: own past, nothing and neighbours (3, forecasts), and cells (forecasts, cells)."""
    read = Unpack(told["packed"])
    # The clock; sizes, whose and when, poses; three columns a layer of the ground; all about forecasts before it.
    _skip(read, "m" + "mm" + "ww" + "mmm" + "wmm" * len(told["layers"]) + "m" + "ww" + "m" + "w" + "m" + "mm")
    shares = np.stack([read.measured(PART_SHARE) for _ in range(3)])
    largest = read.measured(LARGEST_SHARE)
    parts = read.whole().reshape(len(largest), -1)
    assert parts.min() >= 0
    assert (parts.max(1) == PARTS).all()
    return shares, parts / PARTS * largest[:, None]


def _skip(read: Unpack, columns: str) -> None:
    for column in columns:
        read.measured(1.0) if column == "m" else read.whole()


def test_where_a_forecast_looks_is_the_networks_attention_weighted_by_probabilities(town: Path) -> None:
    import torch

    from forecast.data.cache import open_dataset
    from forecast.data.dataset import AgentDataset
    from forecast.data.map_crops import crop_adder
    from forecast.data.samples import Samples
    from forecast.prediction.predictor import Predictor

    dataset, model = open_dataset(town, "v1.0-mini"), Predictor.load("town")
    source = open_forecasts("town", dataset)
    shown = DatasetModel("town", source.of, everyone=False, attention=attention_answers(source.model, dataset))
    scene = dataset_scene(dataset, str(dataset.tracks.scene_names[0]), [shown])
    found = scene.forecasts[0]
    some = slice(None, None, 5)
    order = np.lexsort((found.frame, found.agent))[some]
    names, tracks = np.array(scene.agents.names)[found.agent[order]], dataset.tracks
    first = tracks.row_sample.min()
    seen = zip(tracks.track_tokens[tracks.row_track], tracks.row_sample - first, strict=True)
    row_of = {key: row for row, key in enumerate(seen)}
    rows = np.array([row_of[key] for key in zip(names, found.frame[order], strict=True)])
    batch = AgentDataset.read_by(model.config, dataset, Samples(rows)).batch(range(len(rows)))
    batch = crop_adder(dataset, model.config.crop)(batch)
    with torch.no_grad():
        looked, weights = model.model.attention(batch), model.model.mixture(batch).probabilities
    told = encoded(scene)
    shares, cells = packed_attention(told)
    assert len(cells) == len(found.rows)
    shares, cells = shares[:, some], cells[some]
    for share, of_modes in zip(shares, (looked.own, looked.nothing, looked.neighbours.sum(2)), strict=True):
        np.testing.assert_allclose(share, (weights * of_modes).sum(1), atol=PART_SHARE / 2 + 1e-5)
    expected = (weights[:, :, None, None] * looked.cells).sum(1)
    assert told["steps"][0]["attention"]["cells"] == list(expected.shape[1:])
    expected = expected.flatten(1).numpy()
    assert (np.abs(cells - expected) <= expected.max(1, keepdims=True) / (2 * PARTS) + 2e-5).all()
    # The page takes what is left of 1 for the map's.
    np.testing.assert_allclose(1 - shares.sum(0), expected.sum(1), atol=1.5 * PART_SHARE + 1e-5)


@pytest.mark.parametrize("shape", [(0, 3, 2), (4, 0, 0)])
def test_no_forecast_and_no_map_have_no_cells(shape: tuple[int, int, int]) -> None:
    rows = shape[0]
    half = np.full(rows, 0.5)
    pack = Pack()
    pack_attention(pack, AttentionShares(half, half, np.full(rows, np.nan), np.zeros(shape), CropSpec()))
    read = Unpack(pack.text())
    own, nothing, neighbours, largest = (read.measured(unit) for unit in (*3 * [PART_SHARE], LARGEST_SHARE))
    np.testing.assert_allclose([own, nothing], [half, half])
    assert np.isnan(neighbours).all()
    assert (len(neighbours), largest.tolist(), read.whole().tolist()) == (rows, [0.0] * rows, [])


def test_only_a_network_can_say_where_it_looks(
    files: dict[str, str],
    town: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "standing_still.py").write_text(
        "from forecast.core.forecast import Forecast\n"
        "def still(batch):\n"
        "    import torch\n"
        "    return Forecast(torch.zeros(len(batch), 1, 12, 2), torch.ones(len(batch), 1))\n"
    )
    out = str(tmp_path / "page.html")
    named = ["--dataroot", str(town), "--version", "v1.0-mini", "--attention", "--out", out]
    assert main(["view", "standing_still:still", *named]) == 2
    printed = capsys.readouterr().err
    assert "cannot say where" in printed
    assert len(printed.splitlines()) == 1
    assert main(["view", files["rows.parquet"], "--truth", files["truth.parquet"], "--attention", "--out", out]) == 2
    assert "--attention asks a network" in capsys.readouterr().err
    assert not Path(out).exists()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    rows, truth = rows_and_truth()
    write_forecasts(tmp_path / "rows.parquet", rows)
    write_truth(tmp_path / "truth.parquet", truth)
    write_truth(tmp_path / "other.parquet", TruthRows(["x", "x"], [0.0, 1.0], [[0.0, 0.0], [1.0, 0.5]]))
    box = [[[9000, 0], [9100, 0], [9100, 90], [9000, 90], [9000, 0]]]
    far = {
        "type": "Feature",
        "properties": {"layer": "drivable_area"},
        "geometry": {"type": "Polygon", "coordinates": box},
    }
    (tmp_path / "far.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [far]}))
    return {name: str(tmp_path / name) for name in ("rows.parquet", "truth.parquet", "other.parquet", "far.geojson")}


@pytest.mark.parametrize("command", ["view", "draw"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--dataroot missing"),
        (["--truth", "truth.parquet", "--dataroot", "d"], "--truth does not go with --dataroot"),
        (["--map", "far.geojson", "--dataroot", "d"], "--map goes with rows and --truth"),
        (["--skip-bad-rows", "--dataroot", "d"], "--skip-bad-rows goes with rows and --truth"),
        (["--truth", "other.parquet"], "no track is in both"),
        (["--truth", "truth.parquet", "--map", "far.geojson"], "none of 60 forecasts begin"),
        (["--truth", "truth.parquet", "--names", "a,b"], "2 names for 1 models"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_line(
    files: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    options: list[str],
    said: str,
) -> None:
    out = tmp_path / f"out.{'html' if command == 'view' else 'png'}"
    given = [files.get(one, one) for one in options]
    assert main([command, files["rows.parquet"], *given, "--out", str(out)]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert len(printed.splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["town", "--truth", "truth.parquet", "--out", "x.html"], "--truth goes with rows"),
        (["rows.parquet", "--truth", "truth.parquet", "--out", "x.png"], "ends in .html"),
        (["rows.parquet", "--truth", "truth.parquet", "--scenes", "0", "--out", "x.html"], "--scenes 0: expected 1"),
        (["town", "--dataroot", "d", "--scene", "a", "--split", "b", "--out", "x.html"], "leave --scenes and --split"),
        (["rows.parquet", "--truth", "truth.parquet", "--out", "rows.parquet"], "rows.parquet"),
    ],
)
def test_other_mistakes(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["view", *[files.get(one, one) for one in options]]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert len(printed.splitlines()) == 1


def test_rows_are_drawn_without_a_data_set(files: dict[str, str], tmp_path: Path) -> None:
    from PIL import Image

    out, other = tmp_path / "first.png", tmp_path / "second.png"
    given = ["draw", files["rows.parquet"], "--truth", files["truth.parquet"]]
    assert main([*given, "--frame", "4", "--out", str(out)]) == 0
    assert main([*given, "--frame", "4", "--agent", "track 1", "--around", "15", "--out", str(other)]) == 0
    first, second = (np.asarray(Image.open(path).convert("RGB")) for path in (out, other))
    assert first.shape == second.shape
    assert (first != second).any()
    assert main([*given, "--frame", "99", "--out", str(tmp_path / "no.png")]) == 2
    assert main([*given, "--agent", "nobody", "--out", str(tmp_path / "no.png")]) == 2
    assert main([*given, "--out", str(tmp_path / "no.gif")]) == 2
    assert not list(tmp_path.glob("no.*"))
