"""``forecast list scenes`` and ``list agents``: what they print is what the other commands take."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.data.contents import STANDS_M


@pytest.fixture
def listed(world, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[dict[str, Any]]]:
    def call(*arguments: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert main(["list", *arguments, "--json", *world.arguments[:4]]) == 0
        return json.loads(capsys.readouterr().out)

    return call


def test_scenes_tell_what_is_in_them(world, listed) -> None:
    tracks, found = world.dataset.tracks, listed("scenes")
    assert [one["scene"] for one in found] == tracks.scene_names.tolist()
    assert sum(one["frames"] for one in found) == len(tracks.sample_tokens)
    in_split = listed("scenes", "--split", "mini_val")
    assert [one["scene"] for one in in_split] == list(world.dataset.scenes_of("mini_val"))
    assert sum(one["agent_samples"] for one in in_split) == len(world.dataset.samples("mini_val"))
    assert all("mini_val" in one["splits"] for one in in_split)


def test_agents_of_a_scene_are_those_that_were_seen_in_it(world, listed) -> None:
    dataset, scene = world.dataset, world.dataset.scenes_of("mini_val")[0]
    found = {one["agent"]: one for one in listed("agents", "--scene", scene)}
    tracks = dataset.tracks
    here = np.flatnonzero(tracks.track_scene == tracks.scene_names.tolist().index(scene))
    assert set(found) == set(tracks.track_tokens[here].tolist())
    listed_here = dict.fromkeys(found, 0)
    for row in dataset.samples("mini_val").rows.tolist():
        token = str(tracks.track_tokens[dataset.columns.row_track[row]])
        if token in listed_here:
            listed_here[token] += 1
    assert {token: len(one["listed_frames"]) for token, one in found.items()} == listed_here
    assert sum(listed_here.values()) > 0
    for one in found.values():
        assert one["moves"] == (one["moved_m"] > STANDS_M)
        assert one["seen_s"] == pytest.approx(0.5 * (one["last_frame"] - one["first_frame"]), abs=0.2)
    frame = 3
    at_frame = {one["agent"] for one in listed("agents", "--scene", scene, "--frame", str(frame))}
    assert at_frame <= {token for token, one in found.items() if one["first_frame"] <= frame <= one["last_frame"]}
    assert at_frame


def test_what_is_listed_is_what_other_commands_take(world, listed, tmp_path: Path) -> None:
    scene = listed("scenes", "--split", "mini_val")[0]["scene"]
    agent = next(one for one in listed("agents", "--scene", scene) if one["listed_frames"])
    named = ["--scene", scene, "--frame", str(agent["listed_frames"][0]), "--agent", agent["agent"]]
    data = world.arguments[:4]
    assert main(["inspect", *data, *named, "--out", str(tmp_path / "input.png")]) == 0
    assert main(["draw", "town", *data, *named, "--out", str(tmp_path / "scene.png")]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"input.png", "scene.png"}


def test_the_table_holds_a_line_an_entry(world, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["list", "scenes", *world.arguments[:4]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == "scene"
    assert [line.split()[0] for line in lines[1:]] == world.dataset.tracks.scene_names.tolist()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["agents"], "add --scene NAME"),
        (["agents", "--scene", "scene-nowhere"], "no scene 'scene-nowhere'"),
        (["agents", "--scene", "SCENE", "--frame", "1000"], "has key frames 0 to"),
        (["scenes", "--frame", "1"], "--frame does not go with 'list scenes'"),
        (["metrics"], "--dataroot goes with 'list scenes'"),
    ],
)
def test_what_does_not_fit_is_one_line(world, refused, arguments: list[str], said: str) -> None:
    scene = str(world.dataset.tracks.scene_names[0])
    assert said in refused(["list", *(scene if one == "SCENE" else one for one in arguments), *world.arguments[:4]])


def test_a_data_set_must_be_named(refused) -> None:
    assert "add --dataroot DIR" in refused(["list", "scenes"])
