"""`forecast adapt` on a small town: from a base to two cities, with predictions, scores and exports by city."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from forecast.cli.main import main
from forecast.data.cache import open_dataset
from forecast.data.maps.road_poses import road_poses
from forecast.data.synthetic.town_writer import write_town
from forecast.eval.forecasts import read_forecasts
from forecast.model.cities.city_network import CityNetwork
from forecast.prediction.checkpoint import load_checkpoint
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.scene import AgentTrack, Scene
from forecast.training.adapting import adapting_config
from forecast.training.callbacks import RunFolder
from forecast.training.config import as_dict, load_config
from forecast.training.rehearsal import of_some_scenes, with_rehearsal

BOSTON, NORTH, QUEENS = "boston-seaport", "singapore-onenorth", "singapore-queenstown"
VERSION = "v1.0-trainval"
SMALL = [
    "--model.size", "16", "--model.heads", "2", "--model.modes", "6", "--model.medoids", "3",
    "--model.trunk.width", "8", "--run.batch_size", "64", "--run.accelerator", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    write_town(folder, scenes=8, seed=3, version=VERSION)
    return folder


@pytest.fixture(scope="module")
def base(town: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "base"
    given = ["--config", "query_cab", "--dataroot", str(town), "--version", VERSION, "--out", str(run)]
    extra = ["--data.locations", f"[{BOSTON}]", "--data.val_split", "train", "--run.epochs", "1"]
    assert main(["train", *given, *extra, *SMALL]) == 0
    return run


def adapt(town: Path, checkpoint: Path, out: Path, *more: str, epochs: int = 1) -> int:
    given = ["--checkpoint", str(checkpoint), "--dataroot", str(town), "--version", VERSION, "--out", str(out)]
    return main(["adapt", *given, "--data.val_split", "train", "--run.epochs", str(epochs), *more])


def predicted(town: Path, checkpoint: Path, out: Path, *more: str):
    given = ["--checkpoint", str(checkpoint), "--dataroot", str(town), "--version", VERSION, "--out", str(out)]
    assert main(["predict", *given, "--split", "train", *more]) == 0
    return read_forecasts(out)


@pytest.fixture(scope="module")
def two_cities(town: Path, base: Path) -> Path:
    first, second = base.parent / "one", base.parent / "two"
    assert adapt(town, base, first, "--locations", NORTH, "--city", "north") == 0
    assert adapt(town, first, second, "--locations", QUEENS, "--method", "attention") == 0
    return second


def test_what_was_there_is_answered_as_before(town: Path, base: Path, two_cities: Path, tmp_path: Path, capsys) -> None:
    before, after = (load_checkpoint(run) for run in (base, two_cities))
    assert isinstance(after.model, CityNetwork)
    assert [(r.name, r.locations, r.method) for r in after.model.records] == [
        ("north", (NORTH,), "adapters"),
        (QUEENS, (QUEENS,), "attention"),
    ]
    for name, tensor in before.model.state_dict().items():
        assert torch.equal(after.model.base.state_dict()[name], tensor), name
    old, new = predicted(town, base, tmp_path / "a.parquet"), predicted(town, two_cities, tmp_path / "b.parquet")
    dataset = open_dataset(town, VERSION)
    maps = dict(zip(dataset.tracks.scene_names.tolist(), dataset.tracks.scene_maps.tolist(), strict=True))
    assert len(set(maps.values())) == 4
    rows = dataset.samples("train").rows
    where = np.array(dataset.map_names)[dataset.scene_map[dataset.tracks.track_scene[dataset.columns.row_track[rows]]]]
    equal = (old.positions_m == new.positions_m).all((1, 2, 3))
    np.testing.assert_array_equal(equal, ~np.isin(where, [NORTH, QUEENS]))
    one = predicted(town, base.parent / "one", tmp_path / "c.parquet", "--locations", NORTH)
    np.testing.assert_allclose(one.positions_m, new.positions_m[where == NORTH], atol=1e-3)  # other batches
    by_base = predicted(town, two_cities, tmp_path / "d.parquet", "--city", "base")
    np.testing.assert_array_equal(by_base.positions_m, old.positions_m)


def test_scores_and_splits_of_a_location_alone(town: Path, base: Path, tmp_path: Path, capsys) -> None:
    rows = predicted(town, base, tmp_path / "all.parquet")
    named = ["--dataroot", str(town), "--version", VERSION, "--split", "train", "--locations"]
    dataset, scored = open_dataset(town, VERSION), 0
    for place in dataset.map_names:
        out = tmp_path / f"{place}.csv"
        given = ["score", str(tmp_path / "all.parquet"), *named, place, "--per-sample", str(out)]
        assert main([*given, "--out", str(tmp_path / place)]) == 0
        lines = out.read_text().splitlines()[1:]
        assert len(lines) == len(dataset.at([place]).samples("train"))
        scored += len(lines)
    assert scored == len(rows)
    assert main(["score", str(tmp_path / "all.parquet"), *named, "boston", "--out", str(tmp_path / "x")]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "no scene at location 'boston'; did you mean 'boston-seaport'" in told


def test_an_interrupted_run_resumes_to_the_same_city(town: Path, base: Path, tmp_path: Path, monkeypatch) -> None:
    more = ["--locations", NORTH]
    assert adapt(town, base, tmp_path / "whole", *more, epochs=2) == 0
    original = RunFolder.on_train_epoch_end

    def stops(self: RunFolder, trainer, *args: object) -> None:
        original(self, trainer, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "on_train_epoch_end", stops)
    assert adapt(town, base, tmp_path / "cut", *more, epochs=2) == 130
    monkeypatch.undo()
    torch.manual_seed(99)  # whatever was drawn before
    assert adapt(town, base, tmp_path / "cut", *more, "--resume", epochs=2) == 0
    whole, cut = (load_checkpoint(tmp_path / run / "last.safetensors").model.state_dict() for run in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_a_forecaster_and_an_export_answer_by_city(town: Path, two_cities: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    assert main(["export", "--checkpoint", str(two_cities), "--out", str(tmp_path / "x.onnx")]) == 2
    assert "say which, --city base, north, singapore-queenstown" in capsys.readouterr().err
    given = ["export", "--checkpoint", str(two_cities), "--samples", "20"]
    assert main([*given, "--city", "north", "--out", str(tmp_path / "north.onnx")]) == 0
    assert (tmp_path / "north.onnx").is_file()
    dataset = open_dataset(town, VERSION)
    maps = {name: dataset.load_map(name) for name in (BOSTON, NORTH)}
    whole, own, base = (Forecaster.load(two_cities, maps, city=city) for city in (None, "north", "base"))
    for name, expected in ((BOSTON, base), (NORTH, own)):
        x, y = road_poses(maps[name], 1)[0, :2]
        scene = Scene.of(1.0, [AgentTrack("car", "vehicle", [0.5, 1.0], [(x - 4, y, 0.0), (x, y, 0.0)])], name)
        answers = [one.forecast(scene).positions_m for one in (whole, expected, base)]
        np.testing.assert_array_equal(answers[0], answers[1])
        assert np.array_equal(answers[0], answers[2]) == (name == BOSTON)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--locations", "nowhere"), "no scene at location 'nowhere'"),
        (("--locations", NORTH, "--shared"), "adapters are a city's own"),
        (("--locations", NORTH, "--objective.name", "gain"), "trains a twin without context, which has no cities"),
        (("--locations", NORTH, "--adapt.rank", "0"), "adapt.rank: expected at least 1"),
        (("--locations", NORTH, "--city", "keys"), "a name without dots that means nothing else"),
        (("--locations", NORTH, "--data.rehearsal", f"[{BOSTON}]"), "goes with adapt.shared"),
    ],
)
def test_mistakes_are_one_line(town: Path, base: Path, tmp_path: Path, capsys, more, told: str) -> None:
    assert adapt(town, base, tmp_path / "run", *more) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert told in lines[-1]
    assert not (tmp_path / "run").exists()


def test_a_city_that_is_held_is_not_learnt_twice(town: Path, two_cities: Path, tmp_path: Path, capsys) -> None:
    assert adapt(town, two_cities, tmp_path / "run", "--locations", NORTH) == 2
    assert "hold the city 'north' (singapore-onenorth) already" in capsys.readouterr().err
    assert adapt(town, two_cities, tmp_path / "run", "--locations", NORTH, "--method", "full", "--shared") == 2
    assert "rest on a base that must not change" in capsys.readouterr().err
    given = ["--dataroot", str(town), "--version", VERSION, "--run.start_from", str(two_cities), *SMALL]
    assert main(["train", "--config", "query_cab", *given, "--out", str(tmp_path / "run")]) == 2
    assert "hold cities; go on with 'forecast adapt'" in capsys.readouterr().err


def test_full_learns_at_a_quarter_of_the_rate_however_often(base: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(base)
    rate = checkpoint.notes["config"]["optimiser"]["learning_rate"]
    given = {"data": {"locations": [NORTH]}, "run": {"start_from": str(base)}}
    for method in ("full", "full", "adapters", "full"):
        config = adapting_config(checkpoint, given | {"adapt": {"method": method}})
        assert config.optimiser.learning_rate == pytest.approx(rate * (0.25 if method == "full" else 1.0))
        checkpoint = replace(checkpoint, notes={"config": as_dict(config)})


def test_shared_weights_change_for_all(town: Path, base: Path, tmp_path: Path) -> None:
    assert adapt(town, base, tmp_path / "run", "--locations", NORTH, "--method", "attention", "--shared") == 0
    before, after = (load_checkpoint(run).model for run in (base, tmp_path / "run"))
    assert not isinstance(after, CityNetwork)
    changed = {n for n, t in after.state_dict().items() if not torch.equal(t, before.state_dict()[n])}
    assert changed
    assert changed <= before.attention_parameters()


def test_rehearsal_draws_a_few_of_each_manoeuvre_and_map_once(town: Path) -> None:
    dataset = open_dataset(town, VERSION)
    settings = {"data.locations": [NORTH], "data.rehearsal": [BOSTON, QUEENS], "data.rehearsal_each": 2}
    data = load_config("query", settings=settings | {"data.rehearsal_repeat": 3}).data
    own = dataset.at([NORTH]).samples("train")
    found = with_rehearsal(own, dataset.at(data.rehearsal), "train", data)
    np.testing.assert_array_equal(found.rows[: len(own)], own.rows)
    memory, times = np.unique(found.rows[len(own) :], return_counts=True)
    assert set(times.tolist()) == {3}
    assert 4 <= len(memory) <= 2 * 2 * 6
    again = with_rehearsal(own, dataset.at(data.rehearsal), "train", data)
    np.testing.assert_array_equal(found.rows, again.rows)
    assert set(memory) <= set(dataset.at([BOSTON, QUEENS]).samples("train").rows)


def test_fewer_scenes_are_some_of_more(town: Path) -> None:
    dataset = open_dataset(town, VERSION)
    samples = dataset.samples("train")
    found = [of_some_scenes(dataset, samples, count) for count in (1, 2, 99)]
    rows = [set(some.rows.tolist()) for some in found]
    assert rows[0] < rows[1] < rows[2] == set(samples.rows.tolist())
    scenes = dataset.tracks.track_scene[dataset.columns.row_track[found[1].rows]]
    assert len(set(scenes.tolist())) == 2
