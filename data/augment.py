"""Augmentation in the agent's frame, consistent over states, truth and map; off unless asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from forecast.core.batch import AgentBatch
from forecast.core.frames import rotate, wrap_angle
from forecast.core.shapes import Bool
from forecast.data.maps.layers import mirrored_signs


def turned(batch: AgentBatch, angle_rad: Tensor) -> AgentBatch:
    """Turn each target's own frame counter-clockwise, as if its heading had been annotated that much further left.

    Call it before crops are made: they follow ``pose_world``.

    Args:
        batch: without crops.
        angle_rad: (batch,) float64.

    Raises:
        ValueError: the batch has crops already.
    """
    if batch.crop is not None:
        raise ValueError("turn a batch before its crops are made; they follow pose_world")
    pose = batch.pose_world.clone()
    pose[:, 2] = wrap_angle(pose[:, 2] + angle_rad)
    back = -angle_rad.to(batch.history.dtype)
    return replace(
        batch,
        history=_turn_states(batch.history, batch.history_valid, back[:, None]),
        neighbours=_turn_states(batch.neighbours, batch.neighbours_valid, back[:, None, None]),
        future=rotate(batch.future, back[:, None]),
        pose_world=pose,
    )


def _turn_states(states: Tensor, valid: Tensor, angle_rad: Tensor) -> Tensor:
    planar = [rotate(states[..., first : first + 2], angle_rad) for first in (0, 2, 4)]
    heading = torch.where(valid, wrap_angle(states[..., 6] + angle_rad), 0)
    return torch.cat([*planar, heading[..., None], states[..., 7:]], dim=-1)


def mirrored(batch: AgentBatch, which: Tensor, crop_signs: Sequence[int] = ()) -> AgentBatch:
    """Swap left and right of some agents: states, truth and map alike, and with the map the side of traffic.

    Call it after crops are made. ``pose_world`` stays: the world of a mirrored agent is mirrored about its axis.

    Args:
        batch: with or without crops; these must reach as far left as right.
        which: (batch,) bool.
        crop_signs: what the values of each channel are multiplied by,
            :func:`~forecast.data.maps.layers.mirrored_signs`; without it, nothing is.
    """
    sign = torch.where(which, -1.0, 1.0).to(batch.history.dtype)
    flip = torch.tensor([1.0, -1.0] * 3 + [-1.0, -1.0], dtype=sign.dtype, device=sign.device)
    states = torch.where(which[:, None], flip, 1.0)
    crop = batch.crop
    if crop is not None:
        flipped = crop.flip(-1)
        if -1 in crop_signs:
            flipped = flipped * torch.tensor(crop_signs, dtype=crop.dtype, device=crop.device)[:, None, None]
        crop = torch.where(which[:, None, None, None], flipped, crop)
    return replace(
        batch,
        history=batch.history * states[:, None],
        neighbours=batch.neighbours * states[:, None, None],
        future=batch.future * torch.stack([torch.ones_like(sign), sign], dim=-1)[:, None],
        crop=crop,
    )


def without_some_neighbours(batch: AgentBatch, share: float) -> AgentBatch:
    """Forget a random share of all neighbours, as if they had not been seen.

    Args:
        batch: with or without crops.
        share: probability of each neighbour, 0 to 1.
    """
    kept = torch.rand(batch.neighbour_types.shape).to(batch.history.device) >= share
    return replace(batch, neighbours_valid=batch.neighbours_valid & kept[..., None])


def some_mirrored(
    batch: AgentBatch, share: float, channels: Sequence[Sequence[str]], generator: torch.Generator | None = None
) -> AgentBatch:
    """Mirror a random share of a batch.

    Args:
        batch: with or without crops, as :func:`mirrored` takes it.
        share: probability of each agent, 0 to 1.
        channels: layers of each channel of the crops.
        generator: on the processor; torch's own by default.
    """
    return mirrored(batch, chosen_to_mirror(batch, share, generator=generator), mirrored_signs(channels))


def chosen_to_mirror(
    batch: AgentBatch, share: float, *, together: bool = False, generator: torch.Generator | None = None
) -> Bool[Tensor, "batch"]:
    """Draw who is mirrored.

    Args:
        batch: with or without crops.
        share: probability of each agent, 0 to 1.
        together: a track that stands in the batch more than once is mirrored in all its places or in none.
        generator: on the processor; torch's own by default.
    """
    drawn = torch.rand(len(batch), generator=generator)
    if together and batch.track_tokens:
        first: dict[str, int] = {}
        drawn = drawn[[first.setdefault(track, place) for place, track in enumerate(batch.track_tokens)]]
    return (drawn < share).to(batch.history.device)
