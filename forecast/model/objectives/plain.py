"""The backbone alone: with context Trajectron++'s loss, without it that of the network that sees the past alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from forecast.core.shapes import Bool
from forecast.model.batch_mean import batch_mean
from forecast.model.mixture import entropy
from forecast.model.objective_config import ObjectiveConfig
from forecast.model.own_loss import Annealed, LogBranch, Terms, own_loss


@dataclass(frozen=True)
class Plain(ObjectiveConfig):
    """Constants of ``plain``.

    Attributes:
        entropy_weight: of the mean entropy of the prior, which is then lowered: sharpness without a second pass.
    """

    name: str = "plain"
    without_context: Literal["none"] = "none"
    entropy_weight: float = 0.0


def plain(
    with_context: LogBranch,
    without: LogBranch | None,
    valid: Bool[Tensor, "batch steps"],
    config: Plain,
    annealed: Annealed,
) -> Terms:
    """``L(e)``.

    Args:
        with_context, without: the two passes, (batch, modes) and (batch, modes, steps), nats.
        valid: (batch, steps) bool, steps whose truth is known.
        config: constants.
        annealed: today's α and bound of the logits.
    """
    terms = own_loss(with_context, valid, config, annealed)
    if not config.entropy_weight:
        return terms
    sharpness = batch_mean(entropy(with_context.prior))
    return Terms(terms.loss + config.entropy_weight * sharpness, {**terms.parts, "prior_entropy": sharpness.detach()})
