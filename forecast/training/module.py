"""Lightning wiring: which loss, which optimiser, which validation metrics. The method itself is in forecast.model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchmetrics import MeanMetric

from forecast.core.batch import AgentBatch
from forecast.core.errors import ConfigError, ForecastError
from forecast.core.forecast import Forecast
from forecast.data.augment import chosen_to_mirror, mirrored, turned, without_some_neighbours
from forecast.data.maps.layers import mirrored_signs
from forecast.model.branch import Branch
from forecast.model.consistency_loss import consistency_loss, successive_in
from forecast.model.latent import regularised_logits
from forecast.model.log_branch import Terms
from forecast.model.mixture import joint_nll
from forecast.model.network_protocol import Network
from forecast.model.objective_registry import objective_terms
from forecast.training.average import moving_average
from forecast.training.pair import TrainingPair
from forecast.training.schedules import rising, rising_cosine
from forecast.training.schema import TrainingConfig

AddCrops = Callable[[AgentBatch], AgentBatch]
#: A cosine decay ends at this share of the learning rate.
_COSINE_END = 0.05
#: Where the errors with and without context are logged.
_LOGGED = {"with": "val", "without": "val_without_context"}
_ERRORS = ("nll", "ade_ml", "fde_ml", "min_ade", "min_fde")


class TrainingDiverged(ForecastError):
    """The loss or a weight is no longer a finite number."""


class ForecastModule(pl.LightningModule):
    """A model in training.

    Args:
        config: of the whole run.
        add_crops: makes the crops of a batch on its device; None where batches bring theirs or none are needed.
        network: to train in place of a new one; parameters that need no gradient stay as they are.
    """

    def __init__(
        self, config: TrainingConfig, add_crops: AddCrops | None = None, network: Network | None = None
    ) -> None:
        super().__init__()
        self.config, self.add_crops = config, add_crops
        self.pair = TrainingPair(config.model, config.objective, network)
        decay = config.optimiser.average_decay
        self.average: AveragedModel | None = None
        if decay is not None:
            self.average = moving_average(self.pair, decay)
        self.errors = nn.ModuleDict(
            {f"{name}/{metric}": MeanMetric() for name in _LOGGED.values() for metric in _ERRORS}
        )

    @property
    def network(self) -> Network:
        """The network that is trained for use."""
        return self.pair.network

    @property
    def answering(self) -> TrainingPair:
        """What is validated and saved: the average of the trained weights, or these themselves."""
        if self.average is None:
            return self.pair
        assert isinstance(self.average.module, TrainingPair)
        return self.average.module

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Read the parameters of runs of version 0.1, where the twin was a part of the network."""
        names = {"model.blind.": "pair.twin.", "model.": "pair.network."}
        for name in list(checkpoint["state_dict"]):
            for before, now in names.items():
                if name.startswith(before):
                    checkpoint["state_dict"][now + name.removeprefix(before)] = checkpoint["state_dict"].pop(name)
                    break

    def _with_crops(self, batch: AgentBatch) -> AgentBatch:
        """Crop the map, on the device, where the batch does not bring its crops."""
        if batch.crop is not None or self.add_crops is None or not self.config.model.uses_map:
            return batch
        return self.add_crops(batch)

    def answered(self, batch: AgentBatch) -> tuple[AgentBatch, Forecast]:
        """A batch with its crops, and what is answered of it with context; draws nothing at random.

        Args:
            batch: agent frame, on the module's device.
        """
        batch = self._with_crops(batch)
        network = self.answering.network
        trained = network.training
        network.eval()
        try:
            with torch.inference_mode():
                return batch, network.predict(batch)
        finally:
            network.train(trained)

    def _varied(self, batch: AgentBatch) -> tuple[AgentBatch, Tensor]:
        """A training batch, varied as ``data`` says, and which of its agents are mirrored, (batch,) bool.

        In the step, whose seed a resumed run shares.
        """
        data = self.config.data
        if data.heading_noise_rad:
            noise = torch.randn(len(batch), dtype=torch.float64) * data.heading_noise_rad
            batch = turned(batch, noise.to(batch.pose_world.device))
        batch = self._with_crops(batch)
        which = torch.zeros(len(batch), dtype=torch.bool, device=batch.history.device)
        if data.mirror:
            which = chosen_to_mirror(batch, data.mirror, together=bool(self.config.consistency.weight))
            batch = mirrored(batch, which, mirrored_signs(self.config.model.crop.channels))
        return (without_some_neighbours(batch, data.drop_neighbours) if data.drop_neighbours else batch), which

    def training_step(self, batch: AgentBatch, batch_idx: int) -> Tensor:
        """The objective's loss of one batch, a scalar, nats.

        Raises:
            TrainingDiverged: it is not finite.
        """
        batch, which = self._varied(batch)
        total = int(self.trainer.estimated_stepping_batches)
        annealed = self.config.schedules.at(self.global_step, total)
        with_context, without = self.pair(batch)
        terms = objective_terms(with_context, without, batch.future_valid, self.config.objective, annealed)
        if self.config.consistency.weight:
            terms = self._with_consistency(terms, with_context, batch, which, annealed.logit_bound)
        if not torch.isfinite(terms.loss):
            raise TrainingDiverged(
                f"the loss became {terms.loss.item()} at step {self.global_step} (epoch {self.current_epoch}); the "
                "last complete checkpoint is kept: lower optimiser.learning_rate, or resume with another run.seed"
            )
        logged = {f"train/{name}": value for name, value in {"loss": terms.loss.detach(), **terms.parts}.items()}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True)
        return terms.loss

    def _with_consistency(
        self, terms: Terms, branch: Branch, batch: AgentBatch, which: Tensor, logit_bound: float | None
    ) -> Terms:
        """The terms of a step, and how badly forecasts foresee those of the next key frame."""
        given = self.config.consistency
        if branch.positions_m is None:
            raise ConfigError(
                f"consistency.weight: model.network '{self.config.model.network}' does not say in training where its "
                "modes go (Branch.positions_m); set it to 0"
            )
        loss = consistency_loss(
            branch.positions_m,
            regularised_logits(branch.prior_logits, logit_bound).log_softmax(-1),
            batch,
            successive_in(batch, self.config.model.horizon.step_s),
            mirrored=which,
            probability_weight=given.probability_weight,
        )
        return Terms(terms.loss + given.weight * loss, {**terms.parts, "consistency": loss.detach()})

    def on_train_batch_end(self, outputs: Any, batch: AgentBatch, batch_idx: int) -> None:
        """Move the average."""
        if self.average is not None:
            self.average.update_parameters(self.pair)

    def validation_step(self, batch: AgentBatch, batch_idx: int) -> None:
        """Accuracy with context and, where that is learnt, without."""
        batch = self._with_crops(batch)
        for kind, mixture in self.answering.mixtures(batch).items():
            name = _LOGGED[kind]
            errors = forecast_errors(mixture, self.network.answer(mixture), batch)
            for metric, values in errors.items():
                # Not Lightning's own mean: between processes that hold 31 and 30 agents it divides by 30.
                mean = self.errors[f"{name}/{metric}"]
                assert isinstance(mean, MeanMetric)
                mean.update(values)
                self.log(f"{name}/{metric}", mean, on_epoch=True)

    def configure_optimizers(self) -> Any:
        """Adam with the map encoder's own learning rate; the schedule moves every step."""
        given = self.config.optimiser
        of_map = [parameter for parameter in self.network.map_parameters() if parameter.requires_grad]
        chosen = {id(parameter) for parameter in of_map}
        learnt = (parameter for parameter in self.pair.parameters() if parameter.requires_grad)
        others = [parameter for parameter in learnt if id(parameter) not in chosen]
        groups: list[dict[str, Any]] = []
        for parameters, rate in ((others, given.learning_rate), (of_map, given.map_learning_rate)):
            groups += _by_decay(parameters, rate, given.weight_decay)
        optimiser = torch.optim.AdamW(groups) if given.weight_decay else torch.optim.Adam(groups)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: self._rate(step, total))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int, total: int) -> float:
        """Factor of the learning rates at a step."""
        given = self.config.optimiser
        if given.decay == "exponential":
            return rising(step, total, given.warmup) * float(given.decay_per_step**step)
        return rising_cosine(step, total, given.warmup, _COSINE_END)


def _by_decay(parameters: list[nn.Parameter], rate: float, decay: float) -> list[dict[str, Any]]:
    """Groups of parameters for the optimiser; where weights decay, those that do and those that do not."""
    if not decay:
        return [{"params": parameters, "lr": rate}] if parameters else []
    parts = ([p for p in parameters if p.ndim > 1], decay), ([p for p in parameters if p.ndim <= 1], 0.0)
    return [{"params": part, "lr": rate, "weight_decay": share} for part, share in parts if part]


def forecast_errors(mixture: Forecast, forecast: Forecast, batch: AgentBatch) -> dict[str, Tensor]:
    """Validation metrics of a batch, one value an agent: the likelihood of what is learnt, errors of what is answered.

    Agents without any known future do not count; final errors are taken where the last step is known.

    Args:
        mixture: what is learnt, agent frame, metres.
        forecast: what is answered of it.
        batch: with futures.

    Returns:
        ``nll`` (agents,) nats; ``ade_ml``, ``fde_ml``, ``min_ade``, ``min_fde`` (agents,) metres.
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
