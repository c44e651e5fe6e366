"""What an objective may ask of one pass of a network over a batch whose futures are known."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from forecast.core.shapes import Float


@dataclass(frozen=True)
class Branch:
    """One pass over a batch, all modes enumerated. Any network that can say this can be trained by any objective.

    Attributes:
        prior_logits: (batch, modes) of p(z | X, C), neither centred nor clamped.
        posterior_logits: (batch, modes) of q(z | X, C, y), likewise; None where the network has no posterior.
        step_log_likelihoods: (batch, modes, steps) nats, log p(y_t | z) of the true position at each step.
    """

    prior_logits: Float[Tensor, "batch modes"]
    posterior_logits: Float[Tensor, "batch modes"] | None
    step_log_likelihoods: Float[Tensor, "batch modes steps"]

    def __post_init__(self) -> None:
        shape = tuple(self.step_log_likelihoods.shape)
        for name in ("prior_logits", "posterior_logits"):
            given = getattr(self, name)
            if given is None and name == "posterior_logits":
                continue
            found = tuple(given.shape)
            if len(shape) != 3 or found != shape[:2]:
                raise ValueError(f"Branch.{name}: expected {shape[:2]} beside likelihoods of {shape}, got {found}")
