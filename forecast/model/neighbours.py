"""Encodes what the agents around the target did."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecast.core.agents import STATE_CHANNELS, AgentType
from forecast.core.shapes import Bool, Float, Int64
from forecast.model.history import last_of_suffix
from forecast.model.scaling import NEIGHBOUR_RADIUS_M, scaled_neighbours

#: Channels read of each type of neighbour: pedestrians have no usable heading.
CHANNELS = {AgentType.VEHICLE: len(STATE_CHANNELS), AgentType.PEDESTRIAN: len(STATE_CHANNELS) - 2}
#: A pair that has been close for one step counts a quarter, for two a half, …
_STEPS_TO_FULL_WEIGHT = 4


def edge_weights(
    neighbours: Float[Tensor, "batch neighbours history channels"],
    valid: Bool[Tensor, "batch neighbours history"],
    history: Float[Tensor, "batch history channels"],
    radius_m: float,
) -> Float[Tensor, "batch neighbours"]:
    """How much each neighbour counts: 0 when it is far away at time 0, else growing with the steps it has been near.

    Args:
        neighbours: (batch, neighbours, history, channels), agent frame, SI units.
        valid: (batch, neighbours, history) bool: real and of the type in question.
        history: (batch, history, channels) of the target, likewise.
        radius_m: what counts as near.

    Returns:
        (batch, neighbours), one of 0, ¼, ½, ¾, 1.
    """
    distance_m = (neighbours[..., :2] - history[:, None, :, :2]).norm(dim=-1)
    near = valid & (distance_m <= radius_m)
    steps_near = near.long().flip(-1).cumprod(-1).sum(-1)
    weights: Tensor = steps_near.clamp(max=_STEPS_TO_FULL_WEIGHT).to(neighbours.dtype) / _STEPS_TO_FULL_WEIGHT
    return weights


class NeighbourEncoder(nn.Module):
    """One LSTM for each type of neighbour over the sum of their states, then additive attention over the types.

    Args:
        size: of the code, and of the target's history code.
        dropout: probability, on the LSTMs' outputs and on the code.
    """

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        target = len(STATE_CHANNELS)
        self.lstms = nn.ModuleDict(
            {kind.name.lower(): nn.LSTM(CHANNELS[kind] + target, size, batch_first=True) for kind in CHANNELS}
        )
        self.key = nn.Linear(size, size, bias=False)
        self.query = nn.Linear(size, size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def _of_kind(
        self, kind: AgentType, neighbours: Tensor, valid: Tensor, history: Tensor, states: Tensor, start: Tensor
    ) -> Tensor:
        weights = edge_weights(neighbours, valid, history, NEIGHBOUR_RADIUS_M[kind])
        counted = valid & (weights > 0)[..., None]
        total = scaled_neighbours(neighbours, counted, history[:, -1], kind).sum(1)[..., : CHANNELS[kind]]
        lstm = self.lstms[kind.name.lower()]
        assert isinstance(lstm, nn.LSTM)
        code = last_of_suffix(lstm, torch.cat([total, states], -1), start)
        mask = weights.sum(1, keepdim=True).clamp(max=1.0)
        edge: Tensor = self.dropout(code) * mask
        return edge

    def forward(
        self,
        neighbours: Float[Tensor, "batch neighbours history channels"],
        valid: Bool[Tensor, "batch neighbours history"],
        types: Int64[Tensor, "batch neighbours"],
        history: Float[Tensor, "batch history channels"],
        states: Float[Tensor, "batch history channels"],
        start: Int64[Tensor, "batch"],
        history_code: Float[Tensor, "batch size"],
    ) -> Float[Tensor, "batch size"]:
        """Encode the neighbours of each target; exactly 0 where there are none.

        Args:
            neighbours: (batch, neighbours, history, channels), agent frame, SI units.
            valid: (batch, neighbours, history) bool.
            types: (batch, neighbours) int64.
            history: (batch, history, channels) of the target, agent frame, SI units.
            states: (batch, history, channels), the same scaled.
            start: (batch,) first row of the target's unbroken past.
            history_code: (batch, size).

        Returns:
            (batch, size).
        """
        codes = torch.stack(
            [
                self._of_kind(kind, neighbours, valid & (types == kind)[..., None], history, states, start)
                for kind in CHANNELS
            ],
            1,
        )
        scores = self.score(torch.tanh(self.key(codes) + self.query(history_code)[:, None]))
        code: Tensor = self.dropout((scores.softmax(1) * codes).sum(1))
        return code
