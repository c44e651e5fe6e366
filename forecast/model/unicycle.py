"""Unicycle dynamics: controls to positions, and control covariances to position covariances.

State: position (x, y), direction of travel φ, speed v. Controls, constant over a step: yaw rate ω, acceleration a.
A step moves by ``∫ (v + a·s)·(cos, sin)(φ + ω·s) ds``, s from 0 to the step's length, taken by Gauss–Legendre
quadrature at three points. That needs no branch at ω = 0, is smooth in everything, and is exact to 1e-7 m at 20 m/s
and 1 rad/s over half a second. Since φ and v are running sums, no loop over the steps is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from forecast.core.shapes import Float

_B = 15**0.5 / 18


@dataclass(frozen=True)
class Controls:
    """Gaussians over (yaw rate, acceleration); every field is (steps, …).

    Attributes:
        yaw_rate, acceleration: means, rad/s and m/s².
        yaw_rate_sigma, acceleration_sigma: standard deviations, rad/s and m/s².
        correlation: inside (−1, 1).
    """

    yaw_rate: Float[Tensor, "steps *rows"]
    acceleration: Float[Tensor, "steps *rows"]
    yaw_rate_sigma: Float[Tensor, "steps *rows"]
    acceleration_sigma: Float[Tensor, "steps *rows"]
    correlation: Float[Tensor, "steps *rows"]


@dataclass(frozen=True)
class Motion:
    """Gaussians over positions after each step; every field is (steps, …), metres and radians, agent frame.

    Attributes:
        x, y: means.
        heading: direction of travel.
        xx, xy, yy: entries of the position covariance, m².
    """

    x: Float[Tensor, "steps *rows"]
    y: Float[Tensor, "steps *rows"]
    heading: Float[Tensor, "steps *rows"]
    xx: Float[Tensor, "steps *rows"]
    xy: Float[Tensor, "steps *rows"]
    yy: Float[Tensor, "steps *rows"]


@dataclass(frozen=True)
class _Step:
    """Displacement over each step and its derivatives, two numbers (x, y) each."""

    moved: tuple[Tensor, Tensor]
    by_speed: tuple[Tensor, Tensor]
    by_yaw_rate: tuple[Tensor, Tensor]
    by_acceleration: tuple[Tensor, Tensor]


def _before(increments: Tensor, first: Tensor) -> Tensor:
    """Values at the beginning of each step: ``first`` plus all earlier increments."""
    return first + increments.cumsum(0) - increments


def _step(heading: Tensor, speed: Tensor, yaw_rate: Tensor, acceleration: Tensor, step_s: float) -> _Step:
    """Quadrature of one step, given the state at its beginning; all (steps, …)."""
    middle = heading + yaw_rate * (step_s / 2)
    offset = yaw_rate * (step_s * 0.15**0.5)
    cos, sin, cos_offset = torch.cos(middle), torch.sin(middle), torch.cos(offset)
    # Moments Σ w, Σ w·τ, Σ w·τ² of (cos, sin) over the three nodes τ in 0…1, by the addition theorem.
    even, odd, second = (5 * cos_offset + 4) / 9, _B * torch.sin(offset), cos_offset / 12
    zeroth = even * cos, even * sin
    first = zeroth[0] / 2 - odd * sin, zeroth[1] / 2 + odd * cos
    squared = first[0] - zeroth[0] / 4 + second * cos, first[1] - zeroth[1] / 4 + second * sin
    gained = acceleration * step_s
    moved = tuple(step_s * (speed * m0 + gained * m1) for m0, m1 in zip(zeroth, first, strict=True))
    turned = tuple(step_s**2 * (speed * m1 + gained * m2) for m1, m2 in zip(first, squared, strict=True))
    return _Step(
        moved=(moved[0], moved[1]),
        by_speed=(step_s * zeroth[0], step_s * zeroth[1]),
        by_yaw_rate=(-turned[1], turned[0]),
        by_acceleration=(step_s**2 * first[0], step_s**2 * first[1]),
    )


def integrate(
    controls: Controls, heading_rad: Float[Tensor, "*#rows"], speed_mps: Float[Tensor, "*#rows"], step_s: float
) -> Motion:
    """Integrate controls from the origin.

    The covariance is carried through the linearised dynamics, ``P ← F P Fᵀ + G Σ_u Gᵀ`` with P = 0 at time 0.

    Args:
        controls: (steps, …).
        heading_rad: direction of travel at time 0, broadcastable to the controls without their first axis.
        speed_mps: speed at time 0, likewise.
        step_s: seconds a step.
    """
    omega = controls.yaw_rate
    heading, step = _steps(omega, controls.acceleration, heading_rad, speed_mps, step_s)
    xx, xy, yy = _position_covariance(controls, step, step_s)
    return Motion(
        x=step.moved[0].cumsum(0),
        y=step.moved[1].cumsum(0),
        heading=heading + omega * step_s,
        xx=xx,
        xy=xy,
        yy=yy,
    )


def drive(
    yaw_rate: Float[Tensor, "steps *rows"],
    acceleration: Float[Tensor, "steps *rows"],
    heading_rad: Float[Tensor, "*#rows"],
    speed_mps: Float[Tensor, "*#rows"],
    step_s: float,
) -> tuple[Float[Tensor, "steps *rows"], Float[Tensor, "steps *rows"], Float[Tensor, "steps *rows"]]:
    """The path of controls that are known, from the origin.

    Args:
        yaw_rate: (steps, …) rad/s.
        acceleration: (steps, …) m/s².
        heading_rad: direction of travel at time 0, broadcastable to the controls without their first axis.
        speed_mps: speed at time 0, likewise.
        step_s: seconds a step.

    Returns:
        (steps, …) x, y, metres, and direction of travel, radians, after each step.
    """
    heading, step = _steps(yaw_rate, acceleration, heading_rad, speed_mps, step_s)
    return step.moved[0].cumsum(0), step.moved[1].cumsum(0), heading + yaw_rate * step_s


def _steps(
    yaw_rate: Tensor, acceleration: Tensor, heading_rad: Tensor, speed_mps: Tensor, step_s: float
) -> tuple[Tensor, _Step]:
    """Heading at the beginning of each step, and the step; (steps, …) each."""
    heading = _before(yaw_rate * step_s, heading_rad)
    return heading, _step(heading, _before(acceleration * step_s, speed_mps), yaw_rate, acceleration, step_s)


def _position_covariance(controls: Controls, step: _Step, step_s: float) -> tuple[Tensor, Tensor, Tensor]:
    # State θ = (φ, v) is a running sum of the controls, so its covariance is one of theirs, and so on upwards.
    ww = controls.yaw_rate_sigma**2
    aa = controls.acceleration_sigma**2
    wa = controls.correlation * controls.yaw_rate_sigma * controls.acceleration_sigma
    zero = torch.zeros((), dtype=ww.dtype, device=ww.device)
    pp, pv, vv = (_before(entry * step_s**2, zero) for entry in (ww, wa, aa))
    j_heading = (-step.moved[1], step.moved[0])
    rows = []
    for i in (0, 1):
        jp, jv, gw, ga = j_heading[i], step.by_speed[i], step.by_yaw_rate[i], step.by_acceleration[i]
        # Row i of J·P_θθ and of G·Σ_u.
        spread = (jp * pp + jv * pv, jp * pv + jv * vv)
        added = (gw * ww + ga * wa, gw * wa + ga * aa)
        # Row i of Cov(position, θ) before each step.
        cross = tuple(_before(s + step_s * g, zero) for s, g in zip(spread, added, strict=True))
        rows.append((jp, jv, gw, ga, spread, added, cross))

    def entry(i: int, k: int) -> Tensor:
        _, _, _, _, spread, added, cross_i = rows[i]
        jp, jv, gw, ga, _, _, cross_k = rows[k]
        ip, iv = rows[i][:2]
        through = (spread[0] + cross_i[0]) * jp + (spread[1] + cross_i[1]) * jv
        return (through + ip * cross_k[0] + iv * cross_k[1] + added[0] * gw + added[1] * ga).cumsum(0)

    return entry(0, 0), entry(0, 1), entry(1, 1)


def initial_motion(
    present: Float[Tensor, "batch channels"], heading_speed_mps: float
) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch"]]:
    """Direction of travel and speed at time 0.

    Above ``heading_speed_mps`` they are those of the velocity; below it the direction is the annotated heading, and
    the speed is the velocity along it (negative when backing up).

    Args:
        present: (batch, channels) state at time 0, agent frame, SI units.
        heading_speed_mps: where to switch, m/s.

    Returns:
        (batch,) radians and (batch,) m/s.
    """
    vx, vy, annotated = present[:, 2], present[:, 3], present[:, 6]
    speed = torch.hypot(vx, vy)
    fast = speed > heading_speed_mps
    along = vx * annotated.cos() + vy * annotated.sin()
    return torch.where(fast, torch.atan2(vy, vx), annotated), torch.where(fast, speed, along)
