"""The paper's objective: the prior with context is driven away from the one without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from forecast.core.shapes import Bool
from forecast.model.batch_mean import batch_mean
from forecast.model.mixture import categorical_kl
from forecast.model.objective_config import ObjectiveConfig
from forecast.model.own_loss import Annealed, LogBranch, Terms, beside, own_loss


@dataclass(frozen=True)
class Divergence(ObjectiveConfig):
    """Constants of ``divergence``. It compares modes, so both passes are of one network.

    Attributes:
        without_context_weight: λ, of the loss of the pass without context.
        divergence_weight: λ_KL, of the divergence between the priors with and without context.
        divergence_cap: the divergence counts up to this for each agent, nats; null for no cap, as published.
    """

    name: str = "divergence"
    without_context: Literal["shared"] = "shared"
    without_context_weight: float = 1.0
    divergence_weight: float = 5.0
    divergence_cap: float | None = 2.0


def divergence(
    with_context: LogBranch,
    without: LogBranch | None,
    valid: Bool[Tensor, "batch steps"],
    config: Divergence,
    annealed: Annealed,
) -> Terms:
    """``L(e) + λ·L(ẽ) − λ_KL·KL[p(z|X,C) ‖ stopgrad p(z|X,C̃)]``, equation of the paper's section 3.

    Args:
        with_context, without: the two passes, (batch, modes) and (batch, modes, steps), nats.
        valid: (batch, steps) bool, steps whose truth is known.
        config: constants.
        annealed: today's α and bound of the logits.
    """
    assert without is not None
    own, other = own_loss(with_context, valid, config, annealed), own_loss(without, valid, config, annealed)
    each = categorical_kl(with_context.prior, without.prior.detach())
    capped = each if config.divergence_cap is None else each.clamp(max=config.divergence_cap)
    loss = own.loss + config.without_context_weight * other.loss - config.divergence_weight * batch_mean(capped)
    return beside(own, other, loss, context_divergence=batch_mean(each))
