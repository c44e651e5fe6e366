"""What cannot be true of tracks is put right or left out, and told; sound tracks stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from forecast.core.errors import CheckpointError
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.scene import AgentTrack, Scene
from forecast.prediction.scene_forecast import SceneForecast
from forecast.prediction.stream import Observation

STEPS_S = -0.5 * np.arange(5)[::-1]
FLIPS = {
    "always": np.pi + 0 * STEPS_S,
    "every second": np.pi * (np.arange(5) % 2),
    "one in the middle": np.pi * (np.arange(5) == 2),
    "the last": np.pi * (np.arange(5) == 4),
    "the first": -np.pi * (np.arange(5) == 0),
}


@pytest.fixture(scope="module")
def town_weights() -> Forecaster:
    """A model that learnt to drive: what it says of a car can be judged."""
    try:
        return Forecaster.load("town")
    except CheckpointError:
        pytest.skip("this installation comes without weights")


def end_m(answer: SceneForecast, agent: int = 0) -> np.ndarray:
    """Where an agent is most likely at the end, seen from where it is now, world frame."""
    return answer.most_likely_m()[agent, -1] - answer.pose_world[agent, :2]


def assert_goes_on(answer: SceneForecast, way_m: float) -> None:
    """About as far, straight on: where nothing is known of the road, drivers are expected to slow down a little."""
    along_m, across_m = end_m(answer)
    assert 0.75 * way_m < along_m < 1.1 * way_m
    assert abs(across_m) < 5


def along_x(speed_mps: float, time_s: np.ndarray = STEPS_S, yaw: float | np.ndarray = 0.0) -> np.ndarray:
    return np.stack([speed_mps * time_s, 0 * time_s, yaw + 0 * time_s], 1)


def one(time_s: object, pose: object, **more: object) -> Scene:
    return Scene.of(0.0, [AgentTrack("a", "vehicle", time_s, pose, **more)])  # type: ignore[arg-type]


def drive(forecaster: Forecaster, frames: Iterable[tuple[float, float, float]], rate_hz: float = 10) -> SceneForecast:
    """The last answer of a stream to x, y, heading at each of its frames."""
    stream = forecaster.stream()
    for number, pose in enumerate(frames):
        answer = stream.update([Observation("a", "vehicle", number / rate_hz, pose)], number / rate_hz)
    return answer


@pytest.mark.parametrize("frames", [2, 3, 4, 5, 6])
def test_a_car_seen_for_less_than_a_step_moves_as_it_was_seen_to(town_weights: Forecaster, frames: int) -> None:
    time_s = -0.1 * np.arange(frames)[::-1]
    answer = town_weights.forecast(one(time_s, along_x(15, time_s)))
    assert_goes_on(answer, 90)
    assert answer.notes == ()


@pytest.mark.parametrize("seen_s", [0.0, -0.3])
def test_a_car_seen_once_moves_at_the_velocity_given(town_weights: Forecaster, seen_s: float) -> None:
    answer = town_weights.forecast(one(seen_s, (15 * seen_s, 0, 0), velocity_world_mps=(15, 0)))
    np.testing.assert_allclose(answer.pose_world[0], [0, 0, 0], atol=1e-6)
    assert_goes_on(answer, 90)
    assert answer.notes == ()
    again = town_weights.stream().update([Observation("a", "vehicle", 0.0, (0, 0, 0), None, (15, 0))], 0.0)
    assert_goes_on(again, 90)


def test_a_car_seen_once_without_velocity_is_said_to_be_unknown(forecaster: Forecaster) -> None:
    scene = Scene.of(0.0, [AgentTrack(n, "vehicle", 0.0, (9 * n, 0, 0)) for n in range(7)])
    (note,) = forecaster.forecast(scene).notes
    assert "velocity of 0, 1, 2, 3, 4, … (7 in all) is unknown" in note
    assert forecaster.forecast(one(0.0, (0, 0, 0), velocity_world_mps=(0, 0))).notes == ()


def test_a_turning_car_seen_briefly_turns(forecaster: Forecaster) -> None:
    time_s = -0.1 * np.arange(4)[::-1]
    turning = np.stack([16 * np.sin(0.5 * time_s), 16 - 16 * np.cos(0.5 * time_s), 0.5 * time_s], 1)
    (batch,) = forecaster.batches(one(time_s, turning))
    assert batch.history_valid.tolist() == [[False, False, False, True, True]]
    np.testing.assert_allclose(batch.history[0, -1, 7], 0.5, atol=1e-3)
    expected = [16 * np.sin(-0.25), 16 - 16 * np.cos(0.25), -0.25]
    np.testing.assert_allclose(batch.history[0, -2, [0, 1, 6]], expected, atol=0.02)


def test_velocities_change_nothing_where_positions_say_how_an_agent_moves(
    forecaster: Forecaster, traffic: Callable[..., Scene], equal: Callable[..., bool]
) -> None:
    scene = traffic(5)
    tracks = [
        AgentTrack(
            name,
            int(scene.agent_types[number]),
            scene.row_time_s[scene.row_agent == number],
            scene.row_pose_world[scene.row_agent == number],
            scene.size_m[number],
            np.ones((17, 2)),
        )
        for number, name in enumerate(scene.agent_ids)
    ]
    given = Scene.of(scene.time_s, tracks, scene.map_name)
    assert equal(forecaster.forecast(given), forecaster.forecast(scene))


def test_a_velocity_in_another_frame_or_unit_is_told(forecaster: Forecaster) -> None:
    aside = forecaster.forecast(one(STEPS_S, along_x(12), velocity_world_mps=np.tile([0.0, 12.0], (5, 1))))
    assert "said to move at [0.0, 12.0] m/s and moved at [12.0, 0.0] m/s" in aside.notes[0]
    fast = forecaster.forecast(one(0.0, (0, 0, 0), velocity_world_mps=(500, 0)))
    assert "faster than anything" in fast.notes[0]
    assert np.abs(end_m(fast)).max() < 100


@pytest.mark.parametrize("kind", FLIPS)
@pytest.mark.parametrize("agent_type", ["vehicle", "cyclist"])
def test_a_car_whose_box_points_backwards_drives_on(
    forecaster: Forecaster, kind: str, agent_type: str, equal: Callable[..., bool]
) -> None:
    def said(yaw: float | np.ndarray) -> SceneForecast:
        return forecaster.forecast(Scene.of(0.0, [AgentTrack("a", agent_type, STEPS_S, along_x(10, yaw=yaw))]))

    answer, right = said(FLIPS[kind]), said(0.0)
    np.testing.assert_allclose(answer.positions_m, right.positions_m, atol=1e-3)
    assert "the headings of 'a' pointed the wrong way" in answer.notes[0]
    assert right.notes == ()


def test_a_car_that_reverses_slowly_does_reverse(forecaster: Forecaster) -> None:
    answer = forecaster.forecast(one(STEPS_S, along_x(-2.5)))
    assert answer.pose_world[0, 2] == 0
    assert answer.notes == ()


@pytest.mark.parametrize("flipped", [lambda n: n in (57, 58), lambda n: n == 59, lambda n: n % 6 > 2, lambda n: n < 3])
def test_a_parked_car_whose_box_flips_stays(town_weights: Forecaster, flipped: Callable[[int], bool]) -> None:
    answer = drive(town_weights, [(0, 0, np.pi * flipped(n)) for n in range(60)])
    assert np.hypot(*end_m(answer)) < 2
    assert "pointed the wrong way" in answer.notes[0]


@pytest.mark.parametrize("yaw", [FLIPS["the last"], FLIPS["every second"], np.pi * (STEPS_S > -0.7)])
def test_a_pedestrian_who_turns_on_the_spot_stays_there(town_weights: Forecaster, yaw: np.ndarray) -> None:
    pose = np.stack([0 * STEPS_S, 0 * STEPS_S, yaw], 1)
    answer = town_weights.forecast(Scene.of(0.0, [AgentTrack("p", "pedestrian", STEPS_S, pose)]))
    assert np.hypot(*end_m(answer)) < 2
    assert "'p' turned by more than 135°" in answer.notes[0]
    assert answer.pose_world[0, 2] == yaw[-1]


@pytest.mark.parametrize(("agent_type", "speed_mps"), [("pedestrian", 1.4), ("cyclist", 2.5)])
def test_who_goes_out_and_back_turns_round(forecaster: Forecaster, agent_type: str, speed_mps: float) -> None:
    pose = np.stack([-speed_mps * np.abs(STEPS_S + 1), 0 * STEPS_S, np.pi * (STEPS_S > -1)], 1)
    answer = forecaster.forecast(Scene.of(0.0, [AgentTrack("a", agent_type, STEPS_S, pose)]))
    assert answer.notes == ()
    assert answer.pose_world[0, 2] == np.pi


@pytest.mark.parametrize("frames", [2, 4, 9])
def test_a_velocity_of_0_of_who_moves_is_told_and_does_not_count(town_weights: Forecaster, frames: int) -> None:
    time_s = -0.1 * np.arange(frames)[::-1]
    answer = town_weights.forecast(one(time_s, along_x(8, time_s), velocity_world_mps=np.zeros((frames, 2))))
    assert "'a'" in answer.notes[0]
    assert "velocities given" in answer.notes[0]
    if frames > 2:
        assert "the positions count" in answer.notes[0]
        assert_goes_on(answer, 48)
    # Hard braking is no contradiction: the mean over the last half second is not the speed now.
    stopped = np.stack([-4 * STEPS_S**2, 0 * STEPS_S, 0 * STEPS_S], 1)
    assert town_weights.forecast(one(STEPS_S, stopped, velocity_world_mps=-8 * STEPS_S[:, None] * [1, 0])).notes == ()


def test_a_pedestrians_velocity_in_km_h_is_told(forecaster: Forecaster) -> None:
    def said(given_mps: float) -> tuple[str, ...]:
        velocity = np.tile([given_mps, 0.0], (5, 1))
        return forecaster.forecast(
            Scene.of(0.0, [AgentTrack("p", "pedestrian", STEPS_S, along_x(1.4), None, velocity)])
        ).notes

    assert "said to move at [5.0, 0.0] m/s and moved at [1.4, 0.0] m/s" in said(1.4 * 3.6)[0]
    assert said(1.7) == ()


@pytest.mark.parametrize("rate_hz", [2, 10])
@pytest.mark.parametrize(
    ("agent_type", "speed_mps", "yaw", "told"),
    [
        ("vehicle", 3.0, np.pi / 2, True),
        ("cyclist", 2.5, -np.pi / 2, True),
        ("pedestrian", 1.4, np.pi / 2, True),
        ("pedestrian", 1.4, 0.5, False),
        ("vehicle", 3.0, np.pi, False),
        ("vehicle", 0.5, np.pi / 2, False),
    ],
)
def test_headings_aside_of_slow_motion_are_told(
    forecaster: Forecaster, rate_hz: int, agent_type: str, speed_mps: float, yaw: float, told: bool
) -> None:
    time_s = -np.arange(2 * rate_hz + 1)[::-1] / rate_hz
    track = AgentTrack("a", agent_type, time_s, along_x(speed_mps, time_s, yaw))
    notes = forecaster.forecast(Scene.of(0.0, [track])).notes
    assert any("aside of its motion" in note for note in notes) == told
    assert told or notes == ()


def test_a_heading_nobody_knows_is_that_of_the_motion(forecaster: Forecaster) -> None:
    known = forecaster.forecast(one(STEPS_S, along_x(10)))
    for unknown in (np.nan, [0, 0, np.nan, 0, np.nan], [np.nan, 0, 0, 0, 0]):
        answer = forecaster.forecast(one(STEPS_S, along_x(10, yaw=unknown)))
        np.testing.assert_allclose(answer.positions_m, known.positions_m, atol=1e-4)
        assert answer.notes == ()
    given = forecaster.forecast(one(0.0, (0, 0, None), velocity_world_mps=(0, 8)))
    assert given.pose_world[0, 2] == pytest.approx(np.pi / 2)
    stands = forecaster.forecast(one(STEPS_S, along_x(0, yaw=[1.0, np.nan, np.nan, 1.2, np.nan])))
    assert stands.pose_world[0, 2] == 1.2
    nothing = forecaster.forecast(one(STEPS_S, along_x(0, yaw=np.nan)))
    assert nothing.pose_world[0, 2] == 0
    assert "the heading of 'a' is unknown" in nothing.notes[0]


def test_headings_aside_of_the_motion_and_in_degrees_are_told(forecaster: Forecaster) -> None:
    aside = forecaster.forecast(one(STEPS_S, along_x(10, yaw=np.pi / 2)))
    assert "'a' heads 90° aside of its motion" in aside.notes[0]
    assert "are they degrees?" in forecaster.forecast(one(STEPS_S, along_x(0, yaw=270.0))).notes[0]


def test_an_id_that_two_cars_have_in_turn_is_told_and_stays_on_the_road(town_weights: Forecaster) -> None:
    for rate_hz, away_m in ((10, 50), (10, 15), (2, 50), (2, 30)):
        step_m = 10 / rate_hz
        answer = drive(town_weights, [(n % 2 * away_m + n * step_m, 0, 0) for n in range(31)], rate_hz)
        assert answer.agent_ids == ("a",)
        assert np.hypot(*end_m(answer)) < 100
        assert "do two agents have one id" in answer.notes[0]


def test_a_track_that_jumps_begins_anew(town_weights: Forecaster) -> None:
    far = drive(town_weights, [(n if n < 30 else 5000.0, 0, 0) for n in range(31)])
    assert np.hypot(*end_m(far)) < 20
    assert "'a' moved 4971.0 m in 0.100 s" in far.notes[0]
    assert "velocity of 'a' is unknown" in far.notes[1]
    moved = drive(town_weights, [(n + 300 * (n > 26), 0, 0) for n in range(31)])
    assert_goes_on(moved, 60)
    assert "27 of the observations" in moved.notes[0]


@pytest.mark.parametrize("rate_hz", [2, 10])
@pytest.mark.parametrize("off", [15, 14, 9])
def test_one_observation_off_is_left_out_alone(town_weights: Forecaster, off: int, rate_hz: float) -> None:
    answer = drive(town_weights, [(10 * n / rate_hz + 60 * (n == off), 0, 0) for n in range(17)], rate_hz)
    assert_goes_on(answer, 60)
    assert "1 of the observations" in answer.notes[0]


def test_two_places_at_one_time_are_told(forecaster: Forecaster) -> None:
    time_s = [0.0, -0.5, 0.0]
    scene = one(time_s, [(0, 0, 0), (45, 3, 0), (50, 3, 0)])
    answer = forecaster.forecast(scene)
    assert answer.pose_world[0].tolist() == [50, 3, 0]
    assert "'a' at (0.0, 0.0) m and at (50.0, 3.0) m" in answer.notes[0]
    assert forecaster.forecast(one(time_s, [(50.5, 3, 0), (45, 3, 0), (50, 3, 0)])).notes == ()
    twice = [Observation("a", "vehicle", 0.0, place, None, (1, 0)) for place in ((0, 0, 0), (50, 3, 0))]
    (note,) = forecaster.stream().update(twice, 0.0).notes
    assert "at (50.0, 3.0) m, but also at (0.0, 0.0) m at the same time" in note


@pytest.mark.parametrize(
    ("time_s", "told"),
    [
        (1000 * STEPS_S, "lie 500 s apart in the median"),
        (STEPS_S + 1.7e9, "nearest observation lies 1699999998.000 s after it"),
        (STEPS_S - 1.7e9, "nearest observation lies 1700000000.000 s before it"),
        (STEPS_S - 5, "newest observation is 5.000 s old"),
    ],
)
def test_times_of_another_clock_or_unit_are_told(forecaster: Forecaster, time_s: np.ndarray, told: str) -> None:
    notes = forecaster.forecast(one(time_s, along_x(10))).notes
    assert told in notes[0]


def test_one_agent_on_another_clock_is_named(forecaster: Forecaster) -> None:
    def said(time_s: np.ndarray) -> tuple[str, ...]:
        good = AgentTrack("a", "vehicle", STEPS_S + 50, along_x(10))
        other = AgentTrack("b", "vehicle", time_s, along_x(10))
        return forecaster.forecast(Scene.of(50.0, [good, other])).notes

    (ahead,) = said(STEPS_S + 150)
    assert ahead.startswith("'b' were not observed near the times of the others: 'b' 100.000 s after now")
    assert "'b' 49950.000 s after now" in said(1000 * (STEPS_S + 50))[0]
    assert "before now" in said(STEPS_S - 1000)[0]
    assert said(STEPS_S + 25) == ()


def test_a_stream_of_another_clock_or_unit_is_told(forecaster: Forecaster) -> None:
    behind = forecaster.stream().update([Observation("a", "vehicle", 3.0, (0, 0, 0))], 1.7e9)
    assert "nothing that was observed lies near now" in behind.notes[1]
    stream = forecaster.stream()
    for now_ms in (0.0, 100.0, 200.0):
        answer = stream.update([Observation("a", "vehicle", now_ms, (0, 0, 0))], now_ms)
    assert "the last 3 updates lie more than 8.4 s apart" in answer.notes[0]


def test_notes_are_one_line_each_and_name_no_more_than_a_few(forecaster: Forecaster) -> None:
    tracks = [AgentTrack(("id\n", n), "vehicle", [-0.1, 0], [(0, 0, 0), (99, 0, 3)]) for n in range(300)]
    notes = forecaster.forecast(Scene.of(0.0, tracks)).notes
    assert 0 < len(notes) < 5
    assert all("\n" not in note and len(note) < 400 for note in notes)
