"""Gaussian mixtures over trajectories, and the divergences of categorical distributions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from forecast.core.forecast import Forecast
from forecast.core.shapes import Bool, Float
from forecast.model.unicycle import Motion

#: Position variances are at least this, and 1 − ρ² at least that.
MIN_VARIANCE_M2, MIN_DECORRELATION = 1e-8, 1e-5


def log_density(motion: Motion, x: Float[Tensor, "*#rows"], y: Float[Tensor, "*#rows"]) -> Float[Tensor, "*#rows"]:
    """Log density of points under the Gaussian of each step.

    Args:
        motion: fields (steps, …).
        x, y: broadcastable to those fields, metres, agent frame.

    Returns:
        (steps, …) nats.
    """
    xx, yy = motion.xx.clamp(min=MIN_VARIANCE_M2), motion.yy.clamp(min=MIN_VARIANCE_M2)
    spread = xx * yy
    left = (1 - motion.xy**2 / spread).clamp(min=MIN_DECORRELATION)
    dx, dy = x - motion.x, y - motion.y
    squared = (dx**2 * yy - 2 * motion.xy * dx * dy + dy**2 * xx) / (spread * left)
    return -0.5 * (squared + torch.log(spread * left)) - math.log(2 * math.pi)


def categorical_kl(p: Float[Tensor, "*#rows modes"], q: Float[Tensor, "*#rows modes"]) -> Float[Tensor, "*#rows"]:
    """KL(p ‖ q) of categorical distributions given as log-probabilities (…, modes); gives (…) nats."""
    return (p.exp() * (p - q)).sum(-1)


def entropy(p: Float[Tensor, "*rows modes"]) -> Float[Tensor, "*rows"]:
    """Entropy of categorical distributions given as log-probabilities (…, modes); gives (…) nats."""
    return -(p.exp() * p).sum(-1)


def joint_nll(
    forecast: Forecast, truth_m: Float[Tensor, "batch steps 2"], valid: Bool[Tensor, "batch steps"]
) -> Float[Tensor, "batch"]:
    """Negative log-likelihood of whole futures: ``−log Σ_z p_z Π_t N(y_t)``, unclipped.

    Args:
        forecast: with covariances, in the truth's frame.
        truth_m: (batch, steps, 2) metres.
        valid: (batch, steps) bool; other steps do not count.

    Returns:
        (batch,) nats, summed over the valid steps.

    Raises:
        ValueError: the forecast has no covariances.
    """
    if forecast.covariances_m2 is None:
        raise ValueError("the likelihood of a future needs a forecast with covariances")
    x, y = forecast.positions_m.unbind(-1)
    covariance = forecast.covariances_m2
    motion = Motion(x, y, x, covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1])
    density = log_density(motion, truth_m[:, None, :, 0], truth_m[:, None, :, 1]) * valid[:, None]
    tiny = torch.finfo(forecast.probabilities.dtype).tiny
    return -torch.logsumexp(forecast.probabilities.clamp(min=tiny).log() + density.sum(-1), 1)
