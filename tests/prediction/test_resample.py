"""Resampling: key frames as they are, everything else by interpolation, nothing from after now."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.core.errors import ConfigError
from forecast.core.horizon import Horizon
from forecast.prediction.resample import Observed, Silence, observed, resample, scene_steps

HORIZON = Horizon()


def seen_at(*agents: list[float], speed: float = 10.0, now_s: float = 0.0) -> Observed:
    """Agents that drive along x at constant speed, each seen at its own times."""
    times = np.concatenate([np.array(a, float) for a in agents])
    who = np.repeat(np.arange(len(agents)), [len(a) for a in agents])
    pose = np.stack([speed * times, 4.0 * who, np.zeros(len(times))], 1)
    return observed(who, times, pose, len(agents), now_s, HORIZON)


def steps_s(*times: float) -> list[float]:
    us = np.rint(np.array(times) * 1e6).astype(np.int64)
    return (scene_steps(us, HORIZON)[::-1] * 1e-6).tolist()


def test_key_frames_are_taken_as_they_are_although_their_distance_varies() -> None:
    frames = [0.0, -0.4, -1.0, -1.45, -2.05]
    assert steps_s(*frames)[:5] == pytest.approx(frames)


def test_of_a_stream_at_10_hz_every_fifth_frame_is_taken() -> None:
    assert steps_s(*(-0.1 * k for k in range(30)))[:5] == pytest.approx([0, -0.5, -1, -1.5, -2])


def test_between_two_key_frames_steps_are_counted_from_now() -> None:
    frames = [-0.2, -0.7, -1.2, -1.7, -2.2]
    assert steps_s(*frames)[:4] == pytest.approx([0, -0.5, -1.0, -1.5])


def test_a_missed_key_frame_stays_missing() -> None:
    found = resample(seen_at([0, -0.5, -1, -1.5, -2], [0, -0.5, -1.5, -2]), HORIZON, Silence())
    assert found.valid[0, -5:].all()
    assert found.valid[1, -5:].tolist() == [True, True, False, True, True]


def test_positions_between_observations_lie_where_numpy_interpolates() -> None:
    times = np.array([-2.1, -1.43, -0.97, -0.31, -0.05])
    pose = np.stack([times**2, np.sin(times), 0.3 * times], 1)
    other = np.array([-2.0, -1.5, -1.0, -0.5, 0.0])  # makes the scene's steps
    seen = observed(
        np.repeat([0, 1], 5), np.concatenate([times, other]), np.concatenate([pose, np.zeros((5, 3))]), 2, 0.0, HORIZON
    )
    found = resample(seen, HORIZON, Silence())
    at = other[1:4]
    for axis in range(3):
        expected = np.interp(at, times, pose[:, axis])
        np.testing.assert_allclose(found.pose_world[0, -4:-1, axis], expected, atol=1e-12)


def test_headings_are_interpolated_the_short_way_round() -> None:
    seen = observed(
        np.array([0, 0]),
        np.array([-0.65, -0.35]),
        np.array([[0, 0, np.pi - 0.1], [0, 0, -np.pi + 0.1]]),
        1,
        0.0,
        HORIZON,
    )
    found = resample(seen, HORIZON, Silence())
    assert abs(found.pose_world[0, -2, 2]) == pytest.approx(np.pi)


@pytest.mark.parametrize("rate", [0.0, 0.4, -1.1])
def test_a_silent_agent_goes_on_along_its_circle(rate: float) -> None:
    times = np.arange(-3, -0.35, 0.1)
    heading = rate * times
    x, y = (8 / rate * np.sin(heading), 8 / rate * (1 - np.cos(heading))) if rate else (8 * times, 0 * times)
    seen = observed(np.zeros(len(times), int), times, np.stack([x, y, heading], 1), 1, 0.0, HORIZON)
    found = resample(seen, HORIZON, Silence())
    np.testing.assert_allclose(found.pose_world[0, -1], [0, 0, 0], atol=1e-9)


def test_how_silent_agents_move_is_a_choice() -> None:
    times = np.array([-1.4, -0.9, -0.4])
    seen = observed(np.zeros(3, int), times, np.stack([5 * times, 0 * times, 0.5 * times], 1), 1, 0.0, HORIZON)
    still = resample(seen, HORIZON, Silence(motion="stand_still")).pose_world[0, -1]
    straight = resample(seen, HORIZON, Silence(motion="constant_velocity")).pose_world[0, -1]
    np.testing.assert_allclose(still, [-2.0, 0, -0.2])
    np.testing.assert_allclose(straight, [0, 0, -0.2], atol=1e-12)


def test_an_agent_that_was_silent_for_too_long_is_not_known_now() -> None:
    seen = seen_at([-1.2, -1.7, -2.2], [0, -0.5])
    assert resample(seen, HORIZON, Silence(hold_s=1.1)).valid[:, -1].tolist() == [False, True]
    assert resample(seen, HORIZON, Silence(hold_s=1.3)).valid[:, -1].tolist() == [True, True]


def test_an_agent_seen_once_stands_still_while_it_is_silent() -> None:
    found = resample(seen_at([-0.3]), HORIZON, Silence())
    assert found.valid[0].tolist() == [False] * 12 + [True]
    assert found.pose_world[0, -1, 0] == pytest.approx(-3.0)


def test_of_two_observations_at_one_time_the_later_row_counts_whatever_the_order() -> None:
    time = np.array([0.0, -0.5, 0.0])
    seen = observed(np.zeros(3, int), time, np.array([[1.0, 0, 0], [2, 0, 0], [3, 0, 0]]), 1, 0.0, HORIZON)
    assert seen.time_us.tolist() == [-500_000, 0]
    assert seen.pose_world[:, 0].tolist() == [2.0, 3.0]


moments = st.lists(st.integers(-8_000_000, 0), min_size=1, max_size=40, unique=True)


@settings(max_examples=60, deadline=None)
@given(moments, moments, st.floats(-30, 30))
def test_whoever_drives_straight_is_found_on_the_line_at_any_times(
    one: list[int], two: list[int], speed: float
) -> None:
    found = resample(seen_at([t * 1e-6 for t in one], [t * 1e-6 for t in two], speed=speed), HORIZON, Silence())
    for agent in (0, 1):
        first_us = min((one, two)[agent])
        for step in np.flatnonzero(found.valid[agent]):
            time_us = found.step_us[step]
            x, y, _ = found.pose_world[agent, step]
            assert y == 4.0 * agent
            if time_us < first_us:
                # Made up, of who is seen for less than a step: the one before now, and on the line, too.
                assert step == len(found.step_us) - 2
                assert x == pytest.approx(speed * time_us * 1e-6, abs=1e-4)
                continue
            times = np.array(sorted((one, two)[agent]))
            after = int(np.searchsorted(times, time_us))
            if after < len(times):
                # In a gap too wide to be bridged it is carried on, at a speed that may not be known.
                bridged = times[after] == time_us or times[after] - times[after - 1] <= 750_000
                off_m = 1e-6 if bridged else abs(speed) * 0.125 + 1e-6
                assert x == pytest.approx(speed * time_us * 1e-6, abs=off_m)


@settings(max_examples=40, deadline=None)
@given(moments, st.lists(st.integers(1, 3_000_000), min_size=1, max_size=10, unique=True))
def test_nothing_after_now_changes_a_bit(past: list[int], later: list[int]) -> None:
    before = resample(seen_at([t * 1e-6 for t in past]), HORIZON, Silence())
    after = resample(seen_at([t * 1e-6 for t in past + later]), HORIZON, Silence())
    assert np.array_equal(before.valid, after.valid)
    assert np.array_equal(before.step_us, after.step_us)
    assert np.array_equal(before.pose_world[before.valid], after.pose_world[after.valid])


@pytest.mark.parametrize("wrong", [{"hold_s": -1.0}, {"hold_s": 9.0}, {"shown_s": float("nan")}, {"motion": "fly"}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"silence\."):
        Silence(**wrong)  # type: ignore[arg-type]
