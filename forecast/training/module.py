"""Lightning wiring: which loss, which optimiser, which validation metrics. The method itself is in forecast.model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from forecast.core.batch import AgentBatch
from forecast.core.errors import ForecastError
from forecast.core.forecast import Forecast
from forecast.data.augment import some_mirrored
from forecast.model.cvae import CVAE
from forecast.model.merging import merge_modes
from forecast.model.mixture import joint_nll
from forecast.model.objectives import objective_terms
from forecast.training.config import TrainingConfig

AddCrops = Callable[[AgentBatch], AgentBatch]
#: A cosine decay ends at this share of the learning rate.
_COSINE_END = 0.05
_ERRORS = ("nll", "ade_ml", "fde_ml", "min_ade", "min_fde")


class TrainingDiverged(ForecastError):
    """The loss or a weight is no longer a finite number."""


class ForecastModule(pl.LightningModule):
    """A model in training.

    Args:
        config: of the whole run.
        add_crops: makes the crops of a batch on its device; None where batches bring theirs or none are needed.
    """

    def __init__(self, config: TrainingConfig, add_crops: AddCrops | None = None) -> None:
        super().__init__()
        self.config, self.add_crops = config, add_crops
        self.model = CVAE(config.model)
        self.errors = nn.ModuleDict(
            {f"{name}/{metric}": MeanMetric() for name in ("val", "val_blind") for metric in _ERRORS}
        )

    def on_after_batch_transfer(self, batch: AgentBatch, dataloader_idx: int) -> AgentBatch:
        """Crop the map, on the device."""
        return self.add_crops(batch) if self.add_crops is not None and self.config.model.uses_map else batch

    def training_step(self, batch: AgentBatch, batch_idx: int) -> Tensor:
        """The objective's loss of one batch.

        Raises:
            TrainingDiverged: it is not finite.
        """
        if self.config.data.mirror:
            # Here, not where crops are made: by now the step has its own seed, so a resumed run draws the same.
            batch = some_mirrored(batch, self.config.data.mirror, self.config.model.crop.channels)
        total = int(self.trainer.estimated_stepping_batches)
        annealed = self.config.schedules.at(self.global_step, total)
        objective = self.config.objective
        sighted, blind = self.model(batch, blind=objective.needs_blind)
        terms = objective_terms(sighted, blind, batch.future_valid, objective, annealed)
        if not torch.isfinite(terms.loss):
            raise TrainingDiverged(
                f"the loss became {terms.loss.item()} at step {self.global_step} (epoch {self.current_epoch}); the "
                "last complete checkpoint is kept: lower optimiser.learning_rate, or resume with another run.seed"
            )
        logged = {f"train/{name}": value for name, value in {"loss": terms.loss.detach(), **terms.parts}.items()}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True)
        return terms.loss

    def validation_step(self, batch: AgentBatch, batch_idx: int) -> None:
        """Accuracy with context, and of the blind branch, with the context nulled."""
        for name, null in (("val", False), ("val_blind", True)):
            mixture = self.model.mixture(batch, null_context=null)
            errors = forecast_errors(mixture, merge_modes(mixture, self.config.model.merge_radius_m), batch)
            for metric, values in errors.items():
                # Not Lightning's own mean: between processes that hold 31 and 30 agents it divides by 30.
                mean = self.errors[f"{name}/{metric}"]
                assert isinstance(mean, MeanMetric)
                mean.update(values)
                self.log(f"{name}/{metric}", mean, on_epoch=True)

    def configure_optimizers(self) -> Any:
        """Adam with the map encoder's own learning rate; the schedule moves every step."""
        given = self.config.optimiser
        of_map = list(self.model.map.parameters()) if self.model.map is not None else []
        chosen = {id(parameter) for parameter in of_map}
        others = [parameter for parameter in self.model.parameters() if id(parameter) not in chosen]
        groups = [{"params": others, "lr": given.learning_rate}]
        if of_map:
            groups.append({"params": of_map, "lr": given.map_learning_rate})
        optimiser = torch.optim.Adam(groups)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: self._rate(step, total))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int, total: int) -> float:
        """Factor of the learning rates at a step."""
        given = self.config.optimiser
        risen = min(1.0, (step + 1) / (given.warmup * total)) if given.warmup * total > 1 else 1.0
        if given.decay == "exponential":
            return risen * float(given.decay_per_step**step)
        half_wave = 0.5 * (1 + math.cos(math.pi * min(step / max(total, 1), 1.0)))
        return risen * (_COSINE_END + (1 - _COSINE_END) * half_wave)


def forecast_errors(mixture: Forecast, forecast: Forecast, batch: AgentBatch) -> dict[str, Tensor]:
    """Validation metrics of a batch, one value an agent: the likelihood of what is learnt, errors of what is answered.

    Agents without any known future do not count; final errors are taken where the last step is known.
    """
    valid = batch.future_valid.to(forecast.positions_m.dtype)
    distance = (forecast.positions_m - batch.future[:, None]).norm(dim=-1)
    some, last = batch.future_valid.any(1), batch.future_valid[:, -1]
    average = (distance * valid[:, None]).sum(-1) / valid.sum(-1).clamp(min=1)[:, None]
    best = forecast.probabilities.argmax(1, keepdim=True)
    nll = joint_nll(mixture, batch.future, batch.future_valid)
    final = distance[..., -1]
    values = (
        nll[some],
        average.gather(1, best)[:, 0][some],
        final.gather(1, best)[:, 0][last],
        average.amin(1)[some],
        final.amin(1)[last],
    )
    return dict(zip(_ERRORS, values, strict=True))
