"""Reweight: agents that the pass without context misses count more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from forecast.core.shapes import Bool
from forecast.model.batch_mean import batch_mean
from forecast.model.objective_config import ObjectiveConfig
from forecast.model.own_loss import Annealed, LogBranch, Terms, beside, log_likelihood, own_loss, weighted_fit


@dataclass(frozen=True)
class Reweight(ObjectiveConfig):
    """Constants of ``reweight``."""

    name: str = "reweight"
    without_context: Literal["shared", "twin"] = "shared"


def reweight(
    with_context: LogBranch,
    without: LogBranch | None,
    valid: Bool[Tensor, "batch steps"],
    config: Reweight,
    annealed: Annealed,
) -> Terms:
    """``L(e) + L(ẽ) − mean σ(−log p(y|X,C̃))·log p(y|X,C)``, without gradient through the weight.

    Args:
        with_context, without: the two passes, (batch, modes) and (batch, modes, steps), nats.
        valid: (batch, steps) bool, steps whose truth is known.
        config: constants.
        annealed: today's α and bound of the logits.
    """
    assert without is not None
    own, other = own_loss(with_context, valid, config, annealed), own_loss(without, valid, config, annealed)
    weight = torch.sigmoid(-log_likelihood(without.prior, without.steps, valid, config)).detach()
    weighted = weighted_fit(with_context, weight, valid, config)
    return beside(own, other, own.loss + other.loss + weighted, weight=batch_mean(weight))
