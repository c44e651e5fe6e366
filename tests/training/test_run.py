"""Training: it learns, it resumes to the same weights, it never leaves half a checkpoint."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml
from safetensors.torch import load_file

from forecast.core.batch import AgentBatch
from forecast.core.errors import CheckpointError, ConfigError, DataError
from forecast.data.augment import mirrored
from forecast.data.loading import BatchSource, EpochBatches
from forecast.data.maps.layers import mirrored_signs
from forecast.data.synthetic.town_writer import write_town
from forecast.prediction.checkpoint import load_checkpoint
from forecast.prediction.predictor import Predictor
from forecast.training import run as runs
from forecast.training.callbacks import RunFolder
from forecast.training.config import load_config
from forecast.training.module import TrainingDiverged


@pytest.fixture
def config(small_settings):
    return load_config("gain", settings=small_settings)


class Killed(Exception):
    pass


def test_a_killed_run_resumes_to_the_same_weights_bit_for_bit(tmp_path: Path, config, made_up, monkeypatch) -> None:
    learn, check = made_up(40), made_up(10, seed=1)
    runs.train_on(config, tmp_path / "whole", learn, check, None, progress=False)

    original = RunFolder.on_train_batch_end

    def dies(self: RunFolder, trainer: pl.Trainer, *args: object) -> None:
        original(self, trainer, *args)
        if trainer.global_step == 5:  # in the middle of the third epoch
            raise Killed

    monkeypatch.setattr(RunFolder, "on_train_batch_end", dies)
    with pytest.raises(Killed):
        runs.train_on(config, tmp_path / "cut", learn, check, None, progress=False)
    monkeypatch.undo()
    runs.train_on(config, tmp_path / "cut", learn, check, None, progress=False, resume=True)

    for name in ("last.safetensors", "best.safetensors"):
        whole, cut = (load_file(tmp_path / run / name) for run in ("whole", "cut"))
        assert all(torch.equal(whole[key], cut[key]) for key in whole)
    rows = [(tmp_path / run / "metrics.csv").read_text().splitlines() for run in ("whole", "cut")]
    assert len(rows[0]) == len(rows[1]) == 5
    speed = rows[0][0].split(",").index("agents_per_s")
    without_speed = [[line.split(",")[:speed] for line in table] for table in rows]
    assert without_speed[0] == without_speed[1]


def test_training_improves_on_validation(tmp_path: Path, small_settings, made_up) -> None:
    config = load_config("gain", settings={**small_settings, "run.epochs": 15})
    runs.train_on(config, tmp_path / "run", made_up(64), made_up(32, seed=1), None, progress=False)
    lines = [line.split(",") for line in (tmp_path / "run" / "metrics.csv").read_text().splitlines()]
    nll = [float(line[lines[0].index("val/nll")]) for line in lines[1:]]
    assert nll[-1] < 0.7 * nll[0]
    batch = made_up(8).whole
    forecast = Predictor.load(tmp_path / "run").predict(batch)
    assert forecast.positions_m.shape == (8, 4, 12, 2)
    torch.testing.assert_close(forecast.probabilities.sum(1), torch.ones(8))


@pytest.mark.parametrize("monitor", ["nll", "fde_ml"])
def test_the_best_epoch_is_that_of_what_is_monitored(tmp_path: Path, small_settings, made_up, monitor: str) -> None:
    config = load_config("gain", settings={**small_settings, "run.epochs": 8, "run.monitor": monitor})
    runs.train_on(config, tmp_path, made_up(32), made_up(16, seed=1), None, progress=False)
    lines = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines()]
    seen = [float(line[lines[0].index(f"val/{monitor}")]) for line in lines[1:]]
    notes = load_checkpoint(tmp_path / "best.safetensors").notes
    assert notes["epoch"] == 1 + min(range(len(seen)), key=seen.__getitem__)


def test_the_rate_rises_first_and_then_follows_its_decay(tmp_path: Path, small_settings, made_up) -> None:
    rates = {}
    for warmup in (0.0, 0.5):
        settings = {**small_settings, "optimiser.warmup": warmup, "run.epochs": 4, "run.batch_size": 8}
        out = runs.train_on(
            load_config("gain", settings=settings),
            tmp_path / str(warmup),
            made_up(40),
            made_up(10),
            None,
            progress=False,
        )
        with (out / "metrics.csv").open() as file:
            rates[warmup] = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    # Noted after each epoch, for the step to come: 20 steps, of which the first ten rise.
    np.testing.assert_allclose(np.divide(rates[0.5], rates[0.0]), [0.6, 1.0, 1.0, 1.0], rtol=1e-6)


def test_mirroring_all_is_training_on_the_mirrored_world(tmp_path: Path, small_settings, made_up) -> None:
    class Mirrored:
        """A source whose batches are mirrored before they come."""

        def __init__(self, source: BatchSource) -> None:
            self.source = source

        def __len__(self) -> int:
            return len(self.source)

        def batch(self, indices: Sequence[int]) -> AgentBatch:
            batch = self.source.batch(indices)
            channels = load_config("gain", settings=small_settings).model.crop.channels
            return mirrored(batch, torch.ones(len(batch), dtype=torch.bool), mirrored_signs(channels))

    def weights(name: str, mirror: float, source: BatchSource) -> dict[str, torch.Tensor]:
        # No dropout and no sampling, since mirroring draws a number of its own.
        still = {f"model.dropout.{part}": 0.0 for part in ("encoders", "prior", "map")}
        settings = {**small_settings, **still, "model.control_noise": False, "data.mirror": mirror}
        config = load_config("gain", settings=settings)
        out = runs.train_on(config, tmp_path / name, source, made_up(10, seed=1), None, progress=False)
        return load_file(out / "last.safetensors")

    ours, theirs = weights("ours", 1.0, made_up(40)), weights("theirs", 0.0, Mirrored(made_up(40)))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    plain = weights("plain", 0.0, made_up(40))
    assert not all(torch.equal(ours[name], plain[name]) for name in plain)


def test_a_run_can_start_from_trained_weights(tmp_path: Path, small_settings, made_up) -> None:
    arguments = (made_up(16), made_up(8), None)
    runs.train_on(load_config("gain", settings=small_settings), tmp_path / "first", *arguments, progress=False)
    still = {"optimiser.learning_rate": 1e-12, "optimiser.map_learning_rate": 1e-12, "run.epochs": 1}
    # Merging is prediction's alone: weights that answered otherwise are no other weights.
    onward = {**small_settings, "run.start_from": str(tmp_path / "first"), "model.merge_radius_m": 1.0}
    runs.train_on(load_config("gain", settings={**onward, **still}), tmp_path / "on", *arguments, progress=False)
    for kind in ("", "_without_context"):
        first = load_file(tmp_path / "first" / f"best{kind}.safetensors")
        on = load_file(tmp_path / "on" / f"last{kind}.safetensors")
        for name, tensor in first.items():
            torch.testing.assert_close(on[name], tensor, rtol=0, atol=1e-9)

    other = load_config("gain", settings={**onward, "model.decoder_size": 7})
    with pytest.raises(ConfigError, match=r"these weights have model\.decoder_size \d+, the configuration says 7"):
        runs.train_on(other, tmp_path / "other", *arguments, progress=False)
    assert not (tmp_path / "other").exists()


def test_a_finished_or_begun_folder_is_not_overwritten(tmp_path: Path, small_settings, made_up) -> None:
    config = load_config("gain", settings={**small_settings, "run.epochs": 1})
    arguments = (made_up(16), made_up(8), None)
    runs.train_on(config, tmp_path, *arguments, progress=False)
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(ConfigError, match="--resume"):
        runs.train_on(config, tmp_path, *arguments, progress=False)
    other = load_config("gain", settings={**small_settings, "run.epochs": 1, "run.seed": 2})
    with pytest.raises(ConfigError, match=r"run\.seed = 0, now it is 2"):
        runs.train_on(other, tmp_path, *arguments, progress=False, resume=True)
    runs.train_on(config, tmp_path, *arguments, progress=False, resume=True)
    assert (tmp_path / "last.safetensors").read_bytes() == before
    for name in ("config.yaml", "environment.json"):
        whole = (tmp_path / name).read_text()
        for damaged in ("", "[", "a: 3" if name == "config.yaml" else "{}"):
            (tmp_path / name).write_text(damaged)
            with pytest.raises((CheckpointError, ConfigError)) as caught:
                runs.train_on(config, tmp_path, *arguments, progress=False, resume=True)
            assert str(tmp_path) in str(caught.value)
            assert "\n" not in str(caught.value)
        (tmp_path / name).write_text(whole)
    (tmp_path / "config.yaml").rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="--resume"):
        runs.train_on(config, tmp_path, *arguments, progress=False)
    with pytest.raises(CheckpointError, match=r"config\.yaml: cannot be read"):
        runs.train_on(config, tmp_path, *arguments, progress=False, resume=True)
    (tmp_path / "elsewhere").rename(tmp_path / "config.yaml")
    assert (tmp_path / "last.safetensors").read_bytes() == before
    torch.save({"state_dict": {}}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"last\.ckpt"):
        runs.train_on(config, tmp_path, *arguments, progress=False, resume=True)
    (tmp_path / "last.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"last\.ckpt"):
        runs.train_on(config, tmp_path, *arguments, progress=False, resume=True)


def test_a_run_on_schedules_of_steps_lengthens_to_the_same_weights(tmp_path: Path, small_settings, made_up) -> None:
    settings = {**small_settings, "optimiser.decay": "exponential", "schedules.unit": "steps"}
    arguments = (made_up(40), made_up(10, seed=1), None)
    short, whole = (load_config("gain", settings={**settings, "run.epochs": epochs}) for epochs in (2, 4))
    runs.train_on(whole, tmp_path / "whole", *arguments, progress=False)
    runs.train_on(short, tmp_path / "run", *arguments, progress=False)
    runs.train_on(whole, tmp_path / "run", *arguments, progress=False, resume=True)
    expected, found = (load_file(tmp_path / run / "last.safetensors") for run in ("whole", "run"))
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_a_finished_run_goes_on_for_more_epochs(tmp_path: Path, small_settings, made_up, capsys) -> None:
    short, longer = (load_config("gain", settings={**small_settings, "run.epochs": epochs}) for epochs in (2, 5))
    arguments = (made_up(40), made_up(10, seed=1), None)

    def said(config, **options: bool) -> str:
        capsys.readouterr()
        runs.train_on(config, tmp_path, *arguments, **options)
        return capsys.readouterr().err

    said(short)
    assert "all 2 epochs are done already; a larger run.epochs lengthens the run" in said(short, resume=True)
    told = said(longer, resume=True).splitlines()
    assert told[0].startswith(
        f"{tmp_path}: lengthened from 2 to 5 epochs after epoch 2: the learning rate and α and the"
    )
    assert [line.split()[1] for line in told[1:]] == ["3/5", "4/5", "5/5"]
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    # At the end of the short run the cosine was down; a run of five is not, after three.
    assert float(rows[2]["learning_rate"]) > 2 * float(rows[1]["learning_rate"])
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["run"]["epochs"] == 5
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["lengthened"] == [{"after_epoch": 2, "from_epochs": 2, "to_epochs": 5}]
    with pytest.raises(ConfigError, match=r"run\.epochs = 5, now it is 2"):
        runs.train_on(short, tmp_path, *arguments, progress=False, resume=True)


def test_other_maps_are_other_data(tmp_path: Path, small_settings) -> None:
    town = tmp_path / "town"
    write_town(town, scenes=10, version="v1.0-mini", world="junction", samples_per_scene=2)
    data = {"data.dataroot": str(town), "data.version": "v1.0-mini", "data.cache": str(tmp_path / "cache")}
    config = load_config("gain", settings={**small_settings, **data, "run.epochs": 1})
    runs.train(config, tmp_path / "run", progress=False)
    runs.train(config, tmp_path / "run", resume=True, progress=False)
    expansion = next((town / "maps" / "expansion").glob("*.json"))
    expansion.write_text(expansion.read_text() + "\n")
    with pytest.raises(ConfigError, match="began on other data"):
        runs.train(config, tmp_path / "run", resume=True, progress=False)


def _as_version_0_1(run: Path) -> None:
    """Rewrite what a run is resumed by as version 0.1 wrote it: the twin was a part of the network."""
    ckpt = torch.load(run / "last.ckpt", weights_only=True)
    names = {"pair.twin.": "model.blind.", "pair.network.": "model."}
    for new, old in names.items():
        for name in [name for name in ckpt["state_dict"] if name.startswith(new)]:
            ckpt["state_dict"][old + name.removeprefix(new)] = ckpt["state_dict"].pop(name)
    torch.save(ckpt, run / "last.ckpt")
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config["model"]["network"], config["objective"]["without_context"]
    config["model"]["own_blind"] = True
    old = {"without_context_weight": "blind_weight", "weighted_probabilities": "weighted_odds"}
    old["gain_weight"] = "divergence_weight"
    config["objective"] = {old.get(key, key): value for key, value in config["objective"].items()}
    config["objective"] |= {"divergence_cap": 2.0, "entropy_weight": 0.0}
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def test_a_run_of_version_0_1_is_resumed_to_the_same_weights(tmp_path: Path, small_settings, made_up) -> None:
    arguments = (made_up(40), made_up(10, seed=1), None)
    for name in ("now", "before"):
        short = load_config("gain", settings={**small_settings, "run.epochs": 1})
        runs.train_on(short, tmp_path / name, *arguments, progress=False)
    _as_version_0_1(tmp_path / "before")
    for name in ("now", "before"):
        longer = load_config("gain", settings={**small_settings, "run.epochs": 2})
        runs.train_on(longer, tmp_path / name, *arguments, progress=False, resume=True)
    for file in ("last.safetensors", "last_without_context.safetensors"):
        now, before = (load_file(tmp_path / name / file) for name in ("now", "before"))
        assert all(torch.equal(now[key], before[key]) for key in now)


def test_a_resumed_run_of_another_objective_says_what_to_do(tmp_path: Path, small_settings, made_up) -> None:
    arguments = (made_up(16), made_up(8), None)
    runs.train_on(
        load_config("gain", settings={**small_settings, "run.epochs": 1}), tmp_path, *arguments, progress=False
    )
    other = load_config("rubiz", settings={**small_settings, "run.epochs": 1})
    with pytest.raises(ConfigError, match=r"\.name = gain, now it is rubiz; resume .* --config .*config\.yaml"):
        runs.train_on(other, tmp_path, *arguments, progress=False, resume=True)


def test_a_twin_that_the_weights_lack_begins_anew_and_one_line_says_so(tmp_path: Path, small_settings, made_up) -> None:
    arguments = (made_up(16), made_up(8), None)
    settings = {**small_settings, "run.epochs": 1}
    runs.train_on(load_config("trajectron", settings=settings), tmp_path / "first", *arguments, progress=False)
    onward = load_config("gain", settings={**settings, "run.start_from": str(tmp_path / "first")})
    with pytest.warns(UserWarning, match="no twin without context, so it begins with random ones"):
        runs.train_on(onward, tmp_path / "on", *arguments, progress=False)
    assert (tmp_path / "on" / "best_without_context.safetensors").is_file()


def without_crops(source):
    source.whole = replace(source.whole, crop=None)
    return source


def test_a_start_that_failed_leaves_no_run_behind(tmp_path: Path, small_settings, made_up) -> None:
    config = load_config("gain", settings={**small_settings, "run.epochs": 1})

    def no_map(batch: AgentBatch) -> AgentBatch:
        raise DataError("no such layer")

    for place in (tmp_path, tmp_path / "new"):
        with pytest.raises(DataError, match="no such layer"):
            runs.train_on(config, place, without_crops(made_up(16)), without_crops(made_up(8)), no_map, progress=False)
    assert not list(tmp_path.iterdir())
    runs.train_on(config, tmp_path, made_up(16), made_up(8), None, progress=False)
    assert (tmp_path / "config.yaml").is_file()


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(tmp_path, config, made_up) -> None:
    learn = made_up(16)
    learn.whole.future[:] = float("nan")
    with pytest.raises(TrainingDiverged, match="learning_rate"):
        runs.train_on(config, tmp_path, learn, made_up(8), None, progress=False)
    assert not (tmp_path / "last.safetensors").exists()


@pytest.mark.parametrize("name", ["trajectron", "no_context", "reweight", "rubiz", "cab", "gain"])
def test_every_shipped_configuration_trains(name: str, tmp_path: Path, small_settings, made_up) -> None:
    config = load_config(name, settings={**small_settings, "run.epochs": 1})
    runs.train_on(config, tmp_path, made_up(16), made_up(8), None, progress=False)
    assert Predictor.load(tmp_path).model.config == config.model


@pytest.mark.parametrize(
    ("setting", "said"), [({"run.precision": "bf17"}, "Precision 'bf17'"), ({"run.strategy": "dpp"}, "strategy='dpp'")]
)
def test_what_lightning_refuses_is_one_line(setting, said: str, tmp_path: Path, small_settings, made_up) -> None:
    config = load_config("gain", settings={**small_settings, **setting})
    with pytest.raises(ConfigError, match=r"^run: Lightning refuses accelerator 'cpu'") as caught:
        runs.train_on(config, tmp_path / "run", made_up(16), made_up(8), None, progress=False)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["cab_paper", "no_context", "rubiz", "gain"])
def test_training_in_half_precision_ends_with_weights_as_precise_as_ever(
    name: str, tmp_path: Path, small_settings, made_up
) -> None:
    half = {"run.epochs": 1, "run.precision": "bf16-mixed"}
    runs.train_on(
        load_config(name, settings={**small_settings, **half}), tmp_path, made_up(16), made_up(8), None, progress=False
    )
    assert {tensor.dtype for tensor in load_file(tmp_path / "last.safetensors").values()} == {torch.float32}
    assert Predictor.load(tmp_path).predict(made_up(8).whole).positions_m.dtype == torch.float32


def test_processes_together_see_what_one_would() -> None:
    one = EpochBatches(50, 8, seed=3)
    parts = [EpochBatches(50, 4, seed=3, rank=rank, world=2) for rank in range(2)]
    for sampler in (one, *parts):
        sampler.set_epoch(2)
    for whole, *shares in zip(one, *parts, strict=True):
        assert [index for share in shares for index in share] == whole
    one.set_epoch(3)
    assert [*one] != [*EpochBatches(50, 8, seed=3)]
