"""What happens around the epochs: seeds, checkpoints, the CSV, and a line a person can read."""

from __future__ import annotations

import csv
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from forecast.core.files import written_whole
from forecast.data.loading import derived_seed
from forecast.prediction.checkpoint import save_checkpoint
from forecast.training.config import as_dict
from forecast.training.module import ForecastModule, TrainingDiverged
from forecast.training.old_names import current_column

RESUME_NAME = "last.ckpt"


class WholeCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, written whole or not at all."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write beside, then rename."""
        with written_whole(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


class StepSeeds(pl.Callback):
    """Dropout and sampling of a step depend on the seed, the step and the process alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Seed torch; a hook of each step, since a resumed epoch does not start."""
        torch.manual_seed(derived_seed(self.seed, trainer.global_step, trainer.global_rank))


class RunFolder(pl.Callback):
    """After each epoch: a row of ``metrics.csv``, best and last weights, and what resuming needs.

    Lightning's own checkpoint is written last: once it names an epoch as done, everything of that epoch is there.

    Args:
        out: the run's folder.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.rows: list[dict[str, float]] = []
        self.best = math.inf
        self._began = time.perf_counter()
        self._agents = 0

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {"rows": self.rows, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the table and the record of the best epoch."""
        self.rows = [{current_column(name): value for name, value in row.items()} for row in state_dict["rows"]]
        self.best = float(state_dict["best"])

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Start the epoch's clock."""
        if args[1] == 0:
            self._began, self._agents = time.perf_counter(), 0

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Count agents."""
        self._agents += len(args[1]) * trainer.world_size

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the training clock."""
        self._seconds = time.perf_counter() - self._began

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write everything of this epoch."""
        assert isinstance(pl_module, ForecastModule)
        _check_weights(pl_module, trainer.current_epoch)
        metrics = trainer.callback_metrics  # all processes ask for it, since it gathers from all
        if not trainer.is_global_zero:
            trainer.save_checkpoint(self.out / RESUME_NAME)
            return
        row: dict[str, float] = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        row |= {name: float(value) for name, value in sorted(metrics.items())}
        row["learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
        row["agents_per_s"] = round(self._agents / max(self._seconds, 1e-9), 1)
        self.rows.append(row)
        score = row.get(f"val/{pl_module.config.run.monitor}", math.inf)
        notes: dict[str, Any] = {
            "epoch": int(row["epoch"]),
            "metrics": {k: v for k, v in row.items() if math.isfinite(v)},
        }
        notes["config"] = as_dict(pl_module.config)
        if score < self.best or not (self.out / "best.safetensors").exists():
            self.best = min(score, self.best)
            self._save("best.safetensors", pl_module, notes)
        self._save("last.safetensors", pl_module, notes)
        write_csv(self.out / "metrics.csv", self.rows)
        trainer.save_checkpoint(self.out / RESUME_NAME)

    def _save(self, name: str, module: ForecastModule, notes: dict[str, Any]) -> None:
        pair = module.answering
        save_checkpoint(self.out / name, pair.network, notes, without_context=pair.without_context, twin=pair.twin)


class EpochLines(pl.Callback):
    """One line an epoch on stderr, for terminals, logs and people."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say how it goes."""
        if not trainer.is_global_zero or trainer.sanity_checking:
            return
        seen = {name: float(value) for name, value in trainer.callback_metrics.items()}
        print(epoch_line(trainer.current_epoch + 1, trainer.max_epochs or 0, seen), file=sys.stderr, flush=True)


#: What the line of an epoch has: column → what it is called, its unit, and how it is written.
_FIGURES = {
    "train/loss": ("loss", "", "7.2f"),
    "val/nll": ("NLL", " nats", "6.2f"),
    "val/ade_ml": ("ADE", " m", "5.2f"),
    "val/fde_ml": ("FDE", " m", "5.2f"),
    "val/min_ade": ("minADE", " m", "5.2f"),
    "val_without_context/ade_ml": ("without context ADE", " m", "5.2f"),
}


def epoch_line(epoch: int, epochs: int, seen: Mapping[str, float]) -> str:
    """How an epoch went, in columns that stand below each other.

    Args:
        epoch: which one, from 1.
        epochs: of the run.
        seen: figures by their columns in ``metrics.csv``; nats and metres.

    >>> epoch_line(3, 40, {"val/nll": 29.9, "val/ade_ml": 3.518})
    'epoch  3/40  NLL  29.90 nats  ADE  3.52 m'
    """
    figures = [
        f"{name} {seen[column]:{written}}{unit}" for column, (name, unit, written) in _FIGURES.items() if column in seen
    ]
    return "  ".join([f"epoch {epoch:>{len(str(epochs))}}/{epochs}", *figures])


def _check_weights(module: ForecastModule, epoch: int) -> None:
    for name, parameter in module.pair.named_parameters():
        if not torch.isfinite(parameter).all():
            raise TrainingDiverged(
                f"the weights of {name} are no longer finite after epoch {epoch + 1}; the last complete checkpoint is "
                "kept: lower optimiser.learning_rate"
            )


def write_csv(path: Path, rows: Sequence[Mapping[str, float | str]]) -> None:
    """Write rows as CSV, whole; cells that a row lacks are empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
