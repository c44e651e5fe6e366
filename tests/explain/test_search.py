"""Scenario search: tags are what they say, vectors turn one class into another, the command finds and refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from explain_junction import SPEC, crossing, scene

from forecast.cli.main import main
from forecast.core.errors import ConfigError, DataError
from forecast.core.tracks import Tracks
from forecast.data.cache import open_dataset
from forecast.explain.scenario_search import Encoder, Scenarios, most_like
from forecast.explain.scenario_tags import WORDS, scenario_tags
from forecast.model.network_registry import make_network
from forecast.training.config import load_config


def made(agents: int = 400, seed: int = 0) -> Scenarios:
    """Encodings that are sums of a direction for each tag and noise, so transformations are known."""
    rng = np.random.default_rng(seed)
    tags = {
        "manoeuvre": rng.choice(["left", "right", "straight"], agents),
        "speed": rng.choice(["slow", "fast"], agents),
        "leader": rng.choice(["yes", "no"], agents),
    }
    encoded = 0.05 * rng.normal(size=(agents, 6))
    for place, values in enumerate(tags.values()):
        _, level = np.unique(values, return_inverse=True)
        encoded[:, place] += level
    names = np.array([f"scene {number // 4}" for number in range(agents)])
    return Scenarios(encoded, tags, names, np.array([f"track {number // 2}" for number in range(agents)]))


@pytest.mark.parametrize("way", ["tags", "vectors"])
def test_what_is_wanted_changes_and_the_rest_stays(way) -> None:
    scenarios = made()
    for like in range(20):
        change = ("manoeuvre", "left")
        found, distance = scenarios.search(like, change, way=way)
        assert scenarios.right(like, change)[found].mean() > 0.9
        assert len(found) == 10
        assert (scenarios.scenes[found] != scenarios.scenes[like]).all()
        assert len(set(scenarios.tracks[found])) == 10
        if way == "vectors":
            assert (np.diff(distance) >= 0).all()


def test_tags_come_before_nearness_and_fall_back_to_what_is_nearest_to_right() -> None:
    scenarios = made()
    keep = (scenarios.tags["manoeuvre"] != "left") | (scenarios.tags["speed"] == "slow")
    some = Scenarios(
        scenarios.encodings[keep], {tag: values[keep] for tag, values in scenarios.tags.items()},
        scenarios.scenes[keep], scenarios.tracks[keep],
    )  # fmt: skip
    like = int(np.flatnonzero((some.tags["speed"] == "fast") & (some.tags["manoeuvre"] == "right"))[0])
    change = ("manoeuvre", "left")
    assert not some.right(like, change).any()
    found, _ = some.search(like, change)
    assert (some.tags["manoeuvre"][found] == "left").all()
    assert (some.tags["leader"][found] == some.tags["leader"][like]).all()


def test_nobody_who_has_it_is_one_line() -> None:
    scenarios = made()
    with pytest.raises(DataError, match="no agent here is tagged manoeuvre 'U-turn'"):
        scenarios.search(0, ("manoeuvre", "U-turn"))


def test_tags_of_a_scene() -> None:
    steps = 0.5 * torch.arange(1, 13)
    angle = steps / 6 * np.pi / 2
    left = 25 * torch.stack([angle.sin(), 1 - angle.cos()], -1)
    with_leader = scene(crossing("left", "right", "ahead"), (12.0, 0.0, 5.0, 0.0))
    alone = scene(crossing("ahead"), (12.0, 9.0, 5.0, 0.0))
    known = torch.ones(1, 12, dtype=torch.bool)
    for batch, maps, expected in (
        (
            replace(with_leader, future=left[None], future_valid=known),
            "singapore-onenorth",
            {"manoeuvre": "left", "junction": "crossroads", "leader": "yes", "traffic": "left"},
        ),
        (alone, "boston-seaport", {"manoeuvre": "unknown", "junction": "none", "leader": "no", "traffic": "right"}),
    ):
        tags = scenario_tags(batch, np.array([maps]), SPEC, 0.5)
        assert {tag: str(tags[tag][0]) for tag in expected} == expected
        assert tags["speed"][0] == "5 to 10 m/s"


def test_every_word_is_of_a_tag_that_is_made() -> None:
    tags = scenario_tags(scene(crossing("ahead")), np.array(["boston-seaport"]), SPEC, 0.5)
    assert {tag for tag, _ in WORDS.values()} == set(tags)


@pytest.mark.parametrize("name", ["query", "gain", "no_context"])
def test_encodings_of_networks(made_up, name: str, small_settings, small_query_settings) -> None:
    torch.manual_seed(0)
    network = make_network(
        load_config(name, settings=small_query_settings if name == "query" else small_settings).model
    ).eval()
    batch = made_up(20).whole
    encoder = Encoder.of(network, batch)
    found = encoder(batch)
    assert found.shape[0] == 20
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-6)
    other = encoder(replace(batch, future=batch.future + 5))
    assert np.array_equal(found, other), "an encoding must not see the future"


def test_a_network_without_an_encoding_is_told() -> None:
    class Nothing:
        def encoding(self, batch):
            return None

    with pytest.raises(ConfigError, match="no encoding"):
        Encoder.of(Nothing(), scene(crossing("ahead")))


def test_most_like_has_the_tags_first_and_then_is_near() -> None:
    scenarios = made()
    tags = {"manoeuvre": "left", "speed": "slow", "leader": "no"}
    found = most_like(scenarios, scenarios.encodings[0], tags, "scene 0")
    assert {tag: scenarios.tags[tag][found] for tag in tags} == tags
    same = np.all([scenarios.tags[tag] == value for tag, value in tags.items()], axis=0)
    same &= scenarios.scenes != "scene 0"
    distance = np.linalg.norm(scenarios.encodings - scenarios.encodings[0], axis=1)
    assert distance[found] == distance[same].min()
    alone = Scenarios(
        scenarios.encodings[:2], {"speed": scenarios.tags["speed"][:2]}, np.array(["a", "a"]), np.array(["x", "y"])
    )
    with pytest.raises(DataError, match="no other scene"):
        most_like(alone, scenarios.encodings[0], {"speed": "slow"}, "a")


@pytest.fixture(scope="module")
def like(town: Path) -> str:
    dataset = open_dataset(town, "v1.0-mini")
    tracks: Tracks = dataset.tracks
    row = int(dataset.samples("mini_train").rows[0])
    track = int(dataset.columns.row_track[row])
    frame = int(tracks.row_sample[row] - np.flatnonzero(tracks.sample_scene == tracks.track_scene[track])[0])
    return f"{tracks.scene_names[tracks.track_scene[track]]}:{frame}:{tracks.track_tokens[track]}"


def test_the_command(town: Path, like: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "found.png"
    data = ["--dataroot", str(town), "--version", "v1.0-mini", "--split", "mini_val"]
    assert main(["search", *data, "--like", like, "--but", "left_hand_traffic", "--top", "3", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    told = json.loads(out.with_suffix(".json").read_text())
    assert f"{told['like']['scene']}:{told['like']['frame']}:{told['like']['agent']}" == like
    assert [entry["tags"]["traffic"] for entry in told["found"]] == ["left"] * len(told["found"])
    assert 1 <= len(told["found"]) <= 3
    assert told["found"][0]["agent"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--but", "turning_lfet"], "did you mean 'turning_left'?"),
        (["--like", "scene-0061"], "expected SCENE:FRAME:AGENT"),
        (["--like", "scene-0061:3:nobody"], "nobody"),
        (["--out", "x.txt"], "expected a picture's name"),
        (["--top", "0"], "--top 0: expected 1 or more"),
        (["--split", "valley"], "valley"),
    ],
)
def test_a_mistake_is_one_line(town: Path, like: str, tmp_path: Path, options, said, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["--dataroot", str(town), "--version", "v1.0-mini", "--split", "mini_val", "--like", like]
    assert main(["search", *given, "--but", "turning_left", "--out", "x.png", *options]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert not list(tmp_path.iterdir())
