"""RUBiZ: a third pass fuses the latents with and without context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from forecast.core.shapes import Bool
from forecast.model.batch_mean import batch_mean
from forecast.model.latent import regularised_logits
from forecast.model.objective_config import ObjectiveConfig
from forecast.model.own_loss import Annealed, LogBranch, Terms, beside, divergences, log_likelihood, own_loss


@dataclass(frozen=True)
class Rubiz(ObjectiveConfig):
    """Constants of ``rubiz``. It fuses modes, so both passes are of one network, and it needs a posterior."""

    needs_posterior: ClassVar[bool] = True

    name: str = "rubiz"
    without_context: Literal["shared"] = "shared"


def rubiz(
    with_context: LogBranch,
    without: LogBranch | None,
    valid: Bool[Tensor, "batch steps"],
    config: Rubiz,
    annealed: Annealed,
) -> Terms:
    """A third pass with logits ``σ(l) ∗ σ(l̃)``; the likelihood with context itself keeps a tenth of its weight.

    Args:
        with_context, without: the two passes, (batch, modes) and (batch, modes, steps), nats.
        valid: (batch, steps) bool, steps whose truth is known.
        config: constants.
        annealed: today's α and bound of the logits.
    """
    assert without is not None
    assert with_context.posterior is not None
    assert without.posterior is not None

    def fused(a: Tensor, b: Tensor) -> Tensor:
        return regularised_logits(torch.sigmoid(a) * torch.sigmoid(b), annealed.logit_bound).log_softmax(-1)

    both = LogBranch(
        fused(with_context.prior, without.prior), fused(with_context.posterior, without.posterior), with_context.steps
    )
    other, third = own_loss(without, valid, config, annealed), own_loss(both, valid, config, annealed)
    likelihood = batch_mean(log_likelihood(with_context.posterior, with_context.steps, valid, config))
    apart, parts = divergences(with_context, config, annealed)
    own = Terms(apart - 0.1 * likelihood, {"log_likelihood": likelihood.detach(), **parts})
    return beside(own, other, own.loss + other.loss + third.loss, fused_loss=third.loss)
