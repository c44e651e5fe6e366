"""No command loses a byte of an input: outputs that name inputs, or each other, are refused before any work."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.core.rows import ForecastRows, TruthRows
from forecast.data.cache import open_dataset
from forecast.data.synthetic.town import write_town
from forecast.eval.forecasts import write_forecasts, write_truth
from forecast.eval.submission import write_submission
from forecast.prediction.physics import physics_forecasts

VERSION = "v1.0-mini"
SCORE_OUTPUTS = ("--out", "--html", "--markdown", "--latex", "--per-sample", "--per-point")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that commands read: a town, a submission, weights, rows, a map, a configuration."""
    root = tmp_path_factory.mktemp("inputs")
    write_town(root / "town", scenes=4, seed=3, workers=1)
    dataset = open_dataset(root / "town", VERSION)
    made = physics_forecasts(dataset.tracks, dataset.samples("mini_val", dense=True).rows)
    write_submission(root / "cv.json", made["constant_velocity_heading"])
    time = 0.5 * np.arange(20)
    truth = TruthRows(np.full(20, "a"), time, np.stack([time, 0 * time], -1))
    ahead = time[:, None] + 0.5 * np.arange(1, 13)
    modes = np.stack([ahead, 0 * ahead], -1)[:, None]
    write_forecasts(
        root / "f.parquet", ForecastRows(truth.track, time, 0.5 * np.arange(1, 13), modes, np.ones((20, 1)))
    )
    write_truth(root / "t.csv", truth)
    square = '{"type":"Polygon","coordinates":[[[-50,-50],[50,-50],[50,50],[-50,50],[-50,-50]]]}'
    feature = f'{{"type":"Feature","properties":{{"layer":"drivable_area"}},"geometry":{square}}}'
    (root / "m.geojson").write_text(f'{{"type":"FeatureCollection","features":[{feature}]}}', encoding="utf-8")
    return root


@pytest.fixture
def untouched(inputs: Path) -> Iterator[None]:
    """Whatever happens, every file of the inputs is afterwards what it was, and no other is among them."""
    before = _content(inputs)
    yield
    assert _content(inputs) == before


def _content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows_score(inputs: Path) -> list[str]:
    return ["score", str(inputs / "f.parquet"), "--truth", str(inputs / "t.csv"), "--map", str(inputs / "m.geojson")]


def data(inputs: Path) -> list[str]:
    return ["--dataroot", str(inputs / "town"), "--version", VERSION]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], str]:
    def call(arguments: list[str]) -> str:
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    return call


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("option", SCORE_OUTPUTS)
@pytest.mark.parametrize("victim", ["f.parquet", "t.csv", "m.geojson"])
def test_score_of_rows(inputs, tmp_path, refused, option, victim):
    out = [] if option == "--out" else ["--out", str(tmp_path / "r.json")]
    line = refused([*rows_score(inputs), *out, option, str(inputs / victim)])
    assert f"{option} " in line
    assert victim in line
    assert not (tmp_path / "r.json").exists()


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("way", ["detour", "link", "hard link", "link to the folder", "relative"])
def test_other_names_of_an_input_are_seen_through(inputs, tmp_path, refused, monkeypatch, way):
    victim = inputs / "t.csv"
    if way == "detour":
        other = inputs / "town" / ".." / "t.csv"
    elif way == "link":
        (other := tmp_path / "link.csv").symlink_to(victim)
    elif way == "hard link":
        os.link(victim, other := tmp_path / "hard.csv")
    elif way == "link to the folder":
        (tmp_path / "folder").symlink_to(inputs)
        other = tmp_path / "folder" / "t.csv"
    else:
        monkeypatch.chdir(inputs)
        other = Path("t.csv")
    assert "would be lost" in refused([*rows_score(inputs), "--out", str(other)])
    # and the other way round: the input is given by its other name
    named = ["score", str(inputs / "f.parquet"), "--truth", str(other)]
    assert "would be lost" in refused([*named, "--out", str(victim)])


@pytest.mark.usefixtures("untouched")
def test_two_outputs_of_one_name(inputs, tmp_path, refused):
    out = str(tmp_path / "r.json")
    line = refused([*rows_score(inputs), "--out", out, "--html", str(tmp_path / "x" / ".." / "r.json")])
    assert "--out names the same file" in line
    (tmp_path / "old.html").write_text("old", encoding="utf-8")
    (tmp_path / "link.md").symlink_to(tmp_path / "old.html")
    both = ["--html", str(tmp_path / "old.html"), "--markdown", str(tmp_path / "link.md")]
    assert "--html names the same file" in refused([*rows_score(inputs), "--out", out, *both])


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("place", ["town/v1.0-mini/sample.json", "town/v1.0-mini/new.json", "town/maps/new.json"])
def test_nothing_is_written_into_a_data_set(inputs, tmp_path, refused, place):
    picture = str(Path(inputs / place).with_suffix(".png"))
    submission = str(inputs / "cv.json")
    split = ["--split", "mini_val"]
    instance = open_dataset(inputs / "town", VERSION).samples("mini_val").tokens
    token = instance(open_dataset(inputs / "town", VERSION).tracks)[0]
    calls = [
        ["score", submission, *data(inputs), *split, "--allow-missing", "--out", str(inputs / place)],
        ["predict", "--checkpoint", "town", *data(inputs), *split, "--out", str(inputs / place)],
        ["baselines", *data(inputs), *split, "--out", str((inputs / place).parent)],
        ["draw", submission, *data(inputs), "--out", picture],
        ["inspect", *data(inputs), "--sample", token, "--out", picture],
        ["export", "--checkpoint", "town", *data(inputs), *split, "--out", str(inputs / place)],
        ["train", "--config", "demo", *data(inputs), "--out", str((inputs / place).parent)],
    ]
    for call in calls:
        assert "input" in refused(call), call[0]


@pytest.mark.usefixtures("untouched")
def test_forecasts_weights_and_configurations_are_inputs_too(inputs, tmp_path, refused):
    submission = str(inputs / "cv.json")
    score = ["score", submission, *data(inputs), "--split", "mini_val", "--allow-missing"]
    assert "would be lost" in refused([*score, "--out", submission])
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"these are weights")
    for command in ("predict", "export"):
        call = [command, "--checkpoint", str(weights), *data(inputs), "--split", "mini_val", "--out", str(weights)]
        assert "would be lost" in refused(call)
    run = tmp_path / "run"
    run.mkdir()
    (run / "best.safetensors").write_bytes(b"these are weights")
    call = ["predict", "--checkpoint", str(run), *data(inputs), "--split", "mini_val"]
    assert "would be lost" in refused([*call, "--out", str(run / "best.safetensors")])
    assert (run / "best.safetensors").read_bytes() == weights.read_bytes() == b"these are weights"


@pytest.mark.usefixtures("untouched")
def test_devices_and_pipes_are_no_place(inputs, tmp_path, refused):
    os.mkfifo(tmp_path / "pipe")
    for place in ("/dev/null", str(tmp_path / "pipe")):
        assert "is no regular file" in refused([*rows_score(inputs), "--out", place])
    assert Path("/dev/null").is_char_device()


@pytest.mark.usefixtures("untouched")
def test_an_output_that_is_a_link_elsewhere_leaves_its_target(inputs, tmp_path):
    (tmp_path / "kept.json").write_text("kept", encoding="utf-8")
    (tmp_path / "r.json").symlink_to(tmp_path / "kept.json")
    assert main([*rows_score(inputs), "--out", str(tmp_path / "r.json")]) == 0
    assert (tmp_path / "kept.json").read_text(encoding="utf-8") == "kept"
    assert (tmp_path / "r.json").read_text(encoding="utf-8").startswith("{")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("fails", SCORE_OUTPUTS)
def test_a_failure_half_way_leaves_no_half_file(inputs, tmp_path, monkeypatch, fails):
    """Whichever output cannot be put in place, those before it are whole and none is half written."""
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if Path(target).name == fails.strip("-"):
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    outputs = [part for option in SCORE_OUTPUTS for part in (option, str(tmp_path / option.strip("-")))]
    assert main([*rows_score(inputs), *outputs]) == 2
    names = {path.name for path in tmp_path.iterdir()}
    assert fails.strip("-") not in names
    assert not [name for name in names if name.startswith(".")]
