"""The loss of one pass: the likelihood of what came true, and the divergences that shape the latent.

Every objective is made of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from forecast.core.shapes import Bool, Float
from forecast.model.batch_mean import batch_mean
from forecast.model.branch import Branch
from forecast.model.latent import regularised_logits
from forecast.model.mixture import categorical_kl, entropy
from forecast.model.objective_config import ObjectiveConfig


@dataclass(frozen=True)
class Annealed:
    """The constants that grow during training.

    Attributes:
        alpha: weight of the KL between posterior and prior.
        logit_bound: of the centred logits of both; None for no clamp.
    """

    alpha: float
    logit_bound: float | None


@dataclass(frozen=True)
class Terms:
    """A loss and what it is made of, all scalars; the parts are detached, for logs."""

    loss: Float[Tensor, ""]
    parts: dict[str, Float[Tensor, ""]]


@dataclass(frozen=True)
class LogBranch:
    """A pass over a batch under the clamp of the logits.

    Attributes:
        prior: (batch, modes) log p(z | X, C), nats.
        posterior: (batch, modes) log q(z | X, C, y), nats; None where the network has no posterior.
        steps: (batch, modes, steps) log-likelihoods of the truth, nats.
    """

    prior: Float[Tensor, "batch modes"]
    posterior: Float[Tensor, "batch modes"] | None
    steps: Float[Tensor, "batch modes steps"]

    @classmethod
    def of(cls, branch: Branch, logit_bound: float | None) -> LogBranch:
        """Centre and clamp the logits of a pass, and normalise them."""
        prior = regularised_logits(branch.prior_logits, logit_bound).log_softmax(-1)
        posterior = branch.posterior_logits
        if posterior is not None:
            posterior = regularised_logits(posterior, logit_bound).log_softmax(-1)
        return cls(prior, posterior, branch.step_log_likelihoods)

    @property
    def best_known(self) -> Float[Tensor, "batch modes"]:
        """(batch, modes) log-probabilities by all that is known of the modes: the posterior, or else the prior."""
        return self.prior if self.posterior is None else self.posterior


def _clip(log_likelihood: Tensor, config: ObjectiveConfig) -> Tensor:
    if config.soft_clip is not None:
        missed = (config.soft_clip - log_likelihood).clamp(min=0)
        log_likelihood = torch.where(missed > 0, config.soft_clip - torch.log1p(missed), log_likelihood)
    if config.lower_clip is None and config.upper_clip is None:
        return log_likelihood
    return log_likelihood.clamp(config.lower_clip, config.upper_clip)


def log_likelihood(
    weights: Float[Tensor, "batch modes"],
    steps: Float[Tensor, "batch modes steps"],
    valid: Bool[Tensor, "batch steps"],
    config: ObjectiveConfig,
) -> Float[Tensor, "batch"]:
    """Clipped log-likelihood of whole futures under a mixture.

    Args:
        weights: (batch, modes) log-probabilities.
        steps: (batch, modes, steps) log-densities.
        valid: (batch, steps) bool; other steps count nothing.
        config: clips, and whether the sum over steps is inside the mixture.

    Returns:
        (batch,) nats.
    """
    if config.joint:
        whole = (_clip(steps, config) * valid[:, None]).sum(-1)
        return torch.logsumexp(weights + whole, 1)
    return (_clip(torch.logsumexp(weights[..., None] + steps, 1), config) * valid).sum(-1)


def divergences(
    branch: LogBranch, config: ObjectiveConfig, annealed: Annealed
) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
    """``α · max(free bits, mean KL(q ‖ p)) − I_p(z; e)`` of a pass with a posterior, nats, and its parts.

    Args:
        branch: (batch, modes) log-probabilities, nats.
        config: free bits.
        annealed: today's α.
    """
    assert branch.posterior is not None
    kl = batch_mean(categorical_kl(branch.posterior, branch.prior))
    spread = entropy(batch_mean(branch.prior.exp()).clamp(min=1e-30).log())
    information = spread - batch_mean(entropy(branch.prior))
    parts = {"kl": kl.detach(), "mutual_information": information.detach()}
    return annealed.alpha * kl.clamp(min=config.free_bits) - information, parts


def own_loss(
    branch: LogBranch, valid: Bool[Tensor, "batch steps"], config: ObjectiveConfig, annealed: Annealed
) -> Terms:
    """The loss of one pass by itself, L(e).

    With a posterior it is that of an InfoVAE-style CVAE: ``−mean log Σ_z q_z p(y | z) + divergences``. Without one it
    is the negative log-likelihood of the mixture.

    Args:
        branch: the pass.
        valid: (batch, steps) bool, steps whose truth is known.
        config: clips and free bits.
        annealed: today's α.
    """
    likelihood = log_likelihood(branch.best_known, branch.steps, valid, config)
    clipped = branch.steps.new_zeros(())
    if config.lower_clip is not None:
        steps = torch.logsumexp(branch.best_known[..., None] + branch.steps, 1).detach()
        clipped = ((steps < config.lower_clip) & valid).sum() / valid.sum().clamp(min=1)
    parts = {"log_likelihood": batch_mean(likelihood).detach(), "clipped": clipped}
    if branch.posterior is None:
        return Terms(-batch_mean(likelihood), parts)
    apart, more = divergences(branch, config, annealed)
    return Terms(apart - batch_mean(likelihood), {**parts, **more})


def beside(terms: Terms, other: Terms, loss: Float[Tensor, ""], **parts: Float[Tensor, ""]) -> Terms:
    """A loss of two passes: the parts of the first, those of the one without context, and more of its own.

    Args:
        terms, other: of the passes with and without context.
        loss: scalar, nats.
        **parts: scalars for logs.
    """
    without = {f"without_context_{name}": value for name, value in other.parts.items()}
    return Terms(loss, {**terms.parts, **without, **{name: value.detach() for name, value in parts.items()}})
