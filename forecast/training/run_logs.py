"""Where a run is logged beside ``metrics.csv``: one log a run, however often it is resumed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.loggers import Logger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.errors import ConfigError
from forecast.core.extras import optional_module
from forecast.core.forecast import Forecast
from forecast.data.loading import BatchSource
from forecast.training.callbacks import write_csv
from forecast.training.module import ForecastModule

#: Draws agents of a batch with their crops, what was answered, and what the crop is: (height, width, 3) RGB, uint8.
DrawForecasts = Callable[[AgentBatch, Forecast, CropSpec], NDArray[np.uint8]]
#: Agents of the validation split in a picture.
_DRAWN = 4


def run_loggers(names: tuple[str, ...], out: Path, resumed: Path | None) -> list[Logger]:
    """The loggers of a run.

    Args:
        names: ``tensorboard``, ``csv``, or the dotted path of a class that takes ``save_dir``.
        out: the run's folder; logs go to ``logs`` in it.
        resumed: Lightning's checkpoint that the run goes on after; what was logged later is taken back.

    Raises:
        ConfigError: one cannot be used.
        MissingExtraError: tensorboard is not installed.
    """
    step = _steps_done(resumed) if names and resumed is not None else None
    return [_logger(name, out / "logs", step) for name in names]


def _logger(name: str, folder: Path, step: int | None) -> Logger:
    if name == "csv":
        return CsvLog(folder / "csv", step)
    if name == "tensorboard":
        # Lightning would take tensorboardX for it, and says something else if neither is there.
        optional_module("tensorboard", "tensorboard")
        return TensorBoardLogger(str(folder), name="tensorboard", version="", purge_step=step)
    module, _, kind = name.rpartition(".")
    try:
        made: Logger = getattr(import_module(module), kind)(save_dir=str(folder))
    except (ImportError, ModuleNotFoundError, AttributeError, ValueError) as error:
        raise ConfigError(f"run.loggers: '{name}' cannot be used: {' '.join(str(error).split())[:200]}") from error
    return made


def _steps_done(ckpt: Path) -> int | None:
    try:
        return int(torch.load(ckpt, map_location="cpu", weights_only=True, mmap=True)["global_step"])
    except Exception:  # whatever a damaged file makes torch raise; it is told where the run is resumed
        return None


class CsvLog(Logger):
    """Everything that is logged, one row a step, in ``metrics.csv``; Lightning's own deletes what it finds.

    Args:
        folder: of the file.
        step: rows from this step on are left out of what is there; None where a run begins.
    """

    def __init__(self, folder: Path, step: int | None) -> None:
        super().__init__()
        self._path = folder / "metrics.csv"
        self._rows: dict[int, dict[str, float | str]] = {}
        if step is not None and self._path.is_file():
            with self._path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    if (at := int(row["step"])) < step:
                        self._rows[at] = {**row, "step": at}

    @property
    def name(self) -> str:
        """Of the folder."""
        return "csv"

    @property
    def version(self) -> str:
        """There is one."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add to the row of a step."""
        at = len(self._rows) if step is None else step
        self._rows.setdefault(at, {"step": at}).update({name: float(value) for name, value in metrics.items()})

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run's folder holds its configuration."""

    @rank_zero_only
    def save(self) -> None:
        """Write the file, whole."""
        if self._rows:
            write_csv(self._path, [self._rows[step] for step in sorted(self._rows)])


class LearningRateLog(pl.Callback):
    """Hands the learning rate and the speed to the loggers, once an epoch; ``metrics.csv`` has them anyway."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the rate of the step to come."""
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        for logger in trainer.loggers:
            logger.log_metrics({"learning_rate": rate}, step=_last_step(trainer))


class ValidationPictures(pl.Callback):
    """Every few epochs a picture of a few validation agents' forecasts, for TensorBoard.

    Args:
        source: of the validation agents; the same ones are drawn each time.
        every: epochs; also after the last one.
        draw: makes the picture.
    """

    def __init__(self, source: BatchSource, every: int, draw: DrawForecasts) -> None:
        self._rows = np.unique(np.linspace(0, len(source) - 1, _DRAWN).round().astype(int)).tolist()
        self._source, self._every, self._draw = source, every, draw

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw, where it is time."""
        epoch = trainer.current_epoch + 1
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if not boards or not trainer.is_global_zero or (epoch % self._every and epoch != trainer.max_epochs):
            return
        assert isinstance(pl_module, ForecastModule)
        batch = self._source.batch(self._rows).to(pl_module.device)
        batch, answer = pl_module.answered(batch)
        shown = Forecast(answer.positions_m.cpu(), answer.probabilities.cpu())
        picture = self._draw(batch.to("cpu"), shown, pl_module.config.model.crop)
        for logger in boards:
            logger.experiment.add_image("validation/forecasts", picture, _last_step(trainer), dataformats="HWC")
            logger.experiment.flush()


def _last_step(trainer: pl.Trainer) -> int:
    """The step that the figures of an epoch are logged at: its last one, from 0."""
    return trainer.global_step - 1
