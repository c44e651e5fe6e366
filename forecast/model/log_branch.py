"""What an objective is given: a pass over a batch as log-probabilities, and what it answers with."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from forecast.core.shapes import Float
from forecast.model.branch import Branch, Stage
from forecast.model.latent import regularised_logits


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
        distances_m: (batch, modes) how far each mode is from the truth; None of networks that likelihoods teach.
        earlier: earlier stages of the network, first stage first, with log-probabilities in place of logits.
    """

    prior: Float[Tensor, "batch modes"]
    posterior: Float[Tensor, "batch modes"] | None
    steps: Float[Tensor, "batch modes steps"]
    distances_m: Float[Tensor, "batch modes"] | None = None
    earlier: tuple[Stage, ...] = ()

    @classmethod
    def of(cls, branch: Branch, logit_bound: float | None) -> LogBranch:
        """Centre and clamp the logits of a pass, and normalise them."""
        prior = regularised_logits(branch.prior_logits, logit_bound).log_softmax(-1)
        posterior = branch.posterior_logits
        if posterior is not None:
            posterior = regularised_logits(posterior, logit_bound).log_softmax(-1)
        earlier = tuple(
            Stage(regularised_logits(stage.logits, logit_bound).log_softmax(-1), stage.distances_m)
            for stage in branch.earlier
        )
        return cls(prior, posterior, branch.step_log_likelihoods, branch.distances_m, earlier)

    @property
    def best_known(self) -> Float[Tensor, "batch modes"]:
        """(batch, modes) log-probabilities by all that is known of the modes: the posterior, or else the prior."""
        return self.prior if self.posterior is None else self.posterior
