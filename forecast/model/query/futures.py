"""Futures of an agent, one a query: controls, the path they drive, how sure, and how probable."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecast.core.horizon import Horizon
from forecast.core.shapes import Float
from forecast.model.attention import Perceptron
from forecast.model.unicycle import Motion, drive

#: A network's 1 stands for this much of a control.
_YAW_RATE_RADPS, _ACCELERATION_MPS2 = 0.3, 2.0
#: Standard deviation of annotation noise, metres, and how fast errors grow where the network says 0, m/s.
_NOISE_M, _GROWTH_MPS = 0.1, 0.5


@dataclass(frozen=True)
class Start:
    """Motion at time 0: (batch,) direction of travel, radians, and speed, m/s, agent frame."""

    heading_rad: Float[Tensor, "batch"]
    speed_mps: Float[Tensor, "batch"]


@dataclass(frozen=True)
class Futures:
    """Futures of a batch of agents.

    Attributes:
        raw: (batch, modes, numbers) what a head said, no unit: what a refinement adds to.
        controls: (batch, modes, steps, 2) yaw rate and acceleration, 0.3 rad/s and 2 m/s².
        x, y, heading: (batch, modes, steps), agent frame, metres and radians.
        logits: (batch, modes), no unit.
        step_s: seconds a step.
    """

    raw: Float[Tensor, "batch modes numbers"]
    controls: Float[Tensor, "batch modes steps 2"]
    x: Float[Tensor, "batch modes steps"]
    y: Float[Tensor, "batch modes steps"]
    heading: Float[Tensor, "batch modes steps"]
    logits: Float[Tensor, "batch modes"]
    step_s: float

    @property
    def positions_m(self) -> Float[Tensor, "batch modes steps 2"]:
        """(batch, modes, steps, 2) agent frame, metres."""
        return torch.stack([self.x, self.y], -1)

    def gaussians(self) -> Motion:
        """Around each position, errors along and across the direction of travel that grow with time.

        Returns:
            Fields (batch, modes, steps), agent frame. Paths carry no gradient: they learn by their distance.
        """
        steps = self.x.shape[-1]
        spread = self.raw[..., -2 * steps :].reshape(*self.x.shape, 2)
        times_s = self.step_s * torch.arange(1, steps + 1, dtype=spread.dtype, device=spread.device)
        growth = functional.softplus(spread + math.log(math.e - 1)) * _GROWTH_MPS
        along, across = (_NOISE_M + growth * times_s[:, None]).square().unbind(-1)
        x, y, heading = self.x.detach(), self.y.detach(), self.heading.detach()
        cos, sin = heading.cos(), heading.sin()
        xx, yy = along * cos**2 + across * sin**2, along * sin**2 + across * cos**2
        return Motion(x, y, heading, xx, (along - across) * cos * sin, yy)


class FutureHead(nn.Module):
    """From queries to futures, or to corrections of earlier ones.

    Args:
        size: of a query.
        horizon: how many steps, and how long they are.
    """

    def __init__(self, size: int, horizon: Horizon) -> None:
        super().__init__()
        self.horizon = horizon
        self.layers = nn.Sequential(nn.LayerNorm(size), Perceptron(size, size, 4 * horizon.future_steps + 1))

    def forward(
        self, queries: Float[Tensor, "batch modes size"], start: Start, before: Futures | None = None
    ) -> Futures:
        """Make futures.

        Args:
            queries: (batch, modes, size), no unit.
            start: motion at time 0.
            before: futures to correct; None to begin.
        """
        raw: Tensor = self.layers(queries).to(start.speed_mps.dtype)
        if before is not None:
            raw = raw + before.raw
        steps = self.horizon.future_steps
        controls = raw[..., 1 : 1 + 2 * steps].reshape(*raw.shape[:2], steps, 2)
        # `drive` runs along the first axis.
        yaw_rate, acceleration = controls.permute(2, 0, 1, 3).unbind(-1)
        path = drive(
            yaw_rate * _YAW_RATE_RADPS,
            acceleration * _ACCELERATION_MPS2,
            start.heading_rad[:, None],
            start.speed_mps[:, None],
            self.horizon.step_s,
        )
        x, y, heading = (field.permute(1, 2, 0) for field in path)
        return Futures(raw, controls, x, y, heading, raw[..., 0], self.horizon.step_s)
