"""What an objective may ask of one pass of a network over a batch whose futures are known."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from forecast.core.shapes import Float


@dataclass(frozen=True)
class Stage:
    """What an earlier stage of a network said, of those that correct themselves.

    Attributes:
        logits: (batch, modes), neither centred nor clamped.
        distances_m: (batch, modes) how far each mode is from the truth.
    """

    logits: Float[Tensor, "batch modes"]
    distances_m: Float[Tensor, "batch modes"]


@dataclass(frozen=True)
class Branch:
    """One pass over a batch, all modes enumerated. Any network that can say this can be trained by any objective.

    Attributes:
        prior_logits: (batch, modes) of p(z | X, C), neither centred nor clamped.
        posterior_logits: (batch, modes) of q(z | X, C, y), likewise; None where the network has no posterior.
        step_log_likelihoods: (batch, modes, steps) nats, log p(y_t | z) of the true position at each step.
        distances_m: (batch, modes) how far each mode is from the truth, of networks that are taught by that; None of
            those that are taught by likelihoods. Where they are given, likelihoods may leave the means alone.
        positions_m: (batch, modes, steps, 2) where each mode goes, agent frame; None of networks that do not say so in
            training. What successive forecasts are compared by.
        earlier: what earlier stages of the network said, first stage first.
    """

    prior_logits: Float[Tensor, "batch modes"]
    posterior_logits: Float[Tensor, "batch modes"] | None
    step_log_likelihoods: Float[Tensor, "batch modes steps"]
    distances_m: Float[Tensor, "batch modes"] | None = None
    positions_m: Float[Tensor, "batch modes steps 2"] | None = None
    earlier: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        shape = tuple(self.step_log_likelihoods.shape)
        for name in ("prior_logits", "posterior_logits", "distances_m"):
            given = getattr(self, name)
            if given is None and name != "prior_logits":
                continue
            found = tuple(given.shape)
            if len(shape) != 3 or found != shape[:2]:
                raise ValueError(f"Branch.{name}: expected {shape[:2]} beside likelihoods of {shape}, got {found}")
