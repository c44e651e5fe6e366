"""`forecast explain`: its picture, its figures, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.core.tracks import Tracks
from forecast.data.cache import open_dataset

DRAWS = ("--draws", "4", "--cells", "3x2")


@pytest.fixture(scope="module")
def agent(town: Path) -> tuple[list[str], str, int, str]:
    """Options that name the data set; then an agent with a past, its key frame, and its scene."""
    dataset = open_dataset(town, "v1.0-mini")
    tracks: Tracks = dataset.tracks
    row = int(dataset.samples("mini_train").rows[0])
    track = int(dataset.columns.row_track[row])
    scene = int(tracks.track_scene[track])
    frame = int(tracks.row_sample[row] - np.flatnonzero(tracks.sample_scene == scene)[0])
    data = ["--dataroot", str(town), "--version", "v1.0-mini"]
    return data, str(tracks.track_tokens[track]), frame, str(tracks.scene_names[scene])


def test_a_picture_and_its_figures(agent, tmp_path: Path, capsys) -> None:
    data, instance, frame, scene = agent
    out = tmp_path / "why.png"
    named = ["--agent", instance, "--frame", str(frame), "--scene", scene]
    assert main(["explain", "town", *data, *named, "--out", str(out), *DRAWS]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "map replaced by empty" in printed
    assert "map replaced by straight" in printed
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["scene"] == scene
    assert told["agent"].startswith(instance)
    assert [one["map_null"] for one in told["sobol"]] == ["empty", "straight"]
    for one in told["sobol"]:
        kinds = [group["kind"] for group in one["groups"]]
        assert kinds.count("map") == 6
        assert kinds.count("history") == frame + 1
        totals = [group["total"] for group in one["groups"]]
        assert totals == sorted(totals, reverse=True)
        assert one["forecasts"] == 4 * (len(kinds) + 3)
    whole = told["shapley"]["empty"]["travelled_m"]
    assert set(whole) == {"history", "map", "neighbours"}


@pytest.mark.parametrize("options", [["--parts", "layers"], ["--refine", "1"], ["--of", "manoeuvre"]])
def test_other_parts(agent, tmp_path: Path, options: list[str]) -> None:
    data, instance, frame, _ = agent
    out = tmp_path / "why.svg"
    named = ["--agent", instance, "--frame", str(frame), "--map-null", "straight"]
    assert main(["explain", "town", *data, *named, "--out", str(out), *DRAWS, *options]) == 0
    (one,) = json.loads(out.with_suffix(".json").read_text())["sobol"]
    parts = sum(group["kind"] == "map" for group in one["groups"])
    assert parts == {"--parts": 5, "--refine": 9, "--of": 6}[options[0]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--draws", "48"], "--draws 48: expected a power of 2"),
        (["--cells", "8"], "--cells 8: expected two whole numbers"),
        (["--cells", "900x5"], "--cells 900x5: 900 × 5 cells"),
        (["--out", "why.txt"], "expected a picture's name"),
        (["--refine", "2", "--parts", "layers"], "--refine cuts cells"),
        (["--seed", "-1"], "--seed -1: expected 0 or more"),
        (["--scene", "scene-9999"], "--scene scene-9999: the agent is in"),
    ],
)
def test_a_mistake_is_one_line(agent, tmp_path: Path, options: list[str], said: str, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    data, instance, frame, _ = agent
    given = ["--agent", instance, "--frame", str(frame), "--out", "why.png", *options]
    assert main(["explain", "town", *data, *given]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert not list(tmp_path.iterdir())
