"""Best possible scores against brute force: sampled futures, plain loops, a general-purpose minimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from forecast.eval.bayes import (
    Outcomes,
    best_of_k,
    displacement,
    error_minimising,
    expected_nll,
    most_probable,
    negative_log_likelihood,
)

STEPS = 4
NOISE = np.array([0.1, 0.2, 0.4, 0.6])


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """Five mixtures of three outcomes each, from well apart to overlapping."""
    rng = np.random.default_rng(3)
    spread = np.array([0.1, 0.5, 1.0, 3.0, 8.0])[:, None, None, None]
    means = rng.normal(size=(5, 3, STEPS, 2)) * spread
    odds = rng.dirichlet([1.5] * 3, 5)
    odds[4], means[4, 2] = [0.7, 0.3, 0.0], np.nan
    return Outcomes(means, odds, NOISE)


def sampled(outcomes: Outcomes, row: int, count: int = 100_000) -> np.ndarray:
    """Futures of one row, drawn the plain way."""
    rng = np.random.default_rng(100 + row)
    which = rng.choice(3, count, p=outcomes.probabilities[row])
    return outcomes.means_m[row][which] + rng.normal(size=(count, STEPS, 2)) * NOISE[:, None]


def test_most_probable_scores_as_sampled(outcomes: Outcomes) -> None:
    scores = displacement(most_probable(outcomes), outcomes)
    for row in range(5):
        mean = outcomes.means_m[row][outcomes.probabilities[row].argmax()]
        brute = np.sqrt(((sampled(outcomes, row) - mean) ** 2).sum(-1)).mean(axis=0)
        np.testing.assert_allclose(scores[row], brute, rtol=0.01)


def test_no_point_has_less_error(outcomes: Outcomes) -> None:
    scores = displacement(error_minimising(outcomes), outcomes)
    for row in range(5):
        futures = sampled(outcomes, row)
        for step in range(STEPS):
            cloud = futures[:, step]

            def error(point: np.ndarray, cloud: np.ndarray = cloud) -> float:
                return float(np.sqrt(((cloud - point) ** 2).sum(-1)).mean())

            tried = [minimize(error, start, method="Nelder-Mead").fun for start in (cloud.mean(0), np.median(cloud, 0))]
            assert scores[row, step] == pytest.approx(min(tried), rel=0.01)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_best_of_k_scores_as_sampled(outcomes: Outcomes, k: int) -> None:
    best = best_of_k(outcomes, k, draws=20_000)
    for row in range(5):
        futures = sampled(outcomes, row)
        forecasts = outcomes.means_m[row][best.chosen[row]]
        errors = np.stack([np.sqrt(((futures - f) ** 2).sum(-1)) for f in np.nan_to_num(forecasts, nan=1e6)])
        assert best.min_ade_m[row] == pytest.approx(errors.mean(-1).min(0).mean(), rel=0.01)
        assert best.min_fde_m[row] == pytest.approx(errors[..., -1].min(0).mean(), rel=0.01)


def test_likelihood_is_the_mixtures(outcomes: Outcomes) -> None:
    expected = expected_nll(outcomes, draws=2000)
    for row in range(5):
        futures = sampled(outcomes, row)
        density = sum(
            p * multivariate_normal(mean.ravel(), np.diag(np.repeat(NOISE**2, 2))).pdf(futures.reshape(-1, 2 * STEPS))
            for p, mean in zip(outcomes.probabilities[row], outcomes.means_m[row], strict=True)
            if p > 0
        )
        one = Outcomes(outcomes.means_m[row : row + 1], outcomes.probabilities[row : row + 1], NOISE)
        ours = [negative_log_likelihood(future[None], one)[0] for future in futures[:50]]
        np.testing.assert_allclose(ours, -np.log(density[:50]), rtol=1e-9)
        assert expected[row] == pytest.approx(-np.log(density).mean(), rel=0.01, abs=0.02)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"noise_m: expected shape \(2,\)"):
        Outcomes(np.zeros((1, 1, 2, 2)), np.ones((1, 1)), np.ones(3))
