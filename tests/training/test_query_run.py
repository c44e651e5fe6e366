"""Training the query network: it resumes bit for bit, averages its weights, varies its inputs, keeps crops."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from forecast.cli.main import main
from forecast.core.agents import AgentType
from forecast.core.batch import AgentBatch
from forecast.core.errors import ConfigError
from forecast.data.augment import without_some_neighbours
from forecast.data.cache import open_dataset
from forecast.data.synthetic.town_writer import write_town
from forecast.eval.forecasts import read_forecasts
from forecast.prediction.checkpoint import load_checkpoint
from forecast.training import run as runs
from forecast.training.average import moving_average
from forecast.training.callbacks import RunFolder
from forecast.training.config import load_config
from forecast.training.module import ForecastModule


class Killed(Exception):
    pass


@pytest.fixture
def small(small_query_settings):
    return lambda **settings: load_config("query", settings=small_query_settings | settings)


def add_crops(batch: AgentBatch) -> AgentBatch:
    """Crops that depend on the pose, as those of a map do."""
    angle = batch.pose_world[:, 2].float()[:, None, None, None]
    rows = torch.arange(12.0)[:, None] * angle + torch.arange(8.0) + torch.arange(3.0)[:, None, None]
    return replace(batch, crop=(rows.round() % 16) / 15)


def without_crops(source):
    source.whole = replace(source.whole, crop=None)
    return source


@pytest.mark.parametrize("objective", ["plain", "divergence", "gain", "reweight"])
def test_a_killed_run_resumes_to_the_same_weights_bit_for_bit(
    tmp_path: Path, made_up, monkeypatch, small, objective: str
) -> None:
    config = small(**{"objective.name": objective, "data.mirror": 0.5})

    def train(name: str, **more: bool) -> None:
        sources = [without_crops(made_up(40)), without_crops(made_up(10, seed=1))]
        runs.train_on(config, tmp_path / name, *sources, add_crops, progress=False, **more)

    train("whole")
    original = RunFolder.on_train_batch_end

    def dies(self: RunFolder, trainer, *args: object) -> None:
        original(self, trainer, *args)
        if trainer.global_step == 5:
            raise Killed

    monkeypatch.setattr(RunFolder, "on_train_batch_end", dies)
    with pytest.raises(Killed):
        train("cut")
    monkeypatch.undo()
    train("cut", resume=True)
    files = sorted(path.name for path in (tmp_path / "whole").glob("*.safetensors"))
    assert len(files) == (4 if objective == "gain" else 2)
    for name in files:
        whole, cut = (load_file(tmp_path / run / name) for run in ("whole", "cut"))
        assert all(torch.equal(whole[key], cut[key]) for key in whole)


def test_what_is_kept_of_crops_changes_nothing_and_is_told(tmp_path: Path, made_up, small, capsys) -> None:
    found = []
    for memory_mib in (0, 2):
        config = small(**{"data.crop_memory_mib": memory_mib, "data.heading_noise_rad": 0.0})
        sources = [without_crops(made_up(40)), without_crops(made_up(10, seed=1))]
        runs.train_on(config, tmp_path / str(memory_mib), *sources, add_crops)
        found.append(load_file(tmp_path / str(memory_mib) / "last.safetensors"))
        told = "crops of the map kept in memory: 40 of 40 for training, 10 of 10 for validation; 1 MiB"
        assert (told in capsys.readouterr().err) == (memory_mib == 2)
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def test_saved_weights_are_the_average_and_that_of_a_young_run_is_new(tmp_path: Path, made_up, small) -> None:
    config = small(**{"optimiser.average_decay": 0.9, "data.heading_noise_rad": 0.0})
    runs.train_on(config, tmp_path, made_up(40), made_up(10, seed=1), None, progress=False)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    saved = load_checkpoint(tmp_path / "last.safetensors").model.state_dict()
    for name, tensor in saved.items():
        assert torch.equal(tensor, kept[f"average.module.network.{name}"])
    assert any(not torch.equal(tensor, kept[f"pair.network.{name}"]) for name, tensor in saved.items())

    module = torch.nn.Linear(1, 1, bias=False)
    average, expected = moving_average(module, 0.5), None
    for step, value in enumerate([1.0, 2.0, 4.0, 8.0]):
        with torch.no_grad():
            module.weight.fill_(value)
        average.update_parameters(module)
        factor = min(0.5, (1 + step) / (10 + step))
        expected = value if expected is None else factor * expected + (1 - factor) * value
    assert float(average.module.weight) == pytest.approx(expected)


def test_matrices_decay_and_vectors_do_not(small) -> None:
    module = ForecastModule(small(**{"optimiser.weight_decay": 0.3}))

    class Steps:
        estimated_stepping_batches = 10

    module._trainer = Steps()
    module._jit_is_scripting = True
    optimiser = module.configure_optimizers()["optimizer"]
    assert isinstance(optimiser, torch.optim.AdamW)
    count = 0
    for group in optimiser.param_groups:
        assert all((p.ndim > 1) == (group["weight_decay"] == 0.3) for p in group["params"])
        count += len(group["params"])
    assert count == len(list(module.pair.parameters()))


def test_neighbours_are_left_out_by_chance_and_nothing_else_changes(made_up) -> None:
    batch = made_up(64).whole
    torch.manual_seed(0)
    less = without_some_neighbours(batch, 0.5)
    kept = less.neighbours_valid.any(2)[batch.neighbours_valid.any(2)].float().mean()
    assert 0.35 < float(kept) < 0.65
    assert torch.equal(less.history, batch.history)
    assert torch.equal(without_some_neighbours(batch, 0.0).neighbours_valid, batch.neighbours_valid)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"optimiser.clip_value": 1.0}, "clip_value and clip_norm are both given"),
        ({"optimiser.average_decay": 1.0}, r"average_decay: expected a factor in \(0, 1\)"),
        ({"optimiser.weight_decay": -1.0}, "weight_decay: expected 0 or more"),
        ({"data.drop_neighbours": 2.0}, "data.drop_neighbours: expected a share"),
        ({"data.heading_noise_rad": -1.0}, "data.heading_noise_rad: expected 0 or more"),
        ({"objective.name": "rubiz"}, "needs a network with a posterior"),
    ],
)
def test_settings_that_do_not_go_together_are_told(small, settings: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        small(**settings)


def test_it_learns_what_the_map_decides(tmp_path: Path, made_up, small) -> None:
    config = small(**{"run.epochs": 30, "data.heading_noise_rad": 0.0, "optimiser.learning_rate": 5e-3})
    runs.train_on(config, tmp_path, made_up(64), made_up(32, seed=1), None, progress=False)
    model, batch = load_checkpoint(tmp_path / "last.safetensors").model, made_up(32, seed=1).whole
    with torch.no_grad():
        seen, alone = (model.predict(batch, null_context=null).most_likely() for null in (False, True))
    errors = [float((path - batch.future).norm(dim=-1)[:, -1].mean()) for path in (seen, alone)]
    assert errors[0] < 0.5 * errors[1]
    assert np.isfinite(errors).all()


@pytest.mark.parametrize("name", ["default", "query", "query_cab", "query_gain", "demo", "town"])
def test_every_shipped_configuration_trains(name: str, tmp_path: Path, small_query_settings, made_up) -> None:
    config = load_config(name, settings={**small_query_settings, "run.epochs": 1, "data.heading_noise_rad": 0.0})
    runs.train_on(config, tmp_path, made_up(16), made_up(8), None, progress=False)
    assert load_checkpoint(tmp_path).model.config == config.model


def test_training_in_half_precision_drives_paths_in_full(tmp_path: Path, made_up, small) -> None:
    config = small(**{"run.epochs": 1, "run.precision": "bf16-mixed"})
    sources = [without_crops(made_up(40)), without_crops(made_up(10, seed=1))]
    runs.train_on(config, tmp_path, *sources, add_crops, progress=False)
    model, batch = load_checkpoint(tmp_path).model, made_up(8).whole
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = model.mixture(batch)
    assert half.positions_m.dtype == torch.float32
    # A step of bfloat16 near 50 m is a quarter of a metre: paths are no such steps.
    assert not torch.equal(half.positions_m, half.positions_m.bfloat16().float())


def test_pedestrians_are_learnt_and_forecast_where_they_are_asked_for(tmp_path: Path, capsys, small) -> None:
    town = tmp_path / "town"
    write_town(town, scenes=2, seed=2, workers=1)
    named = {"data.dataroot": str(town), "data.version": "v1.0-mini", "data.cache": str(tmp_path / "cache")}
    dense = {"data.dense": True, "data.types": ["pedestrian"], "run.epochs": 1}
    runs.train(small(**named, **dense), tmp_path / "run", progress=False)
    data = [
        "--dataroot",
        str(town),
        "--version",
        "v1.0-mini",
        "--cache",
        str(tmp_path / "cache"),
        "--split",
        "mini_val",
    ]
    predict = ["predict", "--checkpoint", str(tmp_path / "run"), *data, "--out", str(tmp_path / "f.parquet")]
    assert main([*predict, "--dense", "--types", "pedestrian,cyclist"]) == 0
    tracks = open_dataset(town, "v1.0-mini", tmp_path / "cache").tracks
    kinds = dict(zip(tracks.track_tokens.tolist(), tracks.track_types.tolist(), strict=True))
    asked = {int(AgentType.PEDESTRIAN), int(AgentType.CYCLIST)}
    assert {kinds[track] for track in read_forecasts(tmp_path / "f.parquet").track.tolist()} <= asked
    assert main([*predict, "--types", "pedestrian"]) == 2
    assert main([*predict, "--dense", "--types", "pedestrain"]) == 2
    told = capsys.readouterr().err
    assert "--types goes with --dense" in told
    assert "no type is called 'pedestrain'" in told
    with pytest.raises(ConfigError, match=r"data\.types: names at least one type, and goes with data.dense"):
        small(**{"data.types": ["pedestrian"]})
