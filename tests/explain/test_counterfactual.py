"""Counterfactuals: the smallest change that flips, "none within reach", and what the command writes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from explain_junction import AT_M, SPEC, crossing, scene

from forecast.cli.main import main
from forecast.core.batch import AgentBatch
from forecast.core.errors import ConfigError
from forecast.core.forecast import Forecast
from forecast.data.cache import open_dataset
from forecast.data.dataset import AgentDataset
from forecast.data.map_crops import crop_adder
from forecast.data.synthetic.junctions import Truth
from forecast.data.synthetic.planted_plots import plot_of
from forecast.data.synthetic.town_writer import write_town
from forecast.explain.edit_commands import parse_edits
from forecast.explain.flip_search import Search, counterfactual, likeliest_manoeuvre
from forecast.explain.outcomes import MANOEUVRES
from forecast.explain.scene_editor import SceneEditor
from forecast.explain.validity import faults
from forecast.explain.world_truth import driven_again
from forecast.model.network_config import NetworkConfig
from forecast.model.network_registry import make_network
from forecast.model.query.query_config import QUERY_CROP, QueryConfig
from forecast.model.trunks.trunk_config import TrunkConfig
from forecast.prediction.model_names import OwnPredictor

_STEPS = torch.arange(1, 13) / 12
#: Straight on 40 m, a quarter turn of 20 m radius to either side, a stop after 15 m.
STRAIGHT = torch.stack([40 * _STEPS, 0 * _STEPS], -1)
LEFT = torch.stack([20 * (_STEPS * torch.pi / 2).sin(), 20 - 20 * (_STEPS * torch.pi / 2).cos()], -1)
STOPS = torch.stack([15 * (2 * _STEPS).clamp(max=1), 0 * _STEPS], -1)


def model(score) -> OwnPredictor:
    """Left, straight on or a stop, by three scores of the batch, (rows, 3)."""

    def function(batch: AgentBatch) -> Forecast:
        paths = torch.stack([LEFT, STRAIGHT, STOPS]).expand(len(batch), -1, -1, -1)
        return Forecast(paths, score(batch).softmax(-1))

    function.config = NetworkConfig(crop=SPEC)
    return OwnPredictor(function, "a function")


def by_left_arm(batch: AgentBatch) -> torch.Tensor:
    """Left where there is road at the end of the left arm, otherwise straight on."""
    row, column = int(AT_M + SPEC.behind_m), int(20 + SPEC.right_m)
    road = batch.crop[:, 0, row - 2 : row + 2, column - 2 : column + 2].mean((1, 2))
    return torch.stack([8 * road - 4, 0 * road, 0 * road - 20], -1)


def by_leader(batch: AgentBatch) -> torch.Tensor:
    """Stops for whoever is less than 2 m beside the own lane's middle and less than 25 m ahead."""
    x, y = batch.neighbours[:, 0, -1, 0], batch.neighbours[:, 0, -1, 1].abs()
    near = batch.neighbours_valid[:, 0, -1] & (x < 25)
    return torch.stack([torch.full_like(x, -20), 0 * x, torch.where(near, 10 * (2 - y), torch.full_like(x, -20))], -1)


def test_the_arm_that_decides_is_closed_or_bent_away() -> None:
    editor = SceneEditor(scene(crossing("left", "ahead")), SPEC, 0.5)
    found = counterfactual(model(by_left_arm), editor, ["left_arm", "ahead_arm"], "straight")
    assert found.found
    assert {knob.region for knob, _ in found.changes} == {"left_arm"}
    assert likeliest_manoeuvre(found.before) == "left"
    assert likeliest_manoeuvre(found.after) == "straight"
    assert 0 < found.size <= 1
    after = editor.changed(found.changes)
    assert faults(editor.batch, after, SPEC) == [""]


def test_the_smallest_change_of_a_neighbour_is_known() -> None:
    """2 m to a side is where it stops to matter: 1 in scale. To drive away forward is farther."""
    editor = SceneEditor(scene(crossing("ahead"), (15.0, 0.0, 0.0, 0.0)), SPEC, 0.5)
    found = counterfactual(model(by_leader), editor, ["neighbour:1"], "straight")
    assert found.found
    assert found.size == pytest.approx(1.0, abs=0.06)
    assert [knob.verb for knob, _ in found.changes] == ["left"]
    assert abs(found.changes[0][1]) == pytest.approx(2.0, abs=0.12)


def test_none_within_reach_and_what_is_so_already() -> None:
    editor = SceneEditor(scene(crossing("left", "ahead"), (15.0, 0.0, 6.0, 0.0)), SPEC, 0.5)
    none = counterfactual(model(by_left_arm), editor, ["neighbour:1", "own"], "straight", Search(rounds=2))
    assert not none.found
    assert none.changes == []
    assert np.array_equal(none.before, none.after)
    assert none.reached == pytest.approx(none.before[MANOEUVRES.index("straight")])
    assert counterfactual(model(by_left_arm), editor, ["left_arm"], "left").changes == []


def test_a_network_without_context_cannot_be_flipped_by_it() -> None:
    torch.manual_seed(0)
    config = QueryConfig(size=16, heads=2, modes=5, medoids=3, crop=SPEC, trunk=TrunkConfig(width=8))
    network = make_network(config.without_context()).eval()

    class Of:
        config, device = network.config, torch.device("cpu")

        def predict(self, batch: AgentBatch, *, null_context: bool = False) -> Forecast:
            return network.predict(batch)

    editor = SceneEditor(scene(crossing("left", "right", "ahead"), (15.0, 0.0, 6.0, 0.0)), SPEC, 0.5)
    regions = [region for region in editor.regions if region != "own"]
    before = counterfactual(Of(), editor, regions, "straight", Search(rounds=1)).before
    for wanted in MANOEUVRES:
        found = counterfactual(Of(), editor, regions, wanted, Search(rounds=1, population=2))
        assert found.found == (wanted == likeliest_manoeuvre(before))
        assert found.changes == []


def test_the_same_seed_finds_the_same() -> None:
    editor = SceneEditor(scene(crossing("left", "ahead")), SPEC, 0.5)
    one, other = (counterfactual(model(by_left_arm), editor, ["left_arm"], "straight") for _ in range(2))
    assert np.array_equal(one.amounts, other.amounts)


def test_what_cannot_be_asked_is_refused() -> None:
    editor = SceneEditor(scene(crossing("left", "ahead")), SPEC, 0.5)
    with pytest.raises(ConfigError, match="no region is called 'right_arm'"):
        counterfactual(model(by_left_arm), editor, ["right_arm"], "left")
    with pytest.raises(ValueError, match="manoeuvre: expected one of"):
        counterfactual(model(by_left_arm), editor, ["left_arm"], "sideways")


@pytest.fixture(scope="module")
def junction_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("counterfactual") / "world"
    shares = {"draw": 0.5, "neighbour": 0.5}
    write_town(folder, scenes=2, seed=3, version="v1.0-mini", world="junction", samples_per_scene=6, shares=shares)
    return folder


@pytest.fixture(scope="module")
def editors(junction_world: Path) -> list[tuple[object, SceneEditor]]:
    """Each target's plot and editor, on the shipped weights' crop."""
    dataset = open_dataset(junction_world, "v1.0-mini")
    found = []
    for split in ("mini_train", "mini_val"):
        source = AgentDataset.of(dataset, dataset.samples(split))
        tokens = source.samples.tokens(dataset.tracks)
        add = crop_adder(dataset, QUERY_CROP)
        found += [
            (plot_of(junction_world, token), SceneEditor(add(source.batch([number])), QUERY_CROP, 0.5))
            for number, token in enumerate(tokens)
        ]
    return found


def test_driven_again_unchanged_is_the_truth(editors, junction_world: Path) -> None:
    truth = Truth.read(junction_world / "truth.npz")
    assert len(editors) == len(truth.tokens)
    for plot, editor in editors:
        again = driven_again(plot, editor, [])
        np.testing.assert_allclose(again.odds, plot.probabilities)
        assert again.probabilities.sum() == pytest.approx(1.0)


def test_driven_again_with_a_closed_arm_nobody_turns_there(editors) -> None:
    asked = 0
    for plot, editor in editors:
        if plot.case != "draw":
            continue
        for side in ("left", "right"):
            if f"{side}_arm" not in editor.regions:
                continue
            close = next(knob for knob in editor.knobs([f"{side}_arm"]) if knob.verb == "close")
            again = driven_again(plot, editor, [(close, 1.0)])
            assert again.probabilities[MANOEUVRES.index(side)] == 0
            assert again.probabilities.sum() == pytest.approx(1.0)
            asked += 1
    assert asked > 2


def test_driven_again_with_the_leader_gone_it_drives_on(editors) -> None:
    asked = 0
    for plot, editor in editors:
        if plot.case == "neighbour" and editor.slots:
            asked += 1
            gone = driven_again(plot, editor, parse_edits("remove neighbour 1", editor))
            assert gone.probabilities[MANOEUVRES.index("straight")] == 1.0
            assert driven_again(plot, editor, [(editor.knobs(["own"])[0], 0.1)]) is None
    assert asked > 0


def first_token(world: Path) -> str:
    return str(Truth.read(world / "truth.npz").tokens[0])


def test_the_command(junction_world: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "edit.png"
    data = ["--dataroot", str(junction_world), "--version", "v1.0-mini", "--sample", first_token(junction_world)]
    assert main(["counterfactual", "town", *data, "--edit", "widen the road by 1 m", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["changes"] == [{"region": "road", "verb": "widen", "amount": 1.0, "unit": "m"}]
    assert set(told["before"]) == set(MANOEUVRES)
    assert told["driven_again"] is None  # the world has no rule for it
    assert main(["counterfactual", "town", *data, "--edit", "straighten the road", "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["counterfactual", "town", *data, "--to", "stationary", "--regions", "own", "--out", str(out)]) == 0
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["may_change"] == ["own"]
    assert told["found"] is False
    assert "none within reach" in capsys.readouterr().out


def test_a_real_scene_that_is_like_the_edited_one(junction_world: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "edit.png"
    data = ["--dataroot", str(junction_world), "--version", "v1.0-mini", "--sample", first_token(junction_world)]
    asked = ["--edit", "straighten the road", "--retrieve", "mini_val", "--out", str(out)]
    assert main(["counterfactual", "town", *data, *asked]) == 0
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["retrieved"]["scene"] in capsys.readouterr().out
    assert sum(told["retrieved_forecast"].values()) == pytest.approx(1.0, abs=1e-3)
    model = "forecast.explain.audit.known_forecasters:map_copier"
    assert main(["counterfactual", model, *data, *asked]) == 2
    assert "--retrieve goes with weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "say what to look for with --to"),
        (["--to", "left", "--edit", "x"], "say what to look for with --to"),
        (["--to", "lfet"], "did you mean 'left'?"),
        (["--to", "left", "--regions", "moon"], "--regions: no region is called 'moon'"),
        (["--edit", "dance"], "no verb of it is known"),
        (["--edit", "close the left arm", "--regions", "road"], "--regions goes with --to"),
        (["--to", "left", "--out", "x.txt"], "expected a picture's name"),
    ],
)
def test_a_mistake_is_one_line(junction_world: Path, tmp_path: Path, options, said, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = ["--dataroot", str(junction_world), "--version", "v1.0-mini", "--sample", first_token(junction_world)]
    assert main(["counterfactual", "town", *data, "--out", "x.png", *options]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert not list(tmp_path.iterdir())
