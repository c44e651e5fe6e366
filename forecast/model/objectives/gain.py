"""Gain: futures count by how much knowing the context helps with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from forecast.core.shapes import Bool
from forecast.model.batch_mean import batch_mean
from forecast.model.objective_config import ObjectiveConfig
from forecast.model.own_loss import Annealed, LogBranch, Terms, beside, log_likelihood, own_loss, weighted_fit


@dataclass(frozen=True)
class Gain(ObjectiveConfig):
    """Constants of ``gain``. It compares likelihoods, not modes, so the pass without context can be a twin's.

    Attributes:
        without_context_weight: λ, of the loss of the pass without context.
        gain_weight: of the likelihood that is weighted by what context gains.
        weighted_probabilities: whether the weighted likelihood also teaches how probable the modes are.
        advantage_cap: an advantage counts up to this, nats; null for no cap.
    """

    name: str = "gain"
    without_context: Literal["shared", "twin"] = "twin"
    without_context_weight: float = 1.0
    gain_weight: float = 1.0
    weighted_probabilities: bool = True
    advantage_cap: float | None = None


def gain(
    with_context: LogBranch,
    without: LogBranch | None,
    valid: Bool[Tensor, "batch steps"],
    config: Gain,
    annealed: Annealed,
) -> Terms:
    """``L(e) + λ·L(ẽ) − λ_gain·mean w·log p(y|X,C)``; where modes learn by distance, ``+ λ_gain·mean w·d_best``.

    ``w`` is the advantage in log-likelihood of all that is known with context (the posterior, where there is one) over
    the prior without, cut at 0 and divided by its mean, without gradient. Unlike CAB's divergence this rewards a prior
    that is right, not one that is merely different. Since ``w`` depends on the future that came true, rare futures are
    found somewhat too likely; without ``weighted_probabilities`` the weighted likelihood teaches the modes alone.

    Args:
        with_context, without: the two passes, (batch, modes) and (batch, modes, steps), nats.
        valid: (batch, steps) bool, steps whose truth is known.
        config: constants.
        annealed: today's α and bound of the logits.
    """
    assert without is not None
    own, other = own_loss(with_context, valid, config, annealed), own_loss(without, valid, config, annealed)
    known = log_likelihood(with_context.best_known, with_context.steps, valid, config)
    missed = known - log_likelihood(without.prior, without.steps, valid, config)
    missed = missed.clamp(0, config.advantage_cap).detach()
    weight = missed / batch_mean(missed).clamp(min=1e-6)
    weighted = weighted_fit(with_context, weight, valid, config, probabilities=config.weighted_probabilities)
    loss = own.loss + config.without_context_weight * other.loss + config.gain_weight * weighted
    return beside(own, other, loss, advantage=batch_mean(missed))
