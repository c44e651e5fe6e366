"""Forecasts of uneven number, length and spacing: what counts, and what does not."""

import numpy as np

from forecast.core.rows import ForecastRows
from forecast.eval.calibration import calibration
from forecast.eval.consistency import convergence_of
from forecast.eval.displacement import displacements
from forecast.eval.distribution import nll, sample_ade, sample_fde
from forecast.eval.overlap import successive_pairs


def test_samples_of_different_number_and_length_count_as_they_are():
    truth = np.zeros((2, 2, 2))
    samples = np.full((2, 3, 2, 2), np.nan)
    samples[0, :, :, 0] = [[1.0, 1], [1, 1], [1, np.nan]]  # the third ends early
    samples[0, :, :, 1] = np.where(np.isnan(samples[0, :, :, 0]), np.nan, 0)
    samples[1, :2] = [5.0, 0.0]  # two alone
    np.testing.assert_allclose(sample_ade(samples, truth).values, [1, 5])
    np.testing.assert_allclose(sample_fde(samples, truth).values, [1, 5])
    assert sample_fde(samples, truth).mean.count == 2


def test_likelihoods_are_of_the_steps_that_all_modes_reach():
    modes = np.zeros((1, 2, 2, 2))
    modes[0, 1, 1] = np.nan  # the second mode ends early
    covariances = np.broadcast_to(np.eye(2), (1, 2, 2, 2, 2))
    found = nll(modes, [[0.5, 0.5]], covariances, np.zeros((1, 2, 2)))
    np.testing.assert_allclose(found.values, [np.log(2 * np.pi)])
    assert nll(modes, [[0.5, 0.5]], covariances, [[[np.nan, 0], [0, 0]]]).mean.count == 0


def test_a_mode_that_ends_early_never_wins():
    modes = np.full((1, 3, 4, 2), 5.0)
    modes[0, 1, 0] = 0.0  # right where it is, and nothing more
    modes[0, 1, 1:] = np.nan
    modes[0, 2] = np.nan
    likely, truth = [[0.6, 0.4, np.nan]], np.zeros((1, 4, 2))
    found = displacements(modes, likely, truth)
    assert found.ends_early.tolist() == [[False, True, False]]
    for k in (1, 2, 5):
        np.testing.assert_allclose(found.min_ade_k(k).values, [50**0.5])
        np.testing.assert_allclose(found.min_fde_k(k, last_valid=True).values, [50**0.5])
        assert found.miss_k(k).values.tolist() == [1.0]
    assert calibration(found).observed[6] == 1.0
    # Were it the most likely one, nothing is left to compare for k = 1, and the count says so.
    assert displacements(modes, [[0.4, 0.6, np.nan]], truth).min_ade_k(1).mean.count == 0
    assert displacements(modes, [[0.4, 0.6, np.nan]], truth).min_ade_k(2).mean.count == 1


def test_modes_that_end_together_are_compared_as_far_as_they_go():
    modes = np.full((1, 2, 4, 2), [3.0, 4.0])
    modes[:, :, 2:] = np.nan
    found = displacements(modes, [[0.5, 0.5]], np.zeros((1, 4, 2)))
    assert not found.ends_early.any()
    assert found.min_ade_k(5).values.tolist() == [5.0]
    assert found.min_fde_k(5).mean.count == 0
    # Who goes on longer than the others is not told by the truth: it may end before both.
    modes[:, 0, 2:] = 0.0
    found = displacements(modes, [[0.5, 0.5]], np.zeros((1, 4, 2)), [[True, True, False, False]])
    assert found.ends_early.tolist() == [[False, True]]
    # Up to where both go, both are compared.
    assert not found.until(2).ends_early.any()


def test_an_unknown_point_has_no_convergence():
    found = convergence_of(np.zeros((2, 3, 2)), [[0, 0], [np.nan, 0]], tau_m=1.0, step_s=0.5)
    assert found.valid.tolist() == [True, False]
    assert found.values[0] == 1.5


def test_stated_probabilities_fall_into_the_bin_that_they_begin():
    stated = np.arange(1, 10) / 10
    found = displacements(np.zeros((9, 2, 1, 2)), np.stack([stated, 1 - stated], -1), np.zeros((9, 1, 2)))
    assert calibration(found).count.tolist() == [0, *[2] * 9]


def test_pairs_are_as_far_apart_as_a_tenth_of_the_leads_step_allows():
    issue_s = np.array([0.0, 0.04, 0.08, 0.16, 0.2])  # one is missing
    rows = ForecastRows(np.repeat("a", 5), issue_s, 0.04 * np.arange(1, 6), np.zeros((5, 1, 5, 2)), np.ones((5, 1)))
    assert successive_pairs(rows).earlier.tolist() == [0, 1, 3]
    assert successive_pairs(rows, tolerance_s=0.05).earlier.tolist() == [0, 1, 2, 3]
