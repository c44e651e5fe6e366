"""No output takes the place of an input or of another output, in any command; what is lost is told before the work."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.core.errors import ConfigError
from forecast.core.files import check_outputs, written_whole
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import write_forecasts, write_truth

OPTIONS = ("--out", "--html", "--markdown", "--latex", "--per-sample", "--per-point")


def hashes(folder: Path) -> dict[str, str]:
    """Of all files in a folder, links read through."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forecasts, truth, a map, and a small data set's tables, in the working folder; other names of the same files."""
    monkeypatch.chdir(tmp_path)
    times = 0.5 * np.arange(8)
    paths = np.stack([5 * (times[:, None] + [0.5, 1.0]), np.zeros((8, 2))], -1)[:, None]
    rows = ForecastRows(np.full(8, "a"), times, np.array([0.5, 1.0]), paths, np.ones((8, 1)))
    write_forecasts(tmp_path / "f.parquet", rows)
    write_truth(tmp_path / "t.csv", TruthRows(np.full(8, "a"), times, np.stack([5 * times, 0 * times], -1)))
    square = '{"type": "Polygon", "coordinates": [[[-9, -9], [90, -9], [90, 9], [-9, 9], [-9, -9]]]}'
    feature = f'{{"type": "Feature", "properties": {{"layer": "drivable_area"}}, "geometry": {square}}}'
    (tmp_path / "m.geojson").write_text(f'{{"type": "FeatureCollection", "features": [{feature}]}}')
    for table in ("v1.0-mini/sample.json", "v1.0-trainval/sample.json", "maps/expansion/boston-seaport.json"):
        (tmp_path / "data" / table).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / table).write_text("[]")
    (tmp_path / "run").mkdir()
    for name in ("best.safetensors", "config.yaml"):
        (tmp_path / "run" / name).write_text("mine")
    (tmp_path / "dir").mkdir()
    (tmp_path / "link.json").symlink_to("f.parquet")
    os.link(tmp_path / "t.csv", tmp_path / "hard.json")
    return tmp_path


def refused(argv: list[str], folder: Path, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = hashes(folder)
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert hashes(folder) == before


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(
    "victim", ["f.parquet", "t.csv", "m.geojson", "./f.parquet", "dir/../t.csv", "link.json", "hard.json"]
)
def test_no_output_of_score_is_an_input(
    option: str, victim: str, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["score", "f.parquet", "--truth", "t.csv", "--map", "m.geojson"]
    given = ["--out", victim] if option == "--out" else ["--out", "r.json", option, victim]
    refused([*argv, *given], inputs, f"{option} {Path(victim)}: would overwrite the input", capsys)


@pytest.mark.parametrize("option", OPTIONS[1:])
@pytest.mark.parametrize("name", ["r.json", "./r.json", "dir/../r.json"])
def test_two_outputs_are_not_one(option: str, name: str, inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["score", "f.parquet", "--truth", "t.csv", "--out", "r.json", option, name]
    refused(argv, inputs, "--out writes there too", capsys)


def test_an_output_is_no_folder_of_another(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["score", "f.parquet", "--truth", "t.csv", "--out", "r", "--html", "r/page.html"]
    refused(argv, inputs, "--html r/page.html: r cannot be a file and a folder", capsys)


MODEL = ["--checkpoint", "run"]
DATA = ["--dataroot", "data", "--version", "v1.0-mini"]
SPLIT = [*DATA, "--split", "mini_val"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["predict", *MODEL, *SPLIT, "--out", "run/best.safetensors"], "would overwrite the input"),
        (["predict", *MODEL, *SPLIT, "--out", "data/v1.0-mini/sample.json"], "lies within the data set"),
        (["predict", *MODEL, *SPLIT, "--out", "data/v1.0-trainval/sample.json"], "lies within the data set"),
        (["export", "--checkpoint", "run/best.safetensors", "--out", "run/best.safetensors"], "would overwrite"),
        (["export", *MODEL, "--out", "run/config.yaml"], "would overwrite the input"),
        (["draw", "f.png", *DATA, "--out", "f.png"], "would overwrite the input"),
        (["draw", "town", *DATA, "--out", "data/maps/x.png"], "lies within the data set"),
        (["inspect", *DATA, "--sample", "a_b", "--out", "data/maps/expansion/x.png"], "lies within the data set"),
        (["baselines", *SPLIT, "--out", "data/v1.0-mini"], "lies within the data set"),
        (["baselines", *SPLIT, "--out", "data/maps/expansion"], "lies within the data set"),
        (["score", "f.json", *SPLIT, "--out", "data/v1.0-mini/sample.json"], "lies within the data set"),
        (["score", "f.json", *SPLIT, "--out", "r", "--html", "dir/../data/maps/r.html"], "lies within the data set"),
        (["score", "run/config.yaml", *SPLIT, "--out", "run/config.yaml"], "would overwrite the input"),
        (["prepare", *DATA, "--truth", "data/v1.0-mini/t.csv"], "lies within the data set"),
        (["train", *DATA, "--out", "data/v1.0-mini/run"], "lies within the data set"),
        (["train", *DATA, "--config", "run/config.yaml", "--out", "run", "--resume"], ""),
        (["train", *DATA, "--out", "run", "--run.start_from", "run"], ""),
        (["town", "--out", "data"], "data"),
        (["demo", "--out", "."], "holds something else"),
    ],
)
def test_no_command_writes_over_what_it_reads(
    argv: list[str], said: str, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(argv, inputs, said, capsys)


def test_a_demo_does_not_clear_away_the_weights_it_begins_with(
    inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["demo", "--out", ".", "--run.start_from", "run/best.safetensors"]
    refused(argv, inputs, "run.start_from run/best.safetensors: lies in", capsys)


def test_the_same_file_as_a_case_insensitive_disk_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecast.core.files._folds_case", lambda _: True)
    with pytest.raises(ConfigError, match="--out writes there too"):
        check_outputs({"--out": tmp_path / "r.json", "--html": tmp_path / "R.JSON"})


def test_beside_the_data_is_no_trespass(inputs: Path) -> None:
    for name in ("data/report.json", "data/out/report.json", "run/report.json", "other.json"):
        check_outputs({"--out": name}, ["run/best.safetensors", "f.parquet"], dataroot="data")


def test_a_link_is_replaced_and_its_target_kept(tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_text("kept")
    (tmp_path / "link.json").symlink_to("kept.json")
    with written_whole(tmp_path / "link.json") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "kept.json").read_text() == "kept"
    assert (tmp_path / "link.json").read_text() == "new"


def test_devices_and_pipes_are_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    check_outputs({"--out": pipe, "--html": "/dev/null", "--markdown": "/dev/null"})
    for path in (pipe, Path("/dev/null")):
        with written_whole(path) as temporary:
            temporary.write_text("all of it")
    assert os.read(reader, 99) == b"all of it"
    os.close(reader)
    assert pipe.is_fifo()
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("option", OPTIONS[1:])
def test_a_fault_half_way_costs_nothing(
    option: str, inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each file is the old one or the whole new one; the inputs are what they were."""
    before = hashes(inputs)
    (inputs / "old").write_text("old")

    def full(self: Path, *_: object) -> Path:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "replace", full)
    assert main(["score", "f.parquet", "--truth", "t.csv", "--out", "r.json", option, "old"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    monkeypatch.undo()
    assert (inputs / "old").read_text() == "old"
    assert hashes(inputs) == before | {"old": hashlib.sha256(b"old").hexdigest()}
