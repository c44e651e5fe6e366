"""What training minimises: CAB, Reweight, RUBiZ and the plain backbone, as functions of two branches.

A new objective is one function and one entry in :data:`OBJECTIVES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from forecast.model.batch_mean import batch_mean
from forecast.model.branch import Branch
from forecast.model.latent import regularised_logits
from forecast.model.mixture import categorical_kl, entropy


@dataclass(frozen=True)
class ObjectiveConfig:
    """Which objective, and its constants.

    Attributes:
        name: a key of :data:`OBJECTIVES`.
        without_context_weight: λ, of the blind branch's own loss.
        divergence_weight: λ_KL, of the divergence between the priors with and without context.
        entropy_weight: of the mean entropy of the prior, which ``plain`` then lowers: sharpness without a blind branch.
        joint: sum over steps inside the mixture (one mode explains the whole future) instead of outside (as
            published, each step is a mixture of its own).
        lower_clip, upper_clip: bounds of a step's log-likelihood, nats; none where null.
        soft_clip: below this a step's log-likelihood falls as a logarithm only, nats: badly missed steps keep a
            gradient, but a small one; null for none.
        divergence_cap: CAB's divergence counts up to this for each agent, nats; null for no cap, as published.
        free_bits: the KL between posterior and prior is not pushed below this, nats.
        weighted_probabilities: whether the weighted likelihood of ``gain`` also teaches how probable the modes are.
    """

    name: str = "divergence"
    without_context_weight: float = 1.0
    divergence_weight: float = 5.0
    entropy_weight: float = 0.0
    joint: bool = False
    lower_clip: float | None = None
    upper_clip: float | None = 6.0
    soft_clip: float | None = -20.0
    divergence_cap: float | None = 2.0
    free_bits: float = 0.0
    weighted_probabilities: bool = True

    def __post_init__(self) -> None:
        if self.name not in OBJECTIVES:
            raise ValueError(f"objective.name: expected one of {', '.join(OBJECTIVES)}, got '{self.name}'")

    @property
    def needs_blind(self) -> bool:
        """Whether the objective looks at the blind branch."""
        return self.name != "plain"


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

    loss: Tensor
    parts: dict[str, Tensor]


@dataclass(frozen=True)
class _Seen:
    """A branch under the clamp: log-probabilities (batch, modes) and likelihoods (batch, modes, steps)."""

    prior: Tensor
    posterior: Tensor
    steps: Tensor


Objective = Callable[[_Seen, "_Seen | None", Tensor, ObjectiveConfig, Annealed], Terms]


def _clip(log_likelihood: Tensor, config: ObjectiveConfig) -> Tensor:
    if config.soft_clip is not None:
        missed = (config.soft_clip - log_likelihood).clamp(min=0)
        log_likelihood = torch.where(missed > 0, config.soft_clip - torch.log1p(missed), log_likelihood)
    if config.lower_clip is None and config.upper_clip is None:
        return log_likelihood
    return log_likelihood.clamp(config.lower_clip, config.upper_clip)


def log_likelihood(weights: Tensor, steps: Tensor, valid: Tensor, config: ObjectiveConfig) -> Tensor:
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


def _divergences(seen: _Seen, config: ObjectiveConfig, annealed: Annealed) -> tuple[Tensor, dict[str, Tensor]]:
    """α · max(free bits, mean KL(q ‖ p)) − I_p(z; e), and its parts."""
    kl = batch_mean(categorical_kl(seen.posterior, seen.prior))
    spread = entropy(batch_mean(seen.prior.exp()).clamp(min=1e-30).log())
    information = spread - batch_mean(entropy(seen.prior))
    parts = {"kl": kl.detach(), "mutual_information": information.detach()}
    return annealed.alpha * kl.clamp(min=config.free_bits) - information, parts


def cvae(seen: _Seen, valid: Tensor, config: ObjectiveConfig, annealed: Annealed) -> Terms:
    """The backbone's loss of one branch (InfoVAE-style CVAE)."""
    likelihood = log_likelihood(seen.posterior, seen.steps, valid, config)
    divergences, parts = _divergences(seen, config, annealed)
    clipped = seen.steps.new_zeros(())
    if config.lower_clip is not None:
        steps = torch.logsumexp(seen.posterior[..., None] + seen.steps, 1).detach()
        clipped = ((steps < config.lower_clip) & valid).sum() / valid.sum().clamp(min=1)
    parts = {"log_likelihood": batch_mean(likelihood).detach(), "clipped": clipped, **parts}
    return Terms(divergences - batch_mean(likelihood), parts)


def _with_blind(terms: Terms, blind: Terms, loss: Tensor, **parts: Tensor) -> Terms:
    of_blind = {f"blind_{name}": value for name, value in blind.parts.items()}
    return Terms(loss, {**terms.parts, **of_blind, **{name: value.detach() for name, value in parts.items()}})


def _plain(sighted: _Seen, blind: _Seen | None, valid: Tensor, config: ObjectiveConfig, annealed: Annealed) -> Terms:
    """The backbone alone; with a network built without context, the blind model."""
    terms = cvae(sighted, valid, config, annealed)
    if not config.entropy_weight:
        return terms
    sharpness = batch_mean(entropy(sighted.prior))
    return Terms(terms.loss + config.entropy_weight * sharpness, {**terms.parts, "prior_entropy": sharpness.detach()})


def _divergence(
    sighted: _Seen, blind: _Seen | None, valid: Tensor, config: ObjectiveConfig, annealed: Annealed
) -> Terms:
    """``L(e) + λ·L(ẽ) − λ_KL·KL[p(z|X,C) ‖ stopgrad p(z|X,C̃)]``, equation of the paper's section 3."""
    assert blind is not None
    own, other = cvae(sighted, valid, config, annealed), cvae(blind, valid, config, annealed)
    each = categorical_kl(sighted.prior, blind.prior.detach())
    divergence = batch_mean(each)
    capped = each if config.divergence_cap is None else each.clamp(max=config.divergence_cap)
    loss = own.loss + config.without_context_weight * other.loss - config.divergence_weight * batch_mean(capped)
    return _with_blind(own, other, loss, context_divergence=divergence)


def _reweight(sighted: _Seen, blind: _Seen | None, valid: Tensor, config: ObjectiveConfig, annealed: Annealed) -> Terms:
    """``L(e) + L(ẽ) − mean σ(−log p(y|X,C̃))·log p(y|X,C)``: what the blind branch misses counts more."""
    assert blind is not None
    own, other = cvae(sighted, valid, config, annealed), cvae(blind, valid, config, annealed)
    weight = torch.sigmoid(-log_likelihood(blind.prior, blind.steps, valid, config)).detach()
    weighted = batch_mean(weight * log_likelihood(sighted.prior, sighted.steps, valid, config))
    return _with_blind(own, other, own.loss + other.loss - weighted, weight=batch_mean(weight))


def _gain(sighted: _Seen, blind: _Seen | None, valid: Tensor, config: ObjectiveConfig, annealed: Annealed) -> Terms:
    """``L(e) + λ·L(ẽ) − λ_KL·mean w·log p(y|X,C)``: futures count by how much knowing more would help with them.

    ``w`` is the posterior's advantage over the blind prior in log-likelihood, cut at 0 and divided by its mean, without
    gradient. Unlike CAB's divergence this rewards a prior that is right, not one that is merely different. Since ``w``
    depends on the future that came true, rare futures are found somewhat too likely; without
    ``weighted_probabilities`` the weighted likelihood teaches the modes alone.
    """
    assert blind is not None
    own, other = cvae(sighted, valid, config, annealed), cvae(blind, valid, config, annealed)
    missed = log_likelihood(sighted.posterior, sighted.steps, valid, config)
    missed = (missed - log_likelihood(blind.prior, blind.steps, valid, config)).clamp(min=0).detach()
    weight = missed / batch_mean(missed).clamp(min=1e-6)
    odds = sighted.prior if config.weighted_probabilities else sighted.prior.detach()
    weighted = batch_mean(weight * log_likelihood(odds, sighted.steps, valid, config))
    loss = own.loss + config.without_context_weight * other.loss - config.divergence_weight * weighted
    return _with_blind(own, other, loss, advantage=batch_mean(missed))


def _rubiz(sighted: _Seen, blind: _Seen | None, valid: Tensor, config: ObjectiveConfig, annealed: Annealed) -> Terms:
    """A third branch with logits ``σ(l) ∗ σ(l̃)``; the sighted likelihood itself keeps a tenth of its weight."""
    assert blind is not None

    def fused(a: Tensor, b: Tensor) -> Tensor:
        return regularised_logits(torch.sigmoid(a) * torch.sigmoid(b), annealed.logit_bound).log_softmax(-1)

    both = _Seen(fused(sighted.prior, blind.prior), fused(sighted.posterior, blind.posterior), sighted.steps)
    other, third = cvae(blind, valid, config, annealed), cvae(both, valid, config, annealed)
    likelihood = batch_mean(log_likelihood(sighted.posterior, sighted.steps, valid, config))
    divergences, parts = _divergences(sighted, config, annealed)
    own = Terms(divergences - 0.1 * likelihood, {"log_likelihood": likelihood.detach(), **parts})
    return _with_blind(own, other, own.loss + other.loss + third.loss, fused_loss=third.loss)


OBJECTIVES: dict[str, Objective] = {
    "divergence": _divergence,
    "reweight": _reweight,
    "gain": _gain,
    "rubiz": _rubiz,
    "plain": _plain,
}


def objective_terms(
    sighted: Branch, blind: Branch | None, valid: Tensor, config: ObjectiveConfig, annealed: Annealed
) -> Terms:
    """The loss of a batch.

    Args:
        sighted: the pass with context.
        blind: the pass with the context nulled, its inputs detached from the encoders; needed by all but ``plain``.
        valid: (batch, steps) bool, steps whose truth is known.
        config: which objective.
        annealed: today's α and logit bound.

    Raises:
        ValueError: the objective needs a blind branch and there is none.
    """
    if config.needs_blind and blind is None:
        raise ValueError(f"the objective '{config.name}' needs a blind branch")

    def under_clamp(branch: Branch) -> _Seen:
        prior, posterior = (
            regularised_logits(logits, annealed.logit_bound).log_softmax(-1)
            for logits in (branch.prior_logits, branch.posterior_logits)
        )
        return _Seen(prior, posterior, branch.step_log_likelihoods)

    seen_blind = None if blind is None else under_clamp(blind)
    return OBJECTIVES[config.name](under_clamp(sighted), seen_blind, valid, config, annealed)
