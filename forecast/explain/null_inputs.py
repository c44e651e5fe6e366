"""What stands in for an input that is taken away: another past, another map, no neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from forecast.core.agents import AgentType
from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.frames import rotate, wrap_angle
from forecast.core.shapes import Bool, Float

#: ``empty``: no map at all, as in the method. ``straight``: the road at the agent goes straight on.
MapNull = Literal["empty", "straight"]
MAP_NULLS: tuple[MapNull, ...] = ("empty", "straight")
_PROFILE_M = 4.0
#: How well a tracker knows a pose; forecasts that differ no more than under this are the same.
JITTER_M, JITTER_DEG = 0.05, 1.0


def null_map(
    crop: Float[Tensor, "batch channels height width"], spec: CropSpec, kind: MapNull
) -> Float[Tensor, "batch channels height width"]:
    """A map that says nothing about what lies ahead, values as in the crop.

    Args:
        crop: of each agent.
        spec: of the crops.
        kind: see :data:`MapNull`. A straight road has the cross-section that lies within 4 m of the agent, pixel by
            pixel the median; what is behind stays.

    Raises:
        ValueError: no such kind.
    """
    if kind == "empty":
        return torch.zeros_like(crop)
    if kind != "straight":
        raise ValueError(f"map null: expected one of {', '.join(MAP_NULLS)}, got {kind!r}")
    present, reach = round(spec.behind_m * spec.px_per_m), max(1, round(_PROFILE_M * spec.px_per_m))
    road = crop[:, :, max(0, present - reach) : present + reach].median(dim=2, keepdim=True).values
    return torch.cat([crop[:, :, :present], road.expand(-1, -1, crop.shape[2] - present, -1)], dim=2)


def coasting(
    history: Float[Tensor, "batch history channels"], valid: Tensor, step_s: float
) -> Float[Tensor, "batch history channels"]:
    """The past that the agent would have had at its present velocity, straight and unbraked.

    Args:
        history: states as in :attr:`AgentBatch.history`, metres and seconds.
        valid: (batch, history) bool; what was not seen stays 0.
        step_s: seconds between two key frames.
    """
    rows = history.shape[1]
    ago_s = step_s * torch.arange(1 - rows, 1, dtype=history.dtype, device=history.device)
    velocity_mps = history[:, -1:, 2:4].expand(-1, rows, -1)
    states = torch.cat([velocity_mps * ago_s[:, None], velocity_mps, torch.zeros_like(history[..., 4:])], -1)
    return torch.where(valid[..., None], states, 0.0)


def without_neighbours(batch: AgentBatch, gone: Bool[Tensor, "#batch neighbours"]) -> AgentBatch:
    """The batch as if some neighbours had not been seen: empty slots, all states 0 m and 0 m/s.

    Args:
        batch: with or without crops.
        gone: which; one row stands for all.
    """
    gone = gone.expand(batch.neighbour_types.shape)
    return replace(
        batch,
        neighbours=torch.where(gone[..., None, None], 0.0, batch.neighbours),
        neighbours_valid=batch.neighbours_valid & ~gone[..., None],
        neighbour_types=torch.where(gone, int(AgentType.PADDING), batch.neighbour_types),
    )


def jittered(batch: AgentBatch, generator: torch.Generator) -> AgentBatch:
    """Move and turn all that was tracked against the map by what a tracker may be wrong: 5 cm and 1°.

    Args:
        batch: with or without crops, which stay.
        generator: on the processor.
    """
    shift_m = JITTER_M * torch.randn(len(batch), 2, generator=generator).to(batch.history)
    turn_rad = JITTER_DEG * torch.pi / 180 * torch.randn(len(batch), generator=generator).to(batch.history)

    def moved(states: Tensor, valid: Tensor) -> Tensor:
        spread = (len(batch), *[1] * (states.ndim - 2))
        angle = turn_rad.view(spread)
        planar = [rotate(states[..., first : first + 2], angle) for first in (0, 2, 4)]
        planar[0] = planar[0] + shift_m.view(*spread, 2)
        heading = wrap_angle(states[..., 6:7] + angle[..., None])
        return torch.where(valid[..., None], torch.cat([*planar, heading, states[..., 7:]], -1), 0.0)

    return replace(
        batch,
        history=moved(batch.history, batch.history_valid),
        neighbours=moved(batch.neighbours, batch.neighbours_valid),
    )
