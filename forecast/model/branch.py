"""What an objective needs to know of one pass of a CVAE-like network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Branch:
    """One pass over a batch, all modes enumerated. Any backbone that can say this can be trained by any objective.

    Attributes:
        prior_logits: (batch, modes) of p(z | X, C), neither centred nor clamped.
        posterior_logits: (batch, modes) of q(z | X, C, y), likewise.
        step_log_likelihoods: (batch, modes, steps) nats, log N(y_t; μ_z,t, Σ_z,t).
    """

    prior_logits: Tensor
    posterior_logits: Tensor
    step_log_likelihoods: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.step_log_likelihoods.shape)
        for name in ("prior_logits", "posterior_logits"):
            found = tuple(getattr(self, name).shape)
            if len(shape) != 3 or found != shape[:2]:
                raise ValueError(f"Branch.{name}: expected {shape[:2]} beside likelihoods of {shape}, got {found}")
