"""The loss of one pass: the likelihood of what came true, and the divergences that shape the latent.

Every objective is made of these.
"""

from __future__ import annotations

import torch
from torch import Tensor

from forecast.core.shapes import Bool, Float
from forecast.model.batch_mean import batch_mean
from forecast.model.log_branch import Annealed, LogBranch, Terms
from forecast.model.mixture import categorical_kl, entropy
from forecast.model.nearest_loss import nearest_loss, weighted_distance
from forecast.model.objective_config import ObjectiveConfig

__all__ = [
    "Annealed",
    "LogBranch",
    "Terms",
    "beside",
    "divergences",
    "log_likelihood",
    "own_loss",
    "weighted_fit",
]


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
    is the negative log-likelihood of the mixture, and where distances are given that of :func:`nearest_loss`.

    Args:
        branch: the pass.
        valid: (batch, steps) bool, steps whose truth is known.
        config: clips and free bits.
        annealed: today's α.
    """
    if branch.distances_m is not None:
        return nearest_loss(branch, valid, config.nearest)
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


def weighted_fit(
    branch: LogBranch,
    weight: Float[Tensor, "batch"],
    valid: Bool[Tensor, "batch steps"],
    config: ObjectiveConfig,
    *,
    probabilities: bool = True,
) -> Float[Tensor, ""]:
    """What agents with a weight add to a loss: how badly the modes fit what came true.

    Where modes are taught by distance it is that of the nearest one, and how probable modes are is left alone: a
    weight that knows what came true would distort it.

    Args:
        branch: the pass with context.
        weight: (batch,) of each agent, without gradient.
        valid: (batch, steps) bool, steps whose truth is known.
        config: constants.
        probabilities: whether a likelihood also teaches how probable the modes are.
    """
    if branch.distances_m is not None:
        return weighted_distance(branch, weight * valid.any(1), config.nearest)
    prior = branch.prior if probabilities else branch.prior.detach()
    return -batch_mean(weight * log_likelihood(prior, branch.steps, valid, config))


def beside(terms: Terms, other: Terms, loss: Float[Tensor, ""], **parts: Float[Tensor, ""]) -> Terms:
    """A loss of two passes: the parts of the first, those of the one without context, and more of its own.

    Args:
        terms, other: of the passes with and without context.
        loss: scalar, nats.
        **parts: scalars for logs.
    """
    without = {f"without_context_{name}": value for name, value in other.parts.items()}
    return Terms(loss, {**terms.parts, **without, **{name: value.detach() for name, value in parts.items()}})
