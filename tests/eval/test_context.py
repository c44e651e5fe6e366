"""Use of context, full distributions, hardest agents, overlap and the bootstrap: closed forms and references."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from forecast.core.rows import ForecastRows
from forecast.eval.bootstrap import bootstrap_difference, bootstrap_mean
from forecast.eval.context import INPUTS, blind_gap, coalitions, context_gap, kl_divergence, shapley, travelled_m
from forecast.eval.distribution import draw_samples, nll, sample_ade, sample_fde
from forecast.eval.hardest import difficulty, kalman_forecast, on_hardest
from forecast.eval.overlap import endpoint_jitter, mode_flips, shifted_overlap, successive_pairs, transport_overlap
from forecast.eval.results import per_item


def test_kl_is_torchs_and_zero_for_equals():
    random = np.random.default_rng(0)
    p, q = random.dirichlet(np.ones(5), 40), random.dirichlet(np.ones(5), 40)
    expected = torch.nn.functional.kl_div(torch.tensor(q).log(), torch.tensor(p), reduction="none").sum(-1)
    np.testing.assert_allclose(kl_divergence(p, 3 * q).values, expected, rtol=1e-9)
    assert (kl_divergence(p, p).values == 0).all()
    assert np.isinf(kl_divergence([[0.5, 0.5]], [[1.0, 0.0]]).values).all()
    assert kl_divergence([[1.0, 0.0]], [[0.5, 0.5]]).values == pytest.approx([np.log(2)])


def test_shapley_is_the_mean_over_all_orders():
    random = np.random.default_rng(1)
    results = {chosen: per_item(random.normal(size=7), np.arange(7) != 3) for chosen in coalitions()}
    found = shapley(results)
    assert len(results) == 8
    for name in INPUTS:
        gains = []
        for order in permutations(INPUTS):
            before = frozenset(order[: order.index(name)])
            gains.append(results[before | {name}].values - results[before].values)
        np.testing.assert_allclose(found[name].values, np.mean(gains, 0), rtol=1e-12)
        assert found[name].mean.count == 6
    total = sum(found[name].values for name in INPUTS)
    np.testing.assert_allclose(total, results[frozenset(INPUTS)].values - results[frozenset()].values)
    with pytest.raises(ValueError, match=r"\(none\)"):
        shapley({chosen: result for chosen, result in results.items() if chosen})


def test_context_gap_is_paired():
    gap = context_gap(per_item([1.0, 2.0, 9.0], [True, True, False]), per_item([3.0, 3.0, 1.0], [True, True, True]))
    assert gap.mean.value == pytest.approx(-1.5)
    assert gap.mean.count == 2
    assert blind_gap is context_gap  # the old name, for this version


def test_travelled_is_of_the_likeliest_mode():
    modes = np.zeros((1, 2, 3, 2))
    modes[0, 1] = [[0, 0], [9, 9], [3, 4]]
    assert travelled_m(modes, [[0.4, 0.6]]).values == pytest.approx([5.0])


def test_nll_is_torchs_mixture():
    random = np.random.default_rng(0)
    modes, truth = random.normal(0, 3, (6, 3, 4, 2)), random.normal(0, 3, (6, 4, 2))
    factor = random.normal(size=(6, 3, 4, 2, 2))
    covariance = factor @ factor.swapaxes(-1, -2) + 0.2 * np.eye(2)
    likely = random.dirichlet(np.ones(3), 6)
    gaussians = torch.distributions.Independent(
        torch.distributions.MultivariateNormal(torch.tensor(modes), torch.tensor(covariance)), 1
    )
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(torch.tensor(likely)), gaussians)
    np.testing.assert_allclose(nll(modes, likely, covariance, truth).values, -mixture.log_prob(torch.tensor(truth)))
    # Far off, where exp underflows, it is still finite: nothing is clipped.
    assert np.isfinite(nll(modes, likely, covariance, truth + 1e4).values).all()
    with pytest.raises(ValueError, match="positive definite"):
        nll(modes, likely, -covariance, truth)


def test_samples_have_the_mixtures_moments():
    modes = np.array([[[[0.0, 0.0]], [[10.0, 0.0]], [[np.nan, np.nan]]]])
    covariance = np.array([[[[[4.0, 1.0], [1.0, 1.0]]]] * 2 + [[np.full((2, 2), np.nan)]]]).reshape(1, 3, 1, 2, 2)
    drawn = draw_samples(modes, [[0.25, 0.75, np.nan]], covariance, samples=40_000, seed=3)[0, :, 0]
    np.testing.assert_allclose(drawn.mean(0), [7.5, 0.0], atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), [[4 + 18.75, 1.0], [1.0, 1.0]], atol=0.3)
    same = draw_samples(modes, [[0.25, 0.75, np.nan]], covariance, samples=40_000, seed=3)[0, :, 0]
    np.testing.assert_array_equal(drawn, same)


def test_sample_means_by_hand():
    samples = np.array([[[[0.0, 0.0], [0.0, 3.0]], [[0.0, 4.0], [0.0, 1.0]]]])
    truth = np.zeros((1, 2, 2))
    assert sample_ade(samples, truth).values == pytest.approx([2.0])
    assert sample_fde(samples, truth).values == pytest.approx([2.0])
    assert sample_fde(samples, truth, [[True, False]]).mean.count == 0


def test_kalman_forecasts_a_straight_line_and_is_causal():
    time = 0.5 * np.arange(-8, 1)
    line = np.stack([7.0 * time + 100, -2.0 * time], -1)[None]
    ahead = kalman_forecast(line, step_s=0.5)
    np.testing.assert_allclose(ahead, [[142.0, -12.0]], atol=0.3)
    gap = line.copy()
    gap[0, 4] = np.nan
    np.testing.assert_allclose(kalman_forecast(gap, step_s=0.5), ahead, atol=0.3)
    assert np.isnan(kalman_forecast(np.full((1, 3, 2), np.nan), step_s=0.5)).all()


def kalman_loop(history, step_s, horizon_s):
    """The textbook filter on (x, y, vx, vy)."""
    f = np.eye(4)
    f[0, 2] = f[1, 3] = step_s
    g = np.array([[step_s**2 / 2, 0], [0, step_s**2 / 2], [step_s, 0], [0, step_s]])
    h = np.eye(2, 4)
    x, p = np.array([*history[0], 0, 0]), np.diag([0.01, 0.01, 100, 100])
    for here in history[1:]:
        x, p = f @ x, f @ p @ f.T + g @ g.T
        k = p @ h.T @ np.linalg.inv(h @ p @ h.T + 0.01 * np.eye(2))
        x, p = x + k @ (here - h @ x), (np.eye(4) - k @ h) @ p
    return x[:2] + horizon_s * x[2:]


def test_kalman_equals_the_textbook_filter():
    random = np.random.default_rng(0)
    histories = np.cumsum(random.normal(2, 1, (5, 6, 2)), 1)
    expected = [kalman_loop(history, 0.5, 6.0) for history in histories]
    np.testing.assert_allclose(kalman_forecast(histories, step_s=0.5), expected, rtol=1e-9)


def test_hardest_share():
    hardness = difficulty(np.stack([np.arange(200.0), np.zeros(200)], -1), np.zeros((200, 2)))
    metric = per_item(np.arange(200.0), np.ones(200, dtype=bool))
    assert on_hardest(metric, hardness, 1).mean.value == pytest.approx(198.5)
    assert on_hardest(metric, hardness, 3).mean.count == 6
    assert on_hardest(metric, hardness, 0.001).mean.count == 1


def test_bootstrap_covers_the_mean_of_a_normal():
    random = np.random.default_rng(0)
    hits, width = 0, []
    for seed in range(200):
        items = per_item(random.normal(3, 2, 80), np.ones(80, dtype=bool))
        found = bootstrap_mean(items, resamples=300, seed=seed)
        hits += found.low <= 3 <= found.high
        width.append(found.high - found.low)
    assert 0.88 < hits / 200 <= 0.99
    assert np.mean(width) == pytest.approx(2 * 1.96 * 2 / np.sqrt(80), rel=0.1)


def test_pairs_and_clusters_matter():
    random = np.random.default_rng(0)
    agents = random.normal(10, 5, 200)
    first = per_item(agents, np.ones(200, dtype=bool))
    second = per_item(agents - 0.2 + random.normal(0, 0.1, 200), np.ones(200, dtype=bool))
    paired = bootstrap_difference(first, second)
    assert paired.low > 0.1
    assert paired.value == pytest.approx(0.2, abs=0.03)
    scenes = np.arange(200) // 20
    shared = per_item(scenes + random.normal(0, 0.1, 200), np.ones(200, dtype=bool))
    loose, strict = bootstrap_mean(shared), bootstrap_mean(shared, clusters=scenes)
    assert strict.high - strict.low > 3 * (loose.high - loose.low)
    assert bootstrap_mean(shared, seed=5) == bootstrap_mean(shared, seed=5)
    assert bootstrap_mean(per_item([1.0], [False])).count == 0
    alone = bootstrap_mean(shared, clusters=np.zeros(len(scenes)))
    assert (alone.value, alone.count) == (loose.value, loose.count)
    assert np.isnan([alone.low, alone.high]).all()


LEADS = 0.5 * np.arange(1, 13)


def straight_rows(issues=8):
    time = 0.5 * np.arange(issues)
    positions = np.stack([time[:, None] + LEADS, np.zeros((issues, 12))], -1)
    modes = np.stack([positions, positions + np.array([0, 5])], 1)
    return ForecastRows(np.full(issues, "a"), time, LEADS, modes, np.tile([0.7, 0.3], (issues, 1)))


def test_overlap_of_self_consistent_forecasts_is_zero():
    rows = straight_rows()
    pairs = successive_pairs(rows)
    assert pairs.shift == 1
    assert shifted_overlap(rows, pairs).mean.count == pairs.candidates == 7
    assert shifted_overlap(rows, pairs).mean.value == pytest.approx(0)
    assert transport_overlap(rows, pairs).mean.value == pytest.approx(0, abs=1e-9)
    assert mode_flips(rows, pairs).mean.value == 0
    present = np.stack([rows.issue_time_s, np.zeros(8)], -1)
    assert endpoint_jitter(rows, pairs, present).values == pytest.approx([0.0])


def test_a_flip_moves_probability_not_modes():
    rows = straight_rows()
    likely = rows.probabilities.copy()
    likely[4] = [0.3, 0.7]
    flipped = replace(rows, probabilities=likely)
    pairs = successive_pairs(flipped)
    np.testing.assert_array_equal(mode_flips(flipped, pairs).values, [0, 0, 0, 1, 1, 0, 0])
    np.testing.assert_allclose(shifted_overlap(flipped, pairs).values, [0, 0, 0, 5, 5, 0, 0])
    # 0.4 of the probability moves 5 m.
    np.testing.assert_allclose(transport_overlap(flipped, pairs).values, [0, 0, 0, 2, 2, 0, 0], atol=1e-9)
    # End-points at y = 0, 0, 5, 0, 0: second differences 5, -10, 5 among six.
    present = np.stack([rows.issue_time_s, np.zeros(8)], -1)
    assert endpoint_jitter(flipped, pairs, present).values == pytest.approx([np.sqrt((25 + 100 + 25) / 6)])


def test_a_missing_issue_makes_no_pair():
    rows = straight_rows()
    kept = np.arange(8) != 3
    sparse = ForecastRows(
        rows.track[kept], rows.issue_time_s[kept], LEADS, rows.positions_m[kept], rows.probabilities[kept]
    )
    pairs = successive_pairs(sparse)
    assert (len(pairs.earlier), pairs.candidates) == (5, 6)
