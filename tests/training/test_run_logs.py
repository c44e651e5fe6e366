"""Logs of a run: one however often it is resumed, without what was logged after the checkpoint, and pictures in it."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.forecast import Forecast
from forecast.pictures.validation_sheet import draw_validation
from forecast.training import run as runs
from forecast.training.callbacks import RunFolder
from forecast.training.config import load_config

STEPS = 2  # of an epoch


class Killed(Exception):
    pass


@pytest.fixture
def resumed(tmp_path: Path, small_settings, made_up, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run of four epochs that dies within the third, after its validation, and goes on."""

    def make(loggers: tuple[str, ...]) -> Path:
        config = load_config("gain", settings={**small_settings, "run.loggers": list(loggers), "run.pictures_every": 2})
        arguments: Any = (config, tmp_path / "run", made_up(40), made_up(10, seed=1), None)
        original = RunFolder.on_train_epoch_end

        def dies(self: RunFolder, trainer: Any, *args: Any) -> None:
            if trainer.current_epoch == 2:
                raise Killed
            original(self, trainer, *args)

        monkeypatch.setattr(RunFolder, "on_train_epoch_end", dies)
        with pytest.raises(Killed):
            runs.train_on(*arguments, progress=False, draw=draw_validation)
        monkeypatch.undo()
        return runs.train_on(*arguments, progress=False, draw=draw_validation, resume=True)

    return make


def test_the_csv_log_of_a_resumed_run_is_one_table(resumed) -> None:
    out = resumed(("csv",))
    assert [path.name for path in (out / "logs").rglob("*.csv")] == ["metrics.csv"]
    with (out / "logs" / "csv" / "metrics.csv").open(newline="") as file:
        logged = list(csv.DictReader(file))
    with (out / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in logged] == [STEPS * epoch - 1 for epoch in (1, 2, 3, 4)]
    for name in ("val/nll", "train/loss", "learning_rate"):
        np.testing.assert_allclose([float(row[name]) for row in logged], [float(row[name]) for row in rows], rtol=1e-6)


def test_tensorboard_shows_one_run_with_the_learning_rate_and_pictures(resumed) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out = resumed(("tensorboard",))
    folders = {path.parent for path in out.rglob("events.out.tfevents.*")}
    assert folders == {out / "logs" / "tensorboard"}
    found = events.EventAccumulator(str(folders.pop()))
    found.Reload()
    steps = [STEPS * epoch - 1 for epoch in (1, 2, 3, 4)]
    for name in ("val/nll", "train/loss", "learning_rate"):
        assert [one.step for one in found.Scalars(name)] == steps
    assert [one.step for one in found.Images("validation/forecasts")] == [steps[1], steps[3]]


def test_pictures_change_no_weight(tmp_path: Path, small_settings, made_up) -> None:
    pytest.importorskip("tensorboard")

    def weights(name: str, draw: Any) -> dict[str, torch.Tensor]:
        settings = {**small_settings, "run.loggers": ["tensorboard"], "run.pictures_every": 1}
        config = load_config("gain", settings=settings)
        runs.train_on(config, tmp_path / name, made_up(40), made_up(10, seed=1), None, progress=False, draw=draw)
        return load_file(tmp_path / name / "last.safetensors")

    drawn, plain = weights("drawn", draw_validation), weights("plain", None)
    assert all(torch.equal(drawn[name], plain[name]) for name in plain)


@pytest.mark.parametrize("with_map", [True, False])
def test_a_picture_shows_each_agent(made_up, with_map: bool) -> None:
    batch: AgentBatch = made_up(3).whole
    if not with_map:
        batch = replace(batch, crop=None)
    answer = Forecast(batch.future[:, None].repeat(1, 2, 1, 1), torch.tensor([[0.7, 0.3]] * 3))
    picture = draw_validation(batch, answer, CropSpec(ahead_m=8, behind_m=4, left_m=4, right_m=4, px_per_m=1))
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    thirds = np.array_split(picture[:, 30:], 3, axis=1)
    red = [((third[..., 0] > 180) & (third[..., 1] < 80)).sum() for third in thirds]
    assert min(red) > 50
