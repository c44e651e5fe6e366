"""Encodes what the agents around the target did, one by one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecast.core.agents import STATE_CHANNELS, AgentType
from forecast.core.shapes import Bool, Float, Int64
from forecast.model.neighbours import CHANNELS
from forecast.model.scaling import NEIGHBOUR_RADIUS_M, scaled_neighbours

#: Relative states are multiplied by this: the width of a lane is a tenth of the radius that divides them.
_FINER = 4.0
_HIDDEN = 2


class PooledNeighbours(nn.Module):
    """A small network on each neighbour's history beside the target's, then the maximum over the neighbours.

    Unlike a sum of states, this can tell who is where: whether a stopped car is in the own lane or in the next is
    learned in a third of the steps.

    Args:
        size: of the code.
        steps: rows of a history.
        dropout: probability, on the code.
    """

    def __init__(self, size: int, steps: int, dropout: float) -> None:
        super().__init__()
        inputs = steps * (1 + 2 * len(STATE_CHANNELS))
        self.networks = nn.ModuleDict(
            {
                kind.name.lower(): nn.Sequential(
                    nn.Linear(inputs, _HIDDEN * size), nn.ReLU(), nn.Linear(_HIDDEN * size, size), nn.ReLU()
                )
                for kind in CHANNELS
            }
        )
        self.dropout = nn.Dropout(dropout)

    def _of_kind(self, kind: AgentType, neighbours: Tensor, valid: Tensor, history: Tensor, states: Tensor) -> Tensor:
        relative = scaled_neighbours(neighbours, valid, history[:, -1], kind) * _FINER
        relative = relative * (torch.arange(len(STATE_CHANNELS), device=valid.device) < CHANNELS[kind])
        own = states.flatten(1)[:, None].expand(-1, relative.shape[1], -1)
        code: Tensor = self.networks[kind.name.lower()](torch.cat([relative.flatten(2), valid.to(own.dtype), own], -1))
        distance_m = (neighbours[:, :, -1, :2] - history[:, None, -1, :2]).norm(dim=-1)
        near = valid[..., -1] & (distance_m <= NEIGHBOUR_RADIUS_M[kind])
        near_code: Tensor = code * near[..., None]
        return near_code

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
        """Encode the neighbours of each target; exactly 0 where none is near.

        The arguments are those of :meth:`forecast.model.neighbours.NeighbourEncoder.forward`; of ``history_code`` only
        the shape is read.

        Returns:
            (batch, size), no unit.
        """
        unbroken = torch.arange(states.shape[1], device=start.device) >= start[:, None]
        states = states * unbroken[..., None]
        codes = [
            self._of_kind(kind, neighbours, valid & (types == kind)[..., None], history, states) for kind in CHANNELS
        ]
        nobody = torch.zeros_like(history_code)[:, None]
        code: Tensor = self.dropout(torch.cat([nobody, *codes], 1).amax(1))
        return code
