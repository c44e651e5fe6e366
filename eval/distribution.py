"""Metrics of the full predicted distribution: NLL of the joint mixture, and means over its samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from forecast.core.shapes import Float64
from forecast.eval.drivable import DrivableArea
from forecast.eval.offroad import off_road_rate
from forecast.eval.results import Floats, PerItem, per_item, shaped, steps_known


def nll(modes_m: Any, probabilities: Any, covariances_m2: Any, truth_m: Any, valid: Any = None) -> PerItem:
    """Negative log-likelihood of the whole true trajectory under the mixture of modes, nats, unclipped.

    Each mode is a product of one Gaussian per step: −log Σ_k p_k Π_t N(g_t; y_kt, Σ_kt), over the known steps that all
    of an agent's modes reach. Agents without such a step do not count.

    Args:
        modes_m: (agents, modes, steps, 2); NaN in absent modes.
        probabilities: (agents, modes), normalised here; NaN in absent modes.
        covariances_m2: (agents, modes, steps, 2, 2), symmetric positive definite.
        truth_m: (agents, steps, 2).
        valid: (agents, steps); default: where ``truth_m`` is finite.

    Raises:
        ValueError: a covariance of a present mode is not positive definite, or shapes do not fit.
    """
    modes = shaped("modes_m", modes_m, (None, None, None, 2))
    agents, count, steps, _ = modes.shape
    wanted = shaped("probabilities", probabilities, (agents, count))
    truth = shaped("truth_m", truth_m, (agents, steps, 2))
    covariances = shaped("covariances_m2", covariances_m2, (agents, count, steps, 2, 2))
    known = steps_known(valid, (agents, steps), truth)
    present = ~np.isnan(wanted)
    reached = (np.isfinite(modes).all(-1) | ~present[..., None]).all(1)
    counts = present[..., None] & (known & reached)[:, None]
    log_step = _log_gaussian(modes - truth[:, None], covariances, counts)
    with np.errstate(divide="ignore", invalid="ignore"):  # all of 0 is no distribution, and does not count
        log_weight = np.log(np.where(present, wanted, 0.0) / np.nansum(wanted, -1, keepdims=True))
    joint = log_weight + log_step.sum(-1)
    highest = joint.max(-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        total = highest[:, 0] + np.log(np.exp(joint - highest).sum(-1))
    return per_item(-total, counts.any((1, 2)) & np.isfinite(total))


def _log_gaussian(offset_m: Floats, covariance_m2: Floats, counts: Any) -> Floats:
    """(agents, modes, steps) log density at an offset from the mean, 0 where it does not count."""
    covariance = np.where(counts[..., None, None], covariance_m2, np.eye(2))
    xx, xy, yy = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    determinant = xx * yy - xy**2
    if not ((determinant > 0) & (xx > 0) & (covariance[..., 1, 0] == xy)).all():
        raise ValueError("covariances_m2: expected symmetric positive definite matrices")
    offset = np.where(counts[..., None], offset_m, 0.0)
    x, y = offset[..., 0], offset[..., 1]
    square = (yy * x**2 - 2 * xy * x * y + xx * y**2) / determinant
    return np.where(counts, -0.5 * (square + np.log(determinant)) - np.log(2 * np.pi), 0.0)


def draw_samples(
    modes_m: Any, probabilities: Any, covariances_m2: Any, *, samples: int = 200, seed: int = 0
) -> Float64[Floats, "agents samples steps 2"]:
    """Draw trajectories from the mixture: a mode by its probability, then each step by its own Gaussian.

    Returns:
        (agents, samples, steps, 2).
    """
    modes = shaped("modes_m", modes_m, (None, None, None, 2))
    covariances = shaped("covariances_m2", covariances_m2, (*modes.shape[:3], 2, 2))
    random = np.random.default_rng(seed)
    shares = np.nan_to_num(shaped("probabilities", probabilities, modes.shape[:2]))
    edges = np.cumsum(shares / shares.sum(-1, keepdims=True), -1)
    chosen = (random.random((len(modes), samples, 1)) > edges[:, None, :-1]).sum(-1)
    agent = np.arange(len(modes))[:, None]
    present = (shares > 0)[..., None] & np.isfinite(modes).all(-1)
    if not np.isfinite(covariances[present]).all():
        raise ValueError("covariances_m2: not finite in a mode that is there; expected positive definite matrices")
    # Absent modes are never chosen; the identity keeps the factorisation away from their NaN.
    usable = np.where(np.isfinite(covariances).all((-2, -1), keepdims=True), covariances, np.eye(2))
    factor = np.linalg.cholesky(usable)[agent, chosen]
    noise = random.standard_normal((*chosen.shape, modes.shape[2], 2))
    drawn: Floats = modes[agent, chosen] + np.einsum("asnij,asnj->asni", factor, noise)
    return drawn


def sample_ade(samples_m: Any, truth_m: Any, valid: Any = None) -> PerItem:
    """ADE-f: mean displacement over all samples and known steps (CAB paper, table 1).

    Args:
        samples_m: (agents, samples, steps, 2); NaN where an agent has fewer samples, or one ends early.
        truth_m: (agents, steps, 2).
        valid: (agents, steps); default: where ``truth_m`` is finite.
    """
    distance, known = _sample_distances(samples_m, truth_m, valid)
    total = np.where(known, distance, 0.0).sum((-2, -1))
    return per_item(total / np.maximum(known.sum((-2, -1)), 1), known.any((-2, -1)))


def sample_fde(samples_m: Any, truth_m: Any, valid: Any = None) -> PerItem:
    """FDE-f: mean displacement at the last step of all samples that reach it (CAB paper, table 1)."""
    distance, known = _sample_distances(samples_m, truth_m, valid)
    at_end = known[..., -1]
    total = np.where(at_end, distance[..., -1], 0.0).sum(-1)
    return per_item(total / np.maximum(at_end.sum(-1), 1), at_end.any(-1))


def sample_off_road(samples_m: Any, area: DrivableArea) -> PerItem:
    """OffR-f: share of all samples that leave the drivable area (CAB paper, table 1), by the devkit's rule."""
    return off_road_rate(samples_m, area)


def _sample_distances(samples_m: Any, truth_m: Any, valid: Any) -> tuple[Floats, Any]:
    samples = shaped("samples_m", samples_m, (None, None, None, 2))
    truth = shaped("truth_m", truth_m, (len(samples), samples.shape[2], 2))
    known = steps_known(valid, truth.shape[:2], truth)
    return np.linalg.norm(samples - truth[:, None], axis=-1), known[:, None] & np.isfinite(samples).all(-1)
