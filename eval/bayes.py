"""Best possible scores where the true distribution of futures is known.

The truth is a mixture of outcomes: with probability ``probabilities[k]`` the future is ``means_m[k]`` plus Gaussian
noise, independent over steps and axes, of standard deviation ``noise_m[t]``. A forecaster that knew this distribution
could not do better than the figures computed here; a model is judged by how much of the gap between the bound of a
forecaster that sees less and the bound of one that sees everything it closes. All in metres, any one frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e, i1e, logsumexp

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """True mixtures of ``rows`` agent-samples.

    Attributes:
        means_m: (rows, outcomes, steps, 2); anything finite or NaN where the probability is 0.
        probabilities: (rows, outcomes), summing to 1; 0 in an outcome that a row does not have.
        noise_m: (steps,) standard deviation per axis, positive.
    """

    means_m: Floats
    probabilities: Floats
    noise_m: Floats

    def __post_init__(self) -> None:
        rows, outcomes, steps, _ = self.means_m.shape
        for name, shape in {"probabilities": (rows, outcomes), "noise_m": (steps,)}.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"Outcomes.{name}: expected shape {shape}, got {found}")
        if not np.allclose(self.probabilities.sum(axis=1), 1.0, atol=1e-6):
            raise ValueError("Outcomes.probabilities: expected rows that sum to 1")

    @property
    def filled_m(self) -> Floats:
        """(rows, outcomes, steps, 2) metres: means with NaN replaced by 0, for sums weighted by the probabilities."""
        return np.nan_to_num(self.means_m)


def expected_distance(offset_m: Floats, noise_m: Floats) -> Floats:
    """Mean length of a 2-D Gaussian vector: the mean of the Rice distribution.

    Args:
        offset_m: (..., steps) length of its mean.
        noise_m: (steps,) standard deviation per axis.
    """
    q = (offset_m / noise_m) ** 2 / 4
    # sigma sqrt(pi/2) L_1/2(-2q), with the exponentials inside the scaled Bessel functions.
    return np.asarray(noise_m * np.sqrt(np.pi / 2) * ((1 + 2 * q) * i0e(q) + 2 * q * i1e(q)))


def displacement(points_m: Floats, outcomes: Outcomes) -> Floats:
    """Expected distance of given trajectories to the future.

    Args:
        points_m: (rows, steps, 2).

    Returns:
        (rows, steps) metres: its mean over steps is the expected ADE, its last column the expected FDE.
    """
    offset = np.linalg.norm(outcomes.filled_m - points_m[:, None], axis=-1)
    return np.asarray(np.einsum("rk,rkt->rt", outcomes.probabilities, expected_distance(offset, outcomes.noise_m)))


def most_probable(outcomes: Outcomes) -> Floats:
    """(rows, steps, 2) metres: mean of the most probable outcome; the first among equals."""
    return np.asarray(outcomes.means_m[np.arange(len(outcomes.means_m)), outcomes.probabilities.argmax(axis=1)])


def error_minimising(outcomes: Outcomes, *, rounds: int = 200) -> Floats:
    """(rows, steps, 2) metres: at each step the point of least expected distance, the noise-smoothed geometric median.

    Weiszfeld's iteration; the expected distance is concave in the squared offset, so that each round majorises it
    by a weighted sum of squares and cannot go up. Started from the mean and from the most probable outcome.
    """
    means, probabilities = outcomes.filled_m, outcomes.probabilities
    starts = [np.einsum("rk,rktd->rtd", probabilities, means), np.nan_to_num(most_probable(outcomes))]
    candidates = [_weiszfeld(start, means, probabilities, outcomes.noise_m, rounds) for start in starts]
    scores = np.stack([displacement(candidate, outcomes) for candidate in candidates])
    best = scores.argmin(axis=0)
    return np.asarray(np.take_along_axis(np.stack(candidates), best[None, ..., None], axis=0)[0])


def _weiszfeld(point: Floats, means: Floats, probabilities: Floats, noise_m: Floats, rounds: int) -> Floats:
    for _ in range(rounds):
        q = np.sum((means - point[:, None]) ** 2, axis=-1) / noise_m**2 / 4
        weights = probabilities[..., None] * (i0e(q) + i1e(q))
        moved = np.einsum("rkt,rktd->rtd", weights, means) / weights.sum(axis=1)[..., None]
        if np.abs(moved - point).max() < 1e-6:
            return np.asarray(moved)
        point = moved
    return point


@dataclass(frozen=True)
class BestOfK:
    """The k outcomes whose means serve best as forecasts, and what they score.

    Attributes:
        chosen: (rows, k) indices of outcomes.
        min_ade_m, min_fde_m: (rows,) expected minADE_k, and expected minFDE_k of the same k.
    """

    chosen: NDArray[np.int64]
    min_ade_m: Floats
    min_fde_m: Floats


def best_of_k(outcomes: Outcomes, k: int, *, draws: int = 64, seed: int = 0) -> BestOfK:
    """Choose the k outcomes' means of least expected minADE_k, one after another (exact where all fit).

    Expectations are over the outcomes (exactly) and over ``draws`` noises of each (the same for all rows).
    """
    rows, count, steps, _ = outcomes.means_m.shape
    k = min(k, count)
    noise = np.random.default_rng(seed).normal(size=(draws, steps, 2)) * outcomes.noise_m[:, None]
    chosen = np.zeros((rows, k), np.int64)
    ade, fde = np.zeros(rows), np.zeros(rows)
    for row in range(rows):
        means, probabilities = outcomes.filled_m[row], outcomes.probabilities[row]
        offsets = np.linalg.norm(means[:, None, None] + noise[None, :, None] - means[None, None], axis=-1)
        chosen[row], ade[row] = _greedy(offsets.mean(axis=-1), probabilities, k)
        fde[row] = probabilities @ offsets[..., -1][..., chosen[row]].min(axis=-1).mean(axis=1)
    return BestOfK(chosen, ade, fde)


def _greedy(errors: Floats, probabilities: Floats, k: int) -> tuple[NDArray[np.int64], float]:
    """Add the forecast that lowers the mean minimum most; ``errors`` is (outcomes, draws, forecasts)."""
    best = np.full(errors.shape[:2], np.inf)
    chosen: list[int] = []
    score = np.inf
    allowed = probabilities > 0
    for _ in range(k):
        scores = np.einsum("k,kdf->f", probabilities, np.minimum(best[..., None], errors)) / errors.shape[1]
        scores[~allowed] = np.inf
        number = int(scores.argmin())
        chosen.append(number)
        score, best = float(scores[number]), np.minimum(best, errors[..., number])
    return np.array(chosen), score


def negative_log_likelihood(futures_m: Floats, outcomes: Outcomes) -> Floats:
    """True NLL of realised futures, nats, of the joint mixture over all steps.

    Args:
        futures_m: (rows, steps, 2).
    """
    residuals = (outcomes.filled_m - futures_m[:, None]) / outcomes.noise_m[:, None]
    logs = -0.5 * np.sum(residuals**2, axis=(2, 3)) - np.sum(2 * np.log(outcomes.noise_m) + np.log(2 * np.pi))
    with np.errstate(divide="ignore"):
        return np.asarray(-logsumexp(logs + np.log(outcomes.probabilities), axis=1))


def expected_nll(outcomes: Outcomes, *, draws: int = 64, seed: int = 0) -> Floats:
    """(rows,) the true NLL in expectation over futures: the entropy of the mixture, nats.

    Only what the other outcomes add to a future's likelihood is sampled; the noise's own entropy is exact.
    """
    rows, count, steps, _ = outcomes.means_m.shape
    rng = np.random.default_rng(seed)
    total = np.full(rows, np.sum(1 + np.log(2 * np.pi) + 2 * np.log(outcomes.noise_m)))
    for k in range(count):
        probabilities = outcomes.probabilities[:, k]
        for _ in range(draws):
            drawn = rng.normal(size=(rows, steps, 2))
            futures = outcomes.filled_m[:, k] + drawn * outcomes.noise_m[:, None]
            alone = 0.5 * np.sum(drawn**2, axis=(1, 2)) + np.sum(2 * np.log(outcomes.noise_m) + np.log(2 * np.pi))
            total += probabilities * (negative_log_likelihood(futures, outcomes) - alone) / draws
    return total
