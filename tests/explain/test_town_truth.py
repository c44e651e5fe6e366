"""The true driver of a town: it did what was recorded, and is asked again after an edit."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from forecast.cli.main import main
from forecast.core.errors import DataError
from forecast.data.cache import open_dataset
from forecast.data.samples import Samples
from forecast.explain.audit.town_parts import can_be_driven_on, town_causal_error
from forecast.explain.edit_commands import parse_edits
from forecast.explain.model_inputs import inputs_of
from forecast.explain.outcomes import true_paths_m
from forecast.explain.scene_editor import SceneEditor
from forecast.explain.true_driver import true_driver
from forecast.prediction.model_names import open_model


@pytest.fixture(scope="module")
def dataset(town: Path, tmp_path_factory: pytest.TempPathFactory):
    return open_dataset(town, "v1.0-mini", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def asked(town: Path, dataset):
    """Rows, editors and drivers of some targets."""
    config = open_model("town").config
    rows = dataset.samples("mini_train").rows[::11].tolist()
    editors = [SceneEditor(inputs_of(config, dataset, Samples(np.array([row]))), config.crop, 0.5) for row in rows]
    return [(editor, true_driver(town, dataset, row, editor)) for row, editor in zip(rows, editors, strict=True)]


def test_without_an_edit_it_does_what_was_recorded(asked) -> None:
    for editor, driver in asked:
        recorded = true_paths_m(editor.batch)[0]
        again = driver([])
        np.testing.assert_allclose(again.paths_m[0], recorded, atol=1.0)
        assert again.probabilities.sum() == 1.0


def test_a_car_put_ahead_stops_it(asked) -> None:
    shorter = 0
    for editor, driver in asked:
        before, after = (driver(parse_edits(text, editor) if text else []) for text in ("", "put a car 20 m ahead"))
        ends = [float(one.paths_m[0, -1, 0]) for one in (before, after)]
        shorter += ends[1] < ends[0] - 3
    assert shorter > len(asked) / 4


def test_there_is_a_rule_for_each_neighbour_and_none_for_the_own_past_or_new_roads(asked) -> None:
    for editor, driver in asked:
        for number in range(1, min(len(editor.slots), 5) + 1):
            assert driver(parse_edits(f"remove neighbour {number}", editor)) is not None
        assert driver([(editor.knobs(["own"])[0], 0.1)]) is None
        assert driver(parse_edits("widen the road by 2 m", editor)) is None
        assert driver([(editor.knobs(["own"])[0], 0.0)]) is not None


def test_a_town_of_another_version_is_refused(town: Path, dataset, asked, tmp_path: Path) -> None:
    other = tmp_path / "town"
    shutil.copytree(town, other)
    about = json.loads((other / "town.json").read_text())
    (other / "town.json").write_text(json.dumps(about | {"seed": about["seed"] + 1}))
    row = int(dataset.samples("mini_train").rows[0])
    with pytest.raises(DataError, match="written by another version; write it anew with 'forecast town'"):
        true_driver(other, dataset, row, asked[0][0])


def test_on_real_roads_there_is_nobody_to_ask(dataset, asked, tmp_path: Path) -> None:
    assert true_driver(tmp_path, dataset, int(dataset.samples("mini_train").rows[0]), asked[0][0]) is None


def test_the_command_tells_what_the_driver_does(town: Path, dataset, tmp_path: Path, capsys) -> None:
    (token,) = dataset.samples("mini_train")[np.array([0])].tokens(dataset.tracks)
    out = tmp_path / "edited.png"
    data = ["--dataroot", str(town), "--version", "v1.0-mini", "--sample", token]
    assert main(["counterfactual", "town", *data, "--edit", "put a car 15 m ahead", "--out", str(out)]) == 0
    assert "the true driver, driven again: " in capsys.readouterr().out
    told = json.loads(out.with_suffix(".json").read_text())["driven_again"]
    assert sum(told.values()) == 1.0


def test_who_never_reacts_is_wrong_by_the_whole_change(dataset) -> None:
    assert can_be_driven_on(dataset)
    blind = open_model("forecast.explain.audit.known_forecasters:constant_velocity")
    with torch.inference_mode():
        found = town_causal_error(blind, dataset, dataset.samples("mini_train")[np.arange(0, 27, 4)])
    for kinds in found.values():
        for kind in kinds.values():
            assert kind["model"]["value"] in (0.0, None)
            assert kind["error"] == kind["truth"]
    assert found["neighbour taken away"]["matters not"]["truth"]["count"] > 5
    assert found["arm closed"]["matters"]["truth"]["count"] > 0
