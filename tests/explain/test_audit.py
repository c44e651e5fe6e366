"""The audit: each part tells forecasters apart whose use of context is known; finished parts are kept; files too."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from explain_junction import SPEC, crossing, scene

from forecast.cli.main import main
from forecast.core.forecast import Forecast
from forecast.data.cache import Dataset, open_dataset
from forecast.data.synthetic.town_writer import write_town
from forecast.eval.context import coalitions, shapley, shapley_interactions
from forecast.eval.results import per_item
from forecast.explain.audit.agent_removal import agent_removal, causal, matched
from forecast.explain.audit.agents_of import agents_of, some_of
from forecast.explain.audit.asked import Agents
from forecast.explain.audit.audit_run import Audit, AuditSettings
from forecast.explain.audit.junction_parts import junction_world
from forecast.explain.audit.scene_attack import ATTACKS, bent, off_road
from forecast.explain.audit.swaps import another, mirrored_map, turned_map
from forecast.explain.null_inputs import without_neighbours
from forecast.model.query.query_config import QUERY_CROP
from forecast.prediction.model_names import OwnPredictor, open_model

KNOWN = ("constant_velocity", "map_copier", "rule_follower")
SETTINGS = AuditSettings(agents=36, targets=100)


@pytest.fixture(scope="module")
def junction(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dataset]:
    """Folder of the audits with the world that they make there, and another world, on which is audited."""
    out = tmp_path_factory.mktemp("audit")
    model = open_model("forecast.explain.audit.known_forecasters:map_copier")
    junction_world(model, out / "junction-100", 100)
    write_town(out / "data", scenes=4, seed=2, version="v1.0-mini", world="junction", samples_per_scene=14, workers=1)
    return out, open_dataset(out / "data", "v1.0-mini")


@pytest.fixture(scope="module")
def documents(junction: tuple[Path, Dataset]) -> dict[str, dict[str, Any]]:
    """The audit of each known forecaster, on the junction world."""
    out, dataset = junction
    found = {}
    for name in KNOWN:
        model = open_model(f"forecast.explain.audit.known_forecasters:{name}")
        folder = out / name
        folder.mkdir()
        (folder / "junction-100").symlink_to(out / "junction-100")
        found[name] = Audit(model, (name, ""), dataset, "mini_train", folder, SETTINGS).run()
    return found


def at(documents: dict[str, dict[str, Any]], *path: str) -> list[float]:
    """A figure of all known forecasters, in the order of KNOWN."""
    found = []
    for name in KNOWN:
        value: Any = documents[name]["parts"]
        for key in path:
            value = value[key]
        found.append(value["value"] if isinstance(value, dict) else value)
    return found


def test_subsets_see_who_reads_what(documents) -> None:
    for null in ("empty", "straight"):
        worth = ("subsets", null, "travelled_m", "shapley")
        assert at(documents, *worth, "map")[0] == 0.0
        assert at(documents, *worth, "neighbours")[:2] == [0.0, 0.0]
        assert at(documents, *worth, "neighbours")[2] < -1.0
        assert at(documents, "subsets", null, "fde_m", "shapley", "map")[2] < -0.5


def test_swaps_disturb_only_who_looks(documents) -> None:
    for swap in ("another scene's map", "map mirrored", "map turned by 90°"):
        blind, copier, rules = at(documents, "swaps", swap, "end_moves_m")
        assert blind == 0.0
        assert min(copier, rules) > 0.5
    assert at(documents, "swaps", "map mirrored", "fde_rises_m")[2] > 0.5
    assert at(documents, "swaps", "another scene's neighbours", "end_moves_m")[:2] == [0.0, 0.0]
    assert at(documents, "swaps", "another scene's neighbours", "end_moves_m")[2] > 0.5


def test_a_bent_world_shows_who_does_not_follow_the_road(documents) -> None:
    for attack in ("smooth turn", "double turn"):
        blind, copier, _ = (documents[name]["parts"]["scene_attack"][attack][-1] for name in KNOWN)
        assert blind["forecasts_off_road"]["value"] > copier["forecasts_off_road"]["value"] + 0.1
    for name in KNOWN:
        assert len(documents[name]["parts"]["scene_attack"]["ripple"]) == 3


def test_agents_matter_to_who_sees_them(documents) -> None:
    moves = at(documents, "agent_removal", "without causal", "end_moves_m")
    assert moves[:2] == [0.0, 0.0]
    assert moves[2] > 1.0
    ahead = at(documents, "agent_removal", "with a standing car ahead", "end_moves_m")
    assert ahead[:2] == [0.0, 0.0]
    assert ahead[2] > 5.0
    aside = documents["rule_follower"]["parts"]["agent_removal"]["with a parked car aside"]["end_moves_m"]
    assert aside["value"] == 0.0


def test_causal_errors_rank_them(documents) -> None:
    blind, copier, rules = at(documents, "causal_error", "vehicle taken away", "error")
    true = at(documents, "causal_error", "vehicle taken away", "truth")
    assert blind == copier == true[0] == true[1]
    assert rules < 0.5 * blind
    blind, copier, rules = at(documents, "causal_error", "arm closed", "error")
    assert rules < 0.5 * blind
    assert rules < copier


def test_the_gap_ranks_them(documents) -> None:
    for case in ("map", "neighbour", "draw"):
        blind, copier, rules = at(documents, "gap_closed", case, "gap_closed")
        assert rules > 0.5
        assert rules > max(blind, copier) + 0.2
    assert at(documents, "gap_closed", "map", "gap_closed")[1] > at(documents, "gap_closed", "map", "gap_closed")[0]


def test_the_hardest_come_first(documents) -> None:
    found = documents["constant_velocity"]["parts"]["hardest_agents"]
    assert found["10 %"]["value"] > found["100 %"]["value"]
    assert found["100 %"]["count"] == SETTINGS.agents


def test_finished_parts_are_kept_and_others_are_not_taken(documents, junction) -> None:
    out, dataset = junction
    folder = out / "map_copier"
    kept = folder / "parts" / "swaps.json"
    told = json.loads(kept.read_text())
    told["part"] = {"so": "it was kept"}
    kept.write_text(json.dumps(told))

    def never(batch):
        raise AssertionError("asked again")

    never.config = open_model("forecast.explain.audit.known_forecasters:map_copier").config
    again = Audit(OwnPredictor(never, "never"), ("map_copier", ""), dataset, "mini_train", folder, SETTINGS).run()
    assert again["parts"]["swaps"] == {"so": "it was kept"}
    model = open_model("forecast.explain.audit.known_forecasters:constant_velocity")
    other = Audit(model, ("another", ""), dataset, "mini_train", folder, SETTINGS)
    assert "map mirrored" in other.run()["parts"]["swaps"]


def test_the_same_audit_gives_the_same_figures(documents, junction) -> None:
    _, dataset = junction
    model = open_model("forecast.explain.audit.known_forecasters:rule_follower")
    agents = agents_of(model.config, dataset, some_of(dataset, "mini_train", SETTINGS.agents, 0))
    assert agent_removal(model, agents) == documents["rule_follower"]["parts"]["agent_removal"]


def test_neighbours_futures_are_those_of_their_own_tracks(junction) -> None:
    """Seen from the target's frame, a neighbour's future continues its past where it drives evenly."""
    _, dataset = junction
    agents = agents_of(open_model("town").config, dataset, dataset.samples("mini_train"))
    state = agents.batch.neighbours[:, :, -1].double().numpy()
    there = agents.batch.neighbours_valid[:, :, -1].numpy()
    assert there.any()
    expected = state[..., None, :2] + state[..., None, 2:4] * (0.5 * np.arange(1, 13))[:, None]
    away = np.linalg.norm(agents.neighbour_futures_m - expected, axis=-1)
    assert np.nanmax(away[there]) < 0.2
    assert np.isnan(agents.neighbour_futures_m[~there]).all()


def agents_from(batch, futures) -> Agents:
    return Agents(batch, np.array(["scene"] * len(batch)), futures)


def test_who_is_causal() -> None:
    """A leader; one that crosses the target's way at its time; one that does so 5 s later; one that drives off."""
    steps = 0.5 * np.arange(1, 13)[:, None]
    others = ((15.0, 0.0, 8.0, 0.0), (24.0, 18.0, 0.0, -6.0), (24.0, 25.0, 0.0, -3.0), (-20.0, 8.0, -8.0, 0.0))
    batch = scene(crossing("ahead"), *others)
    future = torch.from_numpy(np.column_stack([8 * steps, 0 * steps]).astype(np.float32))[None]
    batch = replace(batch, future=future, future_valid=torch.ones(1, 12, dtype=torch.bool))
    futures = np.full((1, 5, 12, 2), np.nan)
    for slot, (x, y, vx, vy) in enumerate(others):
        futures[0, slot] = np.column_stack([x + vx * steps, y + vy * steps])
    agents = agents_from(batch, futures)
    assert causal(agents, 0.5)[0].tolist() == [True, True, False, False, False]
    left = without_neighbours(batch, torch.from_numpy(causal(agents, 0.5)))
    assert left.neighbours_valid[0, :, -1].tolist() == [False, False, True, True, False]


def test_matched_ones_are_as_near_and_taken_once() -> None:
    distance = np.array([[5.0, 6.0, 7.0, 30.0, 5.5]])
    chosen = np.array([[True, True, False, False, False]])
    among = np.array([[False, False, True, True, True]])
    assert matched(distance, chosen, among)[0].tolist() == [False, False, True, False, True]


@pytest.mark.parametrize("attack", [shape for shapes in ATTACKS.values() for shape in shapes])
def test_a_path_on_the_road_stays_on_it_when_both_are_bent(attack: Callable[[Any], Any]) -> None:
    batch = scene(crossing("ahead"))
    steps = 3.0 * torch.arange(1, 13)
    batch = replace(
        batch,
        future=torch.stack([steps, 0 * steps], -1)[None],
        future_valid=torch.ones(1, 12, dtype=torch.bool),
    )
    after = bent(batch, attack, SPEC)
    follows = Forecast(after.future[:, None], torch.ones(1, 1))
    share, _ = off_road(follows, after, SPEC)
    assert share.values[0] == 0.0
    # As far along the bent road as along the straight one, slowed as the agent is.
    slower = float(after.history[0, -1, 2] / batch.history[0, -1, 2])
    length = torch.cat([torch.zeros(1, 2), after.future[0]]).diff(dim=0).norm(dim=-1).sum()
    assert float(length) == pytest.approx(36 * slower, rel=0.03)


def test_maps_turn_about_the_agent() -> None:
    crop = crossing("left", "ahead")
    torch.testing.assert_close(mirrored_map(crop, SPEC)[0, 0], crop[0, 0].flip(-1), atol=1e-5, rtol=0)
    turned = turned_map(crop, SPEC)[0, 0]
    assert turned[int(SPEC.behind_m), int(SPEC.right_m) + 15] == pytest.approx(1.0)  # the road ahead leads left now
    assert turned[int(SPEC.behind_m) + 15, int(SPEC.right_m)] == pytest.approx(0.0)


def test_swaps_take_other_scenes_of_the_same_speed(junction) -> None:
    _, dataset = junction
    agents = agents_of(open_model("town").config, dataset, dataset.samples("mini_train"))
    scenes = np.array([f"scene {number % 3}" for number in range(len(agents))])
    chosen = another(replace(agents, scenes=scenes))
    assert (scenes[chosen] != scenes).mean() > 0.9


def test_interactions_add_up_to_what_shapley_leaves_open() -> None:
    rng = np.random.default_rng(0)
    outcome = {kept: per_item(rng.normal(size=4), np.ones(4, bool)) for kept in coalitions(("a", "b"))}
    pairs = shapley_interactions(outcome, ("a", "b"))
    values = shapley(outcome, ("a", "b"))
    alone = outcome[frozenset({"a"})].values - outcome[frozenset()].values
    np.testing.assert_allclose(values["a"].values, alone + pairs["a", "b"].values / 2)


def test_the_command(junction, tmp_path: Path, capsys) -> None:
    out, _ = junction
    folder = tmp_path / "audit"
    folder.mkdir()
    (folder / "junction-400").symlink_to(out / "junction-100")
    data = ["--dataroot", str(out / "data"), "--version", "v1.0-mini", "--split", "mini_val"]
    model = "forecast.explain.audit.known_forecasters:map_copier"
    assert main(["audit", model, *data, "--out", str(folder), "--agents", "10"]) == 0
    printed = capsys.readouterr().out
    document = json.loads((folder / "audit.json").read_text())
    assert set(document["parts"]) >= {"subsets", "swaps", "scene_attack", "agent_removal", "causal_error", "gap_closed"}
    for title in ("1. What each input is worth", "6b. Gap closed"):
        assert title in printed
        assert title in (folder / "audit.html").read_text()
    assert (folder / "audit.md").read_text() in printed


@pytest.fixture(scope="module")
def files(junction, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out, _ = junction
    folder = tmp_path_factory.mktemp("files")
    data = ["--dataroot", str(out / "data"), "--version", "v1.0-mini", "--split", "mini_val"]
    found = {}
    for option, name in (("with", "rule_follower"), ("without-map", "constant_velocity")):
        found[option] = folder / f"{option}.parquet"
        model = f"forecast.explain.audit.known_forecasters:{name}"
        assert main(["predict", "--checkpoint", model, *data, "--out", str(found[option])]) == 0
    return found


def test_files_with_and_without_an_input(junction, files, tmp_path: Path, capsys) -> None:
    out, _ = junction
    data = ["--dataroot", str(out / "data"), "--version", "v1.0-mini", "--split", "mini_val"]
    given = [part for option, file in files.items() for part in (f"--{option}", str(file))]
    assert main(["audit", *data, *given, "--out", str(tmp_path)]) == 0
    part = json.loads((tmp_path / "audit.json").read_text())["parts"]["files"]
    assert part["fde_rises_m"]["without_map"]["value"] == pytest.approx(
        part["fde_m"]["without_map"]["value"] - part["fde_m"]["with"]["value"]
    )
    assert part["fde_rises_m"]["without_map"]["value"] > 0
    assert "Files of forecasts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "audit a MODEL, or files of forecasts"),
        (["town", "--with", "x.json", "--without-map", "y.json"], "audit a MODEL, or files"),
        (["--with", "x.json"], "at least one of --without-"),
        (["town", "--agents", "0"], "--agents 0: expected 1 or more"),
        (["town", "--agents", "5", "--quick"], "--quick says itself"),
        (["no_such_model"], "no_such_model"),
    ],
)
def test_a_mistake_is_one_line(junction, tmp_path: Path, options, said, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    out, _ = junction
    data = ["--dataroot", str(out / "data"), "--version", "v1.0-mini", "--split", "mini_val", "--out", "audit"]
    assert main(["audit", *options, *data]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "audit").exists()


def test_the_default_crop_is_what_known_forecasters_read() -> None:
    assert all(
        open_model(f"forecast.explain.audit.known_forecasters:{name}").config.crop == QUERY_CROP for name in KNOWN
    )
