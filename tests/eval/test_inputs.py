"""What the functions take (any type of tensor, masked arrays) and refuse (shapes that only happen to broadcast)."""

import warnings

import numpy as np
import pytest
import torch

from forecast.eval.bootstrap import bootstrap_mean
from forecast.eval.consistency import convergence_of, dispersion_of
from forecast.eval.context import kl_divergence, travelled_m
from forecast.eval.displacement import brier_min_fde_k, min_ade_k, min_fde_k, miss_rate_k
from forecast.eval.distribution import draw_samples, nll, sample_ade, sample_fde
from forecast.eval.hardest import difficulty, kalman_forecast
from forecast.eval.metrics import MinADE
from forecast.eval.results import as_bools, as_floats, per_item

MODES = np.ones((3, 2, 12, 2))
LIKELY = np.array([[0.6, 0.4]] * 3)
TRUTH = np.zeros((3, 12, 2))
COVARIANCES = np.broadcast_to(np.eye(2), (3, 2, 12, 2, 2))
HALF = np.arange(12) < 6

#: Function, its arguments without ``valid``.
WITH_VALID = {
    "min_ade_k": (lambda *a: min_ade_k(*a, k=1), (MODES, LIKELY, TRUTH)),
    "min_fde_k": (lambda *a: min_fde_k(*a, k=1, last_valid=True), (MODES, LIKELY, TRUTH)),
    "miss_rate_k": (lambda *a: miss_rate_k(*a, k=1), (MODES, LIKELY, TRUTH)),
    "brier_min_fde_k": (lambda *a: brier_min_fde_k(*a, k=1, last_valid=True), (MODES, LIKELY, TRUTH)),
    "nll": (nll, (MODES, LIKELY, COVARIANCES, TRUTH)),
    "sample_ade": (sample_ade, (MODES, TRUTH)),
    "sample_fde": (sample_fde, (MODES, TRUTH)),
    "dispersion_of": (dispersion_of, (TRUTH,)),
    "convergence_of": (lambda *a: convergence_of(*a, tau_m=1.0, step_s=0.5), (TRUTH, TRUTH[:, 0])),
    "kalman_forecast": (lambda *a: kalman_forecast(*a, step_s=0.5), (TRUTH,)),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int32])
def test_every_type_of_tensor_is_read(dtype):
    modes, likely = torch.from_numpy(MODES).to(dtype), torch.tensor(LIKELY)
    found = min_ade_k(modes, likely, torch.zeros(3, 12, 2, dtype=dtype), k=1)
    np.testing.assert_allclose(found.values, 2**0.5)
    np.testing.assert_allclose(as_floats([modes[0], modes[1]]), MODES[:2])
    assert as_floats(torch.ones(2, dtype=dtype, requires_grad=dtype.is_floating_point)).tolist() == [1.0, 1.0]


def test_what_is_masked_is_unknown():
    truth = np.ma.masked_array(np.zeros((3, 12, 2)), mask=False)
    truth[:, 6:] = 1000.0
    truth[:, 6:] = np.ma.masked
    found = min_ade_k(MODES, LIKELY, truth, k=1)
    np.testing.assert_allclose(found.values, 2**0.5)
    np.testing.assert_allclose(min_ade_k(MODES, LIKELY, list(truth), k=1).values, 2**0.5)
    assert min_fde_k(MODES, LIKELY, truth, k=1).mean.count == 0
    likely = np.ma.masked_array([[0.9, 0.1]] * 3, mask=[[True, False]] * 3)
    modes = MODES.copy()
    modes[:, 0] = 100.0
    np.testing.assert_allclose(min_ade_k(modes, likely, TRUTH, k=1).values, 2**0.5)
    whole = np.ma.masked_array(np.full((1, 3, 2), 7), mask=False)  # whole numbers have no NaN of their own
    whole[:, 2] = np.ma.masked
    assert np.isnan(as_floats(whole)[:, 2]).all()
    assert dispersion_of(whole, window="partial", minimum=2).mean.count == 1
    assert dispersion_of(whole).mean.count == 0
    assert as_bools(np.ma.masked_array([True, True], mask=[False, True])).tolist() == [True, False]


@pytest.mark.parametrize("name", WITH_VALID)
def test_a_mask_of_another_shape_is_refused_by_name(name):
    function, arguments = WITH_VALID[name]
    good = np.broadcast_to(HALF, (3, 12))
    function(*arguments, good)
    function(*arguments, torch.from_numpy(good.copy()))
    for bad in (good[:, 0], HALF, good[:, :1], good[None], np.True_):
        with pytest.raises(ValueError, match=r"valid: expected shape \(3, 12\), got"):
            function(*arguments, bad)
    for bad in (np.where(good, 1.0, np.nan), np.full((3, 12), "yes")):
        with pytest.raises(ValueError, match="expected True and False"):
            function(*arguments, bad)


def test_a_mask_that_happens_to_broadcast_is_refused():
    five = np.zeros((5, 5, 12, 2))
    with pytest.raises(ValueError, match=r"valid: expected shape \(5, 12\), got \(5,\)"):
        min_ade_k(five, np.full((5, 5), 0.2), np.zeros((5, 12, 2)), np.ones(5, dtype=bool), k=1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: min_ade_k(MODES[0], LIKELY, TRUTH, k=1), r"modes_m: expected shape \(any, any, any, 2\)"),
        (lambda: min_ade_k(MODES, LIKELY[:1], TRUTH, k=1), r"probabilities: expected shape \(3, 2\), got \(1, 2\)"),
        (lambda: min_ade_k(MODES, LIKELY, TRUTH[:1], k=1), r"truth_m: expected shape \(3, 12, 2\)"),
        (lambda: nll(MODES, LIKELY, np.eye(2), TRUTH), r"covariances_m2: expected shape \(3, 2, 12, 2, 2\)"),
        (lambda: draw_samples(MODES, LIKELY, np.eye(2)), r"covariances_m2: expected shape \(3, 2, 12, 2, 2\)"),
        (lambda: sample_ade(MODES, TRUTH[0]), r"truth_m: expected shape \(3, 12, 2\)"),
        (lambda: dispersion_of(TRUTH[0]), r"predicted_m: expected shape \(any, any, 2\)"),
        (lambda: convergence_of(TRUTH, TRUTH, tau_m=1, step_s=1), r"truth_m: expected shape \(3, 2\)"),
        (lambda: kalman_forecast(TRUTH[0], step_s=1), r"history_m: expected shape \(any, any, 2\)"),
        (lambda: difficulty(TRUTH[:, 0], TRUTH[:1, 0]), r"truth_m: expected shape \(3, 2\)"),
        (lambda: kl_divergence(LIKELY, LIKELY[:1]), r"without_context: expected shape \(3, 2\)"),
        (lambda: travelled_m(MODES, LIKELY[:1]), r"probabilities: expected shape \(3, 2\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_coarse_numbers_far_from_the_origin_are_told():
    far = np.array([388096.3, 3948996.7])
    with pytest.warns(UserWarning, match=r"modes_m: float32 holds positions 3\.949e\+06 m .* steps of 0\.25 m"):
        min_ade_k((MODES + far).astype(np.float32), LIKELY, TRUTH + far, k=1)
    with pytest.warns(UserWarning, match=r"truth_m: float32"):
        min_ade_k(MODES + far, LIKELY, torch.tensor(TRUTH + far, dtype=torch.float32), k=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        min_ade_k(MODES + far, LIKELY, TRUTH + far, k=1)
        min_ade_k((MODES + 2000).astype(np.float32), LIKELY, TRUTH + 2000, k=1)


def test_labels_of_clusters_are_one_an_item():
    items = per_item(np.arange(4.0), [True, True, False, True])
    assert bootstrap_mean(items, clusters=[0, 0, 1, 1]).count == 3
    with pytest.raises(ValueError, match=r"clusters: expected shape \(4,\)"):
        bootstrap_mean(items, clusters=[0, 1, 1])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: convergence_of(TRUTH, TRUTH[:, 0], tau_m=float("nan"), step_s=0.5), "tau_m: expected finite metres"),
        (lambda: convergence_of(TRUTH, TRUTH[:, 0], tau_m=-1.0, step_s=0.5), "tau_m: expected finite metres"),
        (lambda: convergence_of(TRUTH, TRUTH[:, 0], tau_m=1.0, step_s=0.0), "step_s: expected seconds"),
        (lambda: dispersion_of(TRUTH, minimum=3), "goes with window='partial'"),
        (lambda: miss_rate_k(MODES, LIKELY, TRUTH, k=1, threshold_m=float("nan")), "threshold_m: expected finite"),
        (lambda: min_ade_k(MODES, LIKELY, TRUTH, k=1.5), "k >= 1, a whole number, got 1.5"),
        (lambda: min_ade_k(MODES, LIKELY, TRUTH, k="2"), "k >= 1, a whole number, got '2'"),
        (lambda: min_ade_k(MODES, -LIKELY, TRUTH, k=1), "probabilities: expected 0 or more, got -0.6"),
        (lambda: MinADE(0), "k >= 1"),
        (lambda: nll(MODES, LIKELY, COVARIANCES + np.array([[0, 0.5], [0, 0]]), TRUTH), "symmetric positive definite"),
        (lambda: draw_samples(MODES, LIKELY, COVARIANCES * np.nan), "not finite in a mode that is there"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_what_has_no_likelihood_does_not_count():
    assert nll(MODES, 0 * LIKELY, COVARIANCES, TRUTH).mean.count == 0


def test_briers_probability_is_a_share():
    whole = brier_min_fde_k(MODES, LIKELY, TRUTH, k=2).values
    np.testing.assert_allclose(brier_min_fde_k(MODES, 100 * LIKELY, TRUTH, k=2).values, whole)
