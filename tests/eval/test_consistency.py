"""Dispersion and convergence-to-range against a loop written from the definition, by hand, and their invariances."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.consistency import convergence_of, convergence_to_range, dispersion, dispersion_of

LEADS = 0.5 * np.arange(1, 13)


def stream(seed, *, tracks=6, length=40, gaps=0.15, modes=3, clock=1.5e9):
    """Random forecasts of random walks at 2 Hz, with issues and observations missing."""
    random = np.random.default_rng(seed)
    walks = np.cumsum(random.normal(0, 1, (tracks, length, 2)), 1) + random.uniform(300, 2500, (tracks, 1, 2))
    times = clock + 0.5 * np.arange(length) + random.uniform(0, 50, (tracks, 1))
    names = np.array([f"car-{i}" for i in range(tracks)])
    issued, seen = (random.random((tracks, length)) > gaps for _ in range(2))
    track, index = np.nonzero(issued)
    order = random.permutation(len(track))
    track, index = track[order], index[order]
    positions = walks[track, index][:, None, None] + random.normal(0, 1, (len(track), modes, 12, 2)).cumsum(2)
    jitter = random.uniform(-0.02, 0.02, len(track))
    forecasts = ForecastRows(
        names[track], times[track, index] + jitter, LEADS, positions, random.dirichlet(np.ones(modes), len(track))
    )
    truth_track, truth_index = np.nonzero(seen)
    return forecasts, TruthRows(names[truth_track], times[truth_track, truth_index], walks[truth_track, truth_index])


def said_by_loop(forecasts, truth, row):
    """From the definition: for each lead, look through all forecasts for the one issued that long before."""
    said = []
    for step, lead in enumerate(forecasts.lead_s):
        rows = [
            i
            for i in range(len(forecasts))
            if forecasts.track[i] == truth.track[row]
            and abs(forecasts.issue_time_s[i] + lead - truth.time_s[row]) <= 0.05
        ]
        if rows:
            mode = int(np.argmax(forecasts.probabilities[rows[0]]))
            said.append((step + 1, forecasts.positions_m[rows[0], mode, step]))
    return said


def dispersion_by_loop(said, reading):
    points = [point for _, point in said]
    centre = sum(points) / len(points)
    norms = [sqrt((p[0] - centre[0]) ** 2 + (p[1] - centre[1]) ** 2) for p in points]
    if reading == "mean_distance":
        return sum(norms) / len(norms)
    if reading == "rms":
        return sqrt(sum(n**2 for n in norms) / len(norms))
    mean = sum(norms) / len(norms)
    return sqrt(sum((n - mean) ** 2 for n in norms) / len(norms))


def convergence_by_loop(said, goal, tau):
    best = 0
    for expected, (step, point) in enumerate(said, start=1):
        if step != expected or sqrt(((point - goal) ** 2).sum()) > tau:
            break
        best = step
    return best * 0.5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("window", "minimum"), [("full", None), ("partial", 3)])
def test_equals_a_loop_from_the_definition(seed, window, minimum):
    forecasts, truth = stream(seed, gaps=0.02 if window == "full" else 0.15)
    taus = (0.5, 2.0, 6.0)
    readings = ("mean_distance", "rms", "std_of_norms")
    found_d = {r: dispersion(forecasts, truth, reading=r, window=window, minimum=minimum) for r in readings}
    found_c = convergence_to_range(forecasts, truth, tau_m=taus, window=window, minimum=minimum)
    assert found_d["rms"].mean.count > 5
    assert len(found_d["rms"].points) == len(truth)
    for row in range(len(truth)):
        said = said_by_loop(forecasts, truth, row)
        counted = len(said) >= (minimum or 12)
        unbroken = sum(1 for expected, (step, _) in enumerate(said, start=1) if step == expected)
        for reading, found in found_d.items():
            assert found.scores.valid[row] == counted
            if counted:
                assert found.scores.values[row] == pytest.approx(dispersion_by_loop(said, reading), abs=1e-9)
        for tau, found in found_c.items():
            assert found.scores.valid[row] == (unbroken >= (minimum or 12))
            if found.scores.valid[row]:
                expected = convergence_by_loop(said, truth.positions_m[row], tau)
                assert found.scores.values[row] == pytest.approx(expected, abs=1e-9)


def test_by_hand():
    # Four forecasts of one point on a line, at 0, 0, 4 and 4 m: barycentre 2, every one 2 m from it.
    said = np.array([[[0.0, 0], [0, 0], [4, 0], [4, 0]]])
    assert dispersion_of(said).values == pytest.approx([2.0])
    assert dispersion_of(said, reading="rms").values == pytest.approx([2.0])
    assert dispersion_of(said, reading="std_of_norms").values == pytest.approx([0.0])
    # At 0, 0, 0 and 4: barycentre 1, distances 1, 1, 1, 3.
    said = np.array([[[0.0, 0], [0, 0], [0, 0], [4, 0]]])
    assert dispersion_of(said).values == pytest.approx([1.5])
    assert dispersion_of(said, reading="rms").values == pytest.approx([sqrt(3)])
    assert dispersion_of(said, reading="std_of_norms").values == pytest.approx([sqrt(0.75)])
    truth = np.array([[0.0, 0.0]])
    assert convergence_of(said, truth, tau_m=0.0, step_s=0.5).values == pytest.approx([1.5])
    assert convergence_of(said, truth, tau_m=4.0, step_s=0.5).values == pytest.approx([2.0])
    assert convergence_of(said[:, ::-1], truth, tau_m=1.0, step_s=0.5).values == pytest.approx([0.0])


def test_a_gap_ends_the_run_of_partial_convergence():
    said = np.array([[[0.0, 0], [np.nan, np.nan], [0, 0]]])
    truth = np.zeros((1, 2))
    found = convergence_of(said, truth, tau_m=1.0, step_s=0.5, window="partial", minimum=1)
    assert found.values == pytest.approx([0.5])
    assert not convergence_of(said, truth, tau_m=1.0, step_s=0.5, window="partial", minimum=2).valid.any()
    assert dispersion_of(said, window="partial", minimum=2).valid.all()


def test_perfect_and_self_consistent_forecasts():
    time = 0.5 * np.arange(40)
    truth = TruthRows(np.full(40, "a"), time, np.stack([time * 3, time], -1))
    positions = np.stack([(time[:, None] + LEADS) * 3, time[:, None] + LEADS], -1)[:, None]
    forecasts = ForecastRows(truth.track, time, LEADS, positions, np.ones((40, 1)))
    assert dispersion(forecasts, truth).mean.value == pytest.approx(0.0, abs=1e-12)
    found = convergence_to_range(forecasts, truth)
    assert {c.mean.value for c in found.values()} == {6.0}
    assert found[1.0].mean.count == 28
    assert found[1.0].coverage == pytest.approx(28 / 40)
    stubborn = replace(forecasts, positions_m=positions + 100.0)
    assert dispersion(stubborn, truth).mean.value == pytest.approx(0.0, abs=1e-10)
    assert {c.mean.value for c in convergence_to_range(stubborn, truth).values()} == {0.0}


def test_moving_the_world_changes_nothing_and_convergence_grows_with_tau():
    forecasts, truth = stream(7, gaps=0.02)
    angle, shift = 0.7, np.array([120.0, -340.0])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved = replace(forecasts, positions_m=forecasts.positions_m @ turn + shift)
    moved_truth = replace(truth, positions_m=truth.positions_m @ turn + shift)
    before, after = dispersion(forecasts, truth), dispersion(moved, moved_truth)
    np.testing.assert_allclose(before.scores.values, after.scores.values, atol=1e-9)
    taus = (0.2, 0.5, 1.0, 2.0, 5.0, 50.0)
    curve = np.stack([c.scores.values for c in convergence_to_range(forecasts, truth, tau_m=taus).values()])
    assert (np.diff(curve[:, before.scores.valid], axis=0) >= 0).all()


def test_ten_hertz_issues_and_two_hertz_leads():
    time = 0.1 * np.arange(200)
    truth = TruthRows(np.full(200, "a"), time, np.stack([time, 0 * time], -1))
    positions = np.stack([time[:, None] + LEADS, 0 * (time[:, None] + LEADS)], -1)[:, None]
    forecasts = ForecastRows(truth.track, time, LEADS, positions, np.ones((200, 1)))
    found = dispersion(forecasts, truth)
    assert found.points.step_s == pytest.approx(0.5)
    assert found.mean.count == 200 - 60
    slower = replace(
        forecasts,
        track=truth.track[::10],
        issue_time_s=time[::10],
        positions_m=positions[::10],
        probabilities=np.ones((20, 1)),
    )
    assert dispersion(slower, truth).points.step_s == pytest.approx(1.0)


def test_the_closest_mode_rather_than_the_likeliest():
    time = 0.5 * np.arange(30)
    truth = TruthRows(np.full(30, "a"), time, np.zeros((30, 2)))
    wild = np.random.default_rng(0).normal(0, 5, (30, 1, 12, 2)) + 20
    positions = np.concatenate([wild, np.zeros((30, 1, 12, 2))], 1)
    forecasts = ForecastRows(truth.track, time, LEADS, positions, np.tile([0.9, 0.1], (30, 1)))
    assert dispersion(forecasts, truth).mean.value > 3
    # The last forecast has no truth to be close to, and none is counted on it.
    assert dispersion(forecasts, truth, mode="closest").mean.value == pytest.approx(0.0)


def test_what_cannot_be_matched_is_said():
    forecasts, truth = stream(0)
    with pytest.raises(SubmissionError, match="does not tell steps"):
        dispersion(forecasts, truth, tolerance_s=0.3)
    with pytest.raises(SubmissionError, match=r"no point 0\.3 s ahead"):
        dispersion(forecasts, truth, step_s=0.3)
    elsewhere = replace(truth, track=np.array([f"other-{name}" for name in truth.track]))
    nothing = dispersion(forecasts, elsewhere)
    assert nothing.mean.count == 0
    assert np.isnan(nothing.mean.value)
    assert np.isnan(nothing.coverage)


def test_the_published_reading_is_the_default_everywhere():
    said = np.random.default_rng(1).normal(0, 4, (5, 12, 2))
    expected = [np.mean([np.hypot(*(y - point.mean(0))) for y in point]) for point in said]
    assert dispersion_of(said).values == pytest.approx(expected)
    assert dispersion_of(said, reading="mean_distance").values == pytest.approx(expected)
    forecasts, truth = stream(3, gaps=0.0)
    assert dispersion(forecasts, truth).mean == dispersion(forecasts, truth, reading="mean_distance").mean
    with pytest.raises(ValueError, match="reading: expected 'mean_distance', 'rms', 'std_of_norms', got 'std'"):
        dispersion_of(said, reading="std")


def test_mean_distance_is_never_more_than_rms():
    said = np.random.default_rng(2).normal(0, 4, (50, 12, 2))
    assert (dispersion_of(said).values <= dispersion_of(said, reading="rms").values + 1e-12).all()


def test_partial_needs_a_minimum():
    with pytest.raises(ValueError, match="minimum"):
        dispersion_of(np.zeros((1, 3, 2)), window="partial")
