"""How successive forecasts are revised: comfort, flip-flop index, efficiency, overlap by horizon."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.comfort import LIMITS, comfort_differences, extended_comfort, motion_of
from forecast.eval.consistency import successive_forecasts
from forecast.eval.flip_flop import along_and_across, flip_flop_across, flip_flop_along, flip_flop_index
from forecast.eval.overlap import shifted_overlap, successive_pairs
from forecast.eval.revisions import revision_correlation, revision_efficiency, revisions_by_track

STEP_S = 0.5
LEADS_S = STEP_S * np.arange(1, 13)


def random_rows(seed: int, tracks: int = 3, issues: int = 9, modes: int = 3) -> ForecastRows:
    rng = np.random.default_rng(seed)
    names = np.repeat([f"track {n}" for n in range(tracks)], issues)
    issue_s = np.tile(STEP_S * np.arange(issues), tracks)
    speed = rng.uniform(2, 12, (len(names), modes, 1))
    turn = rng.uniform(-0.15, 0.15, (len(names), modes, 1))
    angle = turn * LEADS_S
    path = np.cumsum(np.stack([speed * np.cos(angle), speed * np.sin(angle)], -1) * STEP_S, 2)
    start = np.stack([6.0 * issue_s, 0 * issue_s], -1)
    odds = rng.dirichlet(np.ones(modes), len(names))
    return ForecastRows(names, issue_s, LEADS_S, start[:, None, None] + path, odds)


def test_overlap_by_horizon_is_a_loop() -> None:
    rows = random_rows(0)
    pairs = successive_pairs(rows)
    for within_s in (1.0, 3.0, 6.0):
        found = shifted_overlap(rows, pairs, within_s=within_s)
        for number, (early, late) in enumerate(zip(pairs.earlier, pairs.later, strict=True)):
            first, second = (rows.positions_m[row, rows.probabilities[row].argmax()] for row in (early, late))
            away = [np.hypot(*(second[k] - first[k + 1])) for k in range(11) if LEADS_S[k] <= within_s + 1e-9]
            assert found.values[number] == pytest.approx(np.mean(away))
    np.testing.assert_array_equal(
        shifted_overlap(rows, pairs, within_s=6.0).values, shifted_overlap(rows, pairs).values
    )


def test_motion_of_a_circle_and_of_a_start() -> None:
    times = STEP_S * np.arange(40)
    circle = np.stack([20 * np.sin(0.3 * times), 20 - 20 * np.cos(0.3 * times)], -1)
    found = motion_of(circle[None], STEP_S)
    np.testing.assert_allclose(found["yaw_rate_rps"][0, 3:-3], 0.3, rtol=1e-2)
    for name in ("acceleration_mps2", "jerk_mps3", "yaw_acceleration_rps2"):
        np.testing.assert_allclose(found[name][0, 4:-4], 0.0, atol=1e-2)
    pulls_away = np.stack([0.75 * times**2, 0 * times], -1)
    found = motion_of(pulls_away[None], STEP_S)
    np.testing.assert_allclose(found["acceleration_mps2"][0, 3:-3], 1.5, rtol=1e-6)
    assert (found["yaw_rate_rps"] == 0).all()


def test_slopes_are_those_of_numpy() -> None:
    path = np.random.default_rng(0).normal(0, 1, (6, 12, 2)).cumsum(1)
    velocity = np.gradient(path, STEP_S, axis=1)
    speed = np.gradient(np.linalg.norm(velocity, axis=-1), STEP_S, axis=1)
    np.testing.assert_allclose(motion_of(path, STEP_S)["acceleration_mps2"], speed, atol=1e-12)
    np.testing.assert_allclose(motion_of(path, STEP_S)["jerk_mps3"], np.gradient(speed, STEP_S, axis=1), atol=1e-12)


def test_who_stands_does_not_turn_whatever_the_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, (5, 12, 2))
    assert (motion_of(noise, STEP_S)["yaw_rate_rps"] == 0).all()


def test_comfort_is_a_loop() -> None:
    rows = random_rows(1)
    pairs = successive_pairs(rows)
    found = comfort_differences(rows, pairs)
    passed = extended_comfort(rows, pairs)
    for number, (early, late) in enumerate(zip(pairs.earlier, pairs.later, strict=True)):
        rms = {}
        for name in LIMITS:
            both = [
                motion_of(rows.positions_m[row, rows.probabilities[row].argmax()][None], STEP_S)[name][0]
                for row in (early, late)
            ]
            rms[name] = np.sqrt(np.mean([(both[1][k] - both[0][k + 1]) ** 2 for k in range(11)]))
            assert found[name].values[number] == pytest.approx(rms[name])
        assert passed.values[number] == all(rms[name] <= LIMITS[name] for name in LIMITS)


def test_a_forecast_that_stays_is_comfortable_and_one_that_turns_is_not() -> None:
    rows = random_rows(2, modes=1)
    steady = rows.issue_time_s[:, None, None, None] * 0 + 8.0 * (rows.issue_time_s[:, None] + LEADS_S)[:, None, :, None]
    steady = np.concatenate([steady, 0 * steady], -1)
    same = ForecastRows(rows.track, rows.issue_time_s, LEADS_S, steady, rows.probabilities)
    pairs = successive_pairs(same)
    assert (extended_comfort(same, pairs).values == 1).all()
    assert (shifted_overlap(same, pairs).values < 1e-12).all()
    bent = steady.copy()
    odd = np.round(rows.issue_time_s / STEP_S).astype(int) % 2 == 1
    bent[odd, :, :, 1] = 2.0 * LEADS_S**2
    assert (
        extended_comfort(ForecastRows(rows.track, rows.issue_time_s, LEADS_S, bent, rows.probabilities), pairs).values
        == 0
    ).all()


@settings(max_examples=60, deadline=None)
@given(values=arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(3, 12)), elements=st.floats(-50, 50)))
def test_the_index_is_that_of_the_package_scores(values: np.ndarray) -> None:
    scores = pytest.importorskip("scores.continuous")
    xarray = pytest.importorskip("xarray")
    theirs = scores.flip_flop_index(xarray.DataArray(values, dims=["item", "issue"]), "issue")
    np.testing.assert_allclose(flip_flop_index(values).values, np.asarray(theirs), atol=1e-9)


def test_the_index_by_hand() -> None:
    found = flip_flop_index([[0, 1, 2, 5], [0, 3, 0, 3], [1, 1, 1, 1], [0, np.nan, 3, 0], [np.nan, 1, np.nan, 2]])
    np.testing.assert_array_equal(found.values[:4], [0, (9 - 3) / 2, 0, (6 - 3) / 1])
    assert found.valid.tolist() == [True, True, True, True, False]


def test_along_and_across_are_those_of_the_truth() -> None:
    times = STEP_S * np.arange(30)
    truth = TruthRows(["a"] * 30, times, np.stack([0 * times, 5 * times], -1))  # northwards
    ahead = np.where(np.arange(30) % 2, 1.0, -1.0)
    said = np.stack([np.full((30, 12), 0.5), 5 * (times[:, None] + LEADS_S) + ahead[:, None]], -1)
    rows = ForecastRows(["a"] * 30, times, LEADS_S, said[:, None], np.ones((30, 1)))
    points = successive_forecasts(rows, truth)
    along, across = along_and_across(points)
    whole = points.valid.all(-1)
    assert whole.sum() == 18
    np.testing.assert_allclose(across[whole], -0.5)  # half a metre to the right
    np.testing.assert_allclose(np.abs(along[whole]), 1.0)
    np.testing.assert_allclose(flip_flop_along(points).values[whole], (11 * 2 - 2) / 10)
    np.testing.assert_allclose(flip_flop_across(points).values[whole], 0.0, atol=1e-12)
    still = TruthRows(["a"] * 30, times, np.zeros((30, 2)))
    assert not flip_flop_along(successive_forecasts(rows, still)).valid.any()


def walkers(kind: str, tracks: int = 400, seed: int = 0) -> ForecastRows:
    """Forecasts of a random walk: of who knows it, who is slow to believe, and who overreacts.

    The walk's position at each step is told at once; its best forecast is where it is now. The stubborn one moves
    half of the way from its last forecast, the flickering one adds noise of its own each time.
    """
    rng, issues = np.random.default_rng(seed), 30
    walk = rng.normal(size=(tracks, issues, 2)).cumsum(1)
    if kind == "stubborn":
        said = walk.copy()
        for step in range(1, issues):
            said[:, step] = said[:, step - 1] + 0.5 * (walk[:, step] - said[:, step - 1])
    else:
        said = walk + (rng.normal(size=walk.shape) if kind == "flickering" else 0.0)
    path = np.repeat(said.reshape(-1, 1, 1, 2), 12, 2)
    names = np.repeat([f"{n:04d}" for n in range(tracks)], issues)
    return ForecastRows(names, np.tile(STEP_S * np.arange(issues), tracks), LEADS_S, path, np.ones((len(names), 1)))


def test_efficiency_tells_rational_from_stubborn_and_flickering() -> None:
    found = {}
    for kind in ("rational", "stubborn", "flickering"):
        rows = walkers(kind)
        pairs = successive_pairs(rows)
        per_track = revision_efficiency(revisions_by_track(rows, pairs))
        found[kind] = revision_correlation(rows, pairs)
        assert per_track.valid.all()
        assert per_track.mean.value == pytest.approx(found[kind], abs=1e-12)
    assert abs(found["rational"]) < 0.02
    # A first-order process of kept share 1/2 has revisions that correlate by 1/2; noise of variance 1 on steps of
    # variance 1 makes −1 / (1 + 2).
    assert found["stubborn"] == pytest.approx(0.5, abs=0.03)
    assert found["flickering"] == pytest.approx(-1 / 3, abs=0.03)


def test_efficiency_is_a_loop_over_chains_of_the_mean_forecast() -> None:
    rows = random_rows(3)
    mean = np.einsum("rm,rmtc->rtc", rows.probabilities, rows.positions_m)
    top = np.zeros(3)
    for track in np.unique(rows.track):
        own = mean[rows.track == track]
        for first, middle, last in zip(own, own[1:], own[2:], strict=False):
            earlier, later = middle[1:11] - first[2:12], last[:10] - middle[1:11]
            top += ((earlier * later).sum(), (earlier**2).sum(), (later**2).sum())
    assert revision_correlation(rows, successive_pairs(rows)) == pytest.approx(top[0] / np.sqrt(top[1] * top[2]))


def test_nothing_to_compare_counts_nothing() -> None:
    rows = random_rows(4, issues=1)
    pairs = successive_pairs(rows)
    assert not len(extended_comfort(rows, pairs).values)
    assert not revision_efficiency(revisions_by_track(rows, pairs)).valid.any()
    assert np.isnan(revision_correlation(rows, pairs))
