"""What an agent did, as one token."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecast.core.agents import STATE_CHANNELS, AgentType
from forecast.core.shapes import Bool, Float, Int64
from forecast.model.attention import Perceptron
from forecast.model.scaling import scaled_history

_TYPES = [kind for kind in AgentType if kind != AgentType.PADDING]


class AgentTokens(nn.Module):
    """States, which of them were seen, and the type of each agent, through a perceptron.

    Args:
        rows: of a history.
        size: of a token.
    """

    def __init__(self, rows: int, size: int) -> None:
        super().__init__()
        given = rows * (len(STATE_CHANNELS) + 1) + len(_TYPES)
        self.layers = nn.Sequential(Perceptron(given, size, size), nn.LayerNorm(size))

    def forward(
        self,
        states: Float[Tensor, "agents history channels"],
        valid: Bool[Tensor, "agents history"],
        types: Int64[Tensor, "agents"],
    ) -> Float[Tensor, "agents size"]:
        """Encode agents.

        Args:
            states: (agents, history, channels), frame of the target, SI units.
            valid: (agents, history) bool; other rows are not read.
            types: (agents,) :class:`~forecast.core.agents.AgentType`; ``PADDING`` is of no type.

        Returns:
            (agents, size), no unit.
        """
        norm = self.layers[1]
        assert isinstance(norm, nn.LayerNorm)
        scaled = scaled_history(torch.where(valid[..., None], states, 0.0).to(norm.weight.dtype), valid)
        kinds = functional.one_hot(types + 1, len(_TYPES) + 1)[:, 1:]
        given = torch.cat([scaled.flatten(1), valid.to(scaled.dtype), kinds.to(scaled.dtype)], 1)
        tokens: Tensor = self.layers(given)
        return tokens
