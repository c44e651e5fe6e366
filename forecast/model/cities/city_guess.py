"""Which city an agent drives in, guessed from what a network makes of the scene."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecast.core.shapes import Float, Int64

#: A spread is at least this share of the largest one: numbers that hardly vary must not decide alone.
_LEAST, _TINY = 1e-2, 1e-6


class CityGuess(nn.Module):
    """Means and spreads of a base's encodings in each city; the nearest one is the guess.

    Distances are those of Gaussians with independent numbers, so that a city whose scenes vary much may be far from a
    scene and still be likelier (naive Bayes; cities are taken as equally likely).

    Args:
        size: numbers in an encoding.
    """

    mean: Tensor
    spread: Tensor
    known: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))
        self.register_buffer("known", torch.zeros((), dtype=torch.bool))

    def learn(self, encodings: Float[Tensor, "agents size"]) -> None:
        """Take mean and spread of a city's encodings, no unit; of two agents or more."""
        spread = encodings.std(0)
        self.mean.copy_(encodings.mean(0))
        self.spread.copy_(spread.clamp(min=max(_LEAST * float(spread.max()), _TINY)))
        self.known.fill_(True)

    def log_likelihood(self, encodings: Float[Tensor, "agents size"]) -> Float[Tensor, "agents"]:
        """How well encodings go with the city, nats up to a constant, a number on average; −∞ where it is not known."""
        score: Tensor = -(((encodings - self.mean) / self.spread).square() / 2 + self.spread.log()).mean(1)
        return torch.where(self.known, score, -torch.inf)


def guessed(encodings: Float[Tensor, "agents size"], cities: list[CityGuess]) -> Int64[Tensor, "agents"]:
    """The city that goes best with each encoding, its place in the list.

    Args:
        encodings: of a base, no unit.
        cities: at least one of them known.

    Raises:
        ValueError: none is known.
    """
    scores = torch.stack([city.log_likelihood(encodings) for city in cities], 1)
    if not torch.isfinite(scores).any():
        raise ValueError("no city's scenes are known to guess by")
    return scores.argmax(1)
