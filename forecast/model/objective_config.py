"""What every objective's constants say: how likelihoods are clipped, and where the pass without context comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal


@dataclass(frozen=True)
class NearestConfig:
    """How networks are taught whose modes learn by distance, the nearest mode alone.

    Attributes:
        expected_weight: of the expected distance of all modes, by their probabilities.
        earlier_weight: of each earlier stage of the network.
        spread_weight: of the likelihood that teaches how sure each mode is.
    """

    expected_weight: float = 0.1
    earlier_weight: float = 0.5
    spread_weight: float = 0.05


@dataclass(frozen=True)
class ObjectiveConfig:
    """Base of the constants of all objectives; an objective adds its own, with defaults.

    Attributes:
        name: in the registry (:mod:`forecast.model.objective_registry`), or ``package.module:function``.
        without_context: where the pass without context comes from: ``none``, the objective looks at none; ``shared``,
            the same network with its context nulled, as published; ``twin``, a network of its own that is trained
            beside: what it learns costs the network with context nothing.
        joint: sum over steps inside the mixture (one mode explains the whole future) instead of outside (as
            published, each step is a mixture of its own).
        lower_clip, upper_clip: bounds of a step's log-likelihood, nats; none where null.
        soft_clip: below this a step's log-likelihood falls as a logarithm only, nats: badly missed steps keep a
            gradient, but a small one; null for none.
        free_bits: the KL between posterior and prior is not pushed below this, nats.
        nearest: weights where modes learn by distance; clips and free bits are of likelihoods alone.
    """

    #: Whether the objective asks for a posterior, which not every network has.
    needs_posterior: ClassVar[bool] = False

    name: str = ""
    without_context: Literal["none", "shared", "twin"] = "none"
    joint: bool = False
    lower_clip: float | None = None
    upper_clip: float | None = 6.0
    soft_clip: float | None = -20.0
    free_bits: float = 0.0
    nearest: NearestConfig = field(default_factory=NearestConfig)
