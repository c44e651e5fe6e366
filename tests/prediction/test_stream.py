"""Streams: whatever comes in, in whatever order, the tracks are the same and the loop goes on."""

from __future__ import annotations

import datetime
import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecast.core.errors import ConfigError, SceneError
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.scene import AgentTrack, Scene
from forecast.prediction.stream import Observation, Stream


def seen(agent: str, time_s: float, *, lane: float = 0.0) -> Observation:
    """An agent that brakes gently along x."""
    return Observation(agent, "vehicle", time_s, (100 + 8 * time_s - 0.2 * time_s**2, 200 + lane, 0.0), (4.0, 2.0))


@pytest.fixture
def stream(forecaster: Forecaster) -> Stream:
    return forecaster.stream("crossroads")


def scene_of(observations: list[Observation], now_s: float) -> Scene:
    tracks = []
    for name in dict.fromkeys(o.agent_id for o in observations):
        own = [o for o in observations if o.agent_id == name]
        tracks.append(AgentTrack(name, "vehicle", [o.time_s for o in own], [o.pose_world for o in own], (4.0, 2.0)))
    return Scene.of(now_s, tracks, "crossroads")


@pytest.mark.parametrize("rate_hz", [2, 10, 20])
def test_a_stream_answers_what_one_call_with_the_whole_past_does(
    forecaster: Forecaster, stream: Stream, rate_hz: int, equal
) -> None:
    past: list[Observation] = []
    for frame in range(6 * rate_hz):
        new = [seen("a", frame / rate_hz), seen("b", frame / rate_hz, lane=4.0)][: 1 + (frame > rate_hz)]
        past += new
        answer = stream.update(new, frame / rate_hz)
        if frame % rate_hz == 0:
            assert equal(answer, forecaster.forecast(scene_of(past, frame / rate_hz)))


def test_between_two_frames_the_answer_is_for_now(stream: Stream) -> None:
    for frame in range(8):
        stream.update([seen("a", 0.5 * frame)], 0.5 * frame)
    ages = []
    for now in (3.6, 3.7, 3.8, 3.9):
        answer = stream.update([], now)
        ages.append(answer.silent_s[0])
        assert answer.time_s == now
        true_x = 100 + 8 * now - 0.2 * now**2
        assert answer.pose_world[0, 0] == pytest.approx(true_x, abs=0.1)
    np.testing.assert_allclose(ages, [0.1, 0.2, 0.3, 0.4], atol=1e-6)


def test_late_and_repeated_observations_go_where_they_belong(forecaster: Forecaster, equal) -> None:
    tidy, messy = forecaster.stream("crossroads"), forecaster.stream("crossroads")
    frames = [seen("a", 0.25 * n) for n in range(20)]
    for frame in frames:
        tidy_answer = tidy.update([frame], frame.time_s)
    wrong_first = Observation("a", "vehicle", 4.25, (0, 0, 0))
    messy.update([frames[3], frames[0], frames[9]], 2.25)
    messy.update([frames[1], frames[2], wrong_first, *frames[4:9], *frames[10:17]], 4.25)
    answer = messy.update([frames[19], frames[18], frames[17], frames[18]], 4.75)
    assert equal(answer, tidy_answer)
    assert messy.counts["repeated"] == 2
    assert messy.counts["late"] >= 8


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(list(range(14))), st.lists(st.integers(0, 13), max_size=6))
def test_any_order_and_any_repetition_give_the_same_answer(
    forecaster: Forecaster, equal, order: list[int], again: list[int]
) -> None:
    frames = [seen("a", 0.3 * n) for n in range(14)]
    expected = forecaster.stream("crossroads").update(frames, 4.0)
    mixed = forecaster.stream("crossroads")
    assert equal(mixed.update([frames[n] for n in order + again], 4.0), expected)


def test_a_lost_agent_is_held_then_unanswered_then_forgotten(stream: Stream) -> None:
    for frame in range(4):
        stream.update([seen("a", 0.5 * frame), seen("b", 0.5 * frame)], 0.5 * frame)
    said = {}
    for now in np.arange(2.0, 13, 0.5).tolist():
        answer = stream.update([seen("b", now)], now)
        said[now] = ("a" in answer.agent_ids, "a" in answer.unanswered)
    assert said[2.5] == (True, False)
    assert said[3.0] == (False, True)
    assert said[12.5] == (False, False)
    assert len(stream) == 1
    assert stream.counts["lost"] == 1


def test_an_agent_that_comes_back_still_has_its_past(forecaster: Forecaster, stream: Stream, equal) -> None:
    past = [seen("a", 0.5 * n) for n in (0, 1, 2, 3, 7, 8)]
    other = [seen("b", 0.5 * n, lane=4.0) for n in range(9)]
    for n in range(9):
        answer = stream.update([o for o in past + other if o.time_s == 0.5 * n], 0.5 * n)
    assert equal(answer, forecaster.forecast(scene_of(past + other, 4.0)))
    (batch,) = forecaster.batches(scene_of(past + other, 4.0), ["a"])
    assert batch.history_valid.tolist() == [[False, False, False, True, True]]


FAULTS = [
    (Observation("x", "vehicle", 1.0, (np.nan, 0, 0)), "pose [nan, 0.0, 0.0]; expected finite"),
    (Observation("x", "vehicle", float("inf"), (0, 0, 0)), "time_s is inf; expected finite seconds"),
    (Observation("x", "vehicle", "noon", (0, 0, 0)), "time_s: expected numbers"),  # type: ignore[arg-type]
    (Observation("x", None, 1.0, (0, 0, 0)), "no type None"),  # type: ignore[arg-type]
    (Observation("x", "car", 1.0, (0, 0, 0)), "no type 'car'"),
    (Observation("x", "vehicle", 1.0, (0, 0)), "pose [0.0, 0.0]"),
    (Observation("x", "vehicle", 1.0, "here"), "pose_world: expected numbers"),
    (Observation("x", "vehicle", 1.0, (0, 0, 0), (0.0, 1.0)), "size_m [0.0, 1.0]"),
    (Observation("x", "vehicle", 3.0, (0, 0, 0)), "2.000 s ahead of now"),
    (Observation("x", "vehicle", -20.0, (0, 0, 0)), "21.000 s old"),
]


@pytest.mark.parametrize(("fault", "told"), FAULTS)
def test_one_faulty_observation_is_left_out_and_told_the_others_count(
    forecaster: Forecaster, fault: Observation, told: str, equal
) -> None:
    good = [seen("a", 0.5), seen("a", 1.0)]
    expected = forecaster.stream("crossroads").update(good, 1.0)
    answer = forecaster.stream("crossroads").update([good[0], fault, good[1]], 1.0)
    assert equal(answer, expected)
    (note,) = answer.notes
    assert told in note
    assert "agent 'x'" in note
    assert "\n" not in note


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {"agent_id": "x"},
        "observation",
        SimpleNamespace(agent_id="x"),
        Observation(None, "vehicle", 0.0, (0, 0, 0)),
        Observation(np.zeros((2, 2)), "vehicle", 0.0, (0, 0, 0)),  # type: ignore[arg-type]
        Observation("x", "vehicle", 0.0, np.ma.array([1.0, 2, 3], mask=[1, 0, 0])),
        Observation("x", "vehicle", np.ma.masked, (0, 0, 0)),
        Observation("x", "vehicle", [0.0, 1.0], (0, 0, 0)),
        Observation("x", "vehicle", 0.0, (0, 0, 0), None, "fast"),
        Observation("x", "vehicle", 0.0, (0, 0, 0), None, (np.inf, 0)),
        Observation("x", "vehicle", 0.0, (0, 0, 0), None, (1, 2, 3)),
        Observation("x", "vehicle", 0.0, (0, 0, np.inf)),
        Observation("x", "vehicle", 1_714_564_800_000, (0, 0, 0)),
    ],
)
def test_what_is_no_observation_is_left_out_and_the_others_are_taken_in(stream: Stream, bad: object) -> None:
    good = [Observation(name, "vehicle", 0.0, (100 + place, 200, 0), None, (1, 0)) for place, name in enumerate("ab")]
    answer = stream.update([good[0], bad, good[1]], 0.0)  # type: ignore[list-item]
    assert answer.agent_ids == ("a", "b")
    (note,) = answer.notes
    assert note.startswith("observation 1")
    assert note.endswith("left out")
    assert "\n" not in note
    assert stream.counts["faulty"] == 1


@pytest.mark.parametrize("bad", [None, 3, "abc", {"a": 1}, Observation("a", "vehicle", 0.0, (0, 0, 0))])
def test_what_is_no_list_of_observations_is_refused_and_changes_nothing(stream: Stream, bad: object) -> None:
    with pytest.raises(SceneError, match="observations: expected a list of Observation, found"):
        stream.update(bad, 9.0)  # type: ignore[arg-type]
    assert len(stream.update((seen("a", time) for time in (0.0, 0.5)), 0.5)) == 1
    assert len(stream.update(np.array([seen("b", 0.5)], object), 0.5)) == 2  # type: ignore[arg-type]


def test_a_stream_may_be_told_times_with_a_unit(forecaster: Forecaster, equal) -> None:
    plain, dated = forecaster.stream(), forecaster.stream()
    start = datetime.datetime(2024, 5, 1)
    for now in (0.0, 0.5, 1.0):
        told = start + datetime.timedelta(seconds=now)
        one = plain.update([seen("a", now)], now)
        other = dated.update([replace(seen("a", now), time_s=np.datetime64(told, "ms"))], told)
    np.testing.assert_array_equal(other.positions_m, one.positions_m)
    assert other.time_s == start.replace(tzinfo=datetime.timezone.utc).timestamp() + 1.0


@pytest.mark.parametrize("copied", [deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))])
def test_a_copy_of_a_stream_goes_on_as_the_stream_does(stream: Stream, equal, copied) -> None:
    stream.update([seen("a", 0.0), seen("a", 0.5)], 0.0)
    other = copied(stream)
    assert equal(stream.update([], 0.5), other.update([], 0.5))
    other.update([seen("b", 0.6)], 0.6)
    assert len(stream) == 1


def test_an_observation_a_little_ahead_waits_for_its_time(stream: Stream) -> None:
    answer = stream.update([seen("a", 1.0), seen("a", 1.04)], 1.0)
    assert answer.pose_world[0, 0] == pytest.approx(100 + 8 - 0.2)
    assert stream.update([], 1.04).silent_s[0] == pytest.approx(0, abs=1e-9)


def test_time_that_goes_backwards_and_unknown_maps_change_nothing(forecaster: Forecaster, equal) -> None:
    whole, disturbed = forecaster.stream("crossroads"), forecaster.stream("crossroads")
    for now in (0.0, 0.5, 1.0):
        whole.update([seen("a", now)], now)
        disturbed.update([seen("a", now)], now)
        with pytest.raises(SceneError, match="time goes backwards"):
            disturbed.update([seen("z", now)], now - 0.1)
        with pytest.raises(SceneError, match="no map 'moon'"):
            disturbed.update([seen("z", now)], now + 9, "moon")
        with pytest.raises(SceneError, match="time_s is nan"):
            disturbed.update([seen("z", now)], float("nan"))
    assert equal(whole.update([], 1.2), disturbed.update([], 1.2))
    disturbed.reset()
    assert len(disturbed.update([seen("a", 0.1)], 0.1)) == 1
    lost = forecaster.stream("moon")
    with pytest.raises(SceneError, match="no map 'moon'"):
        lost.update([seen("z", 5.0)], 5.0)
    assert len(lost.update([seen("a", 0.1)], 0.1, "crossroads")) == 1


def test_the_forecaster_has_a_stream_of_its_own(forecaster: Forecaster, equal) -> None:
    own = forecaster.stream()
    for now in (0.0, 0.5, 1.0):
        assert equal(
            forecaster.update([seen("a", now)], now, "crossroads"), own.update([seen("a", now)], now, "crossroads")
        )


def test_memory_is_bounded_whatever_the_rate_and_however_many_agents(forecaster: Forecaster) -> None:
    stream = forecaster.stream(max_tracks=20)
    sizes = []
    for cycle in range(2400):
        now = cycle / 200
        stream.update([seen("fast", now), seen(f"n{cycle // 10}", now)], now, agents=[])
        sizes.append(stream.nbytes)
    assert len(stream) <= 20
    assert stream.counts["evicted"] > 0
    assert sizes[-1] == sizes[len(sizes) * 5 // 6]
    assert sizes[-1] < 2e6


def test_a_thinned_fast_stream_answers_nearly_what_all_its_observations_do(forecaster: Forecaster) -> None:
    past = [seen("a", 0.005 * n) for n in range(1001)]
    stream = forecaster.stream("crossroads")
    for observation in past:
        stream.update([observation], observation.time_s, agents=[])
    thin = stream.update([], 5.0)
    whole = forecaster.forecast(scene_of(past, 5.0))
    np.testing.assert_allclose(thin.positions_m, whole.positions_m, atol=0.02)
    np.testing.assert_array_equal(thin.pose_world, whole.pose_world)


def test_several_threads_may_feed_one_stream(forecaster: Forecaster) -> None:
    stream = forecaster.stream("crossroads")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: stream.update([seen(f"a{n}", 1.0)], 1.0), range(40)))
    assert len(stream.update([], 1.0)) == 40


def test_settings_that_make_no_sense_are_refused(forecaster: Forecaster) -> None:
    with pytest.raises(ConfigError, match="max_tracks"):
        forecaster.stream(max_tracks=0)


@pytest.mark.parametrize("rate_hz", [10, 30])
def test_what_lies_ahead_of_now_changes_no_answer_for_now(forecaster: Forecaster, equal, rate_hz: int) -> None:
    plain, warned = forecaster.stream("crossroads"), forecaster.stream("crossroads")
    for frame in range(3 * rate_hz):
        now = frame / rate_hz
        new = [seen("a", now), seen("b", now, lane=4.0)]
        ahead = [
            Observation("a", "pedestrian", now + 0.5, (0.0, 0.0, 1.0), (0.5, 0.5)),
            Observation("b", "vehicle", now + 0.005, (7.0, 7.0, 0.0)),
            Observation("c", "vehicle", now + 0.5, (100.0, 200.0, 0.0)),
        ]
        if frame == 3 * rate_hz - 1:
            assert equal(warned.update([*new, *ahead], now), plain.update(new, now))
        else:
            plain.update(new, now)
            warned.update(new, now)
    later = warned.update([], now + 0.5)
    assert "c" in later.agent_ids  # its time has come
    assert warned.update([], now + 0.5).pose_world[later.agent_ids.index("a")].tolist() == [0.0, 0.0, 1.0]


def test_too_many_that_wait_are_told(forecaster: Forecaster) -> None:
    stream = forecaster.stream("crossroads", max_tracks=1)
    answer = stream.update([seen("a", 0.01 * number) for number in range(1, 20)], 0.0)
    assert len(answer.notes) == 3
    assert "16 others wait already: left out" in answer.notes[0]


def test_an_id_that_cannot_be_one_is_left_out_and_the_others_are_not(stream: Stream) -> None:
    odd = Observation(("b", [2]), "vehicle", 0.0, (0.0, 0.0, 0.0))
    odder = Observation("c", np.zeros(2), 0.0, (0.0, 0.0, 0.0))  # type: ignore[arg-type]
    answer = stream.update([seen("a", 0.0), odd, odder, seen("d", 0.0, lane=4.0)], 0.0)
    assert answer.agent_ids == ("a", "d")
    assert sum(note.endswith("left out") for note in answer.notes) == 2


def test_a_new_drive_begins_on_the_first_map_and_with_no_past(forecaster: Forecaster, equal) -> None:
    used, fresh = forecaster.stream(), forecaster.stream()
    used.update([seen("a", 9.0)], 9.0, "crossroads")
    used.reset()
    assert equal(used.update([seen("a", 1.0)], 1.0), fresh.update([seen("a", 1.0)], 1.0))
    forecaster.reset()
    forecaster.update([seen("a", 9.0)], 9.0, "crossroads")
    with pytest.raises(SceneError, match="time goes backwards"):
        forecaster.update([seen("a", 1.0)], 1.0)
    forecaster.reset()
    assert equal(forecaster.update([seen("a", 1.0)], 1.0), fresh.update([], 1.0))


class _Raises:
    """An object of somebody's own that fails wherever it is asked."""

    def __init__(self, *what: str) -> None:
        self._what = what

    def __getattr__(self, name: str) -> object:
        if name in self._what:
            raise RuntimeError(f"{name} is gone\nfor good")
        known = {"agent_id": "x", "agent_type": "vehicle", "time_s": 0.0, "pose_world": (0, 0, 0)}
        if name in known:
            return known[name]
        raise AttributeError(name)


class _Unread(float):
    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise KeyError("buffer")

    def __float__(self) -> float:
        raise KeyError("buffer")


class _Odd:
    def __hash__(self) -> int:
        raise RuntimeError("no hash")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


RAISING = [
    _Raises("agent_id"),
    _Raises("agent_type"),
    _Raises("pose_world"),
    _Raises("velocity_world_mps"),
    Observation("x", "vehicle", _Unread(), (0, 0, 0)),
    Observation("x", "vehicle", 0.0, [_Unread(), 0, 0]),
    Observation(_Odd(), "vehicle", 0.0, (0, 0, 0)),
    Observation("x", _Odd(), 0.0, (0, 0, 0)),  # type: ignore[arg-type]
    Observation("x", "vehicle", 0.0, (10**400, 0, 0)),
    Observation("x", "vehicle", 10**400, (0, 0, 0)),
    Observation("x", "vehicle", 0.0, (0, 0, 0), None, (10**400, 0)),
]


@pytest.mark.parametrize("bad", RAISING)
def test_an_object_that_raises_is_left_out_and_the_others_are_taken_in(stream: Stream, bad: object) -> None:
    good = [Observation(name, "vehicle", 0.0, (100 + place, 200, 0), None, (1, 0)) for place, name in enumerate("ab")]
    answer = stream.update([good[0], bad, good[1]], 0.0)  # type: ignore[list-item]
    assert answer.agent_ids == ("a", "b")
    (note,) = answer.notes
    assert note.startswith("observation 1")
    assert "\n" not in note
    with pytest.raises(SceneError) as refused:
        Scene.of(0.0, [*good, bad])  # type: ignore[list-item]
    assert "\n" not in str(refused.value)


def test_an_id_that_cannot_be_written_is_named_all_the_same(stream: Stream) -> None:
    class Silent:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    (note,) = stream.update([Observation(Silent(), "vehicle", 0.0, (100, 200, 0))], 0.0).notes
    assert "the velocity of <Silent> is unknown" in note


@pytest.mark.parametrize("far", [10**400, _Unread(), _Raises("sec", "nanosec")])
def test_a_time_of_now_that_cannot_be_read_is_refused_in_one_line(stream: Stream, far: object) -> None:
    with pytest.raises(SceneError, match="time_s"):
        stream.update([], far)
    with pytest.raises(SceneError, match="time_s"):
        Scene.of(far, [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pose",
    [
        [np.float32(4e6), 0.0, 0.0],
        [0.0, np.float32(4e6), 0.0],
        np.array([np.float32(4e6), 0.0, 0.0], object),
        np.array([4e6, 0, 0], np.float32),
    ],
)
def test_numbers_of_32_bits_are_told_wherever_they_hide(forecaster: Forecaster, pose: object) -> None:
    coarse = Observation("a", "vehicle", 0.0, pose, None, (1, 0))  # type: ignore[arg-type]
    assert "positions came with less than 64 bits" in forecaster.stream().update([coarse], 0.0).notes[0]
    fine = Observation("a", "vehicle", 0.0, [4e6, 0.0, np.float32(3.0)], None, (1, 0))
    assert forecaster.stream().update([fine], 0.0).notes == ()
    now_s = np.float32(1e6)
    good = Observation("a", "vehicle", 1e6, (0, 0, 0), None, (1, 0))
    assert "times came with less than 64 bits" in forecaster.stream().update([good], now_s).notes[0]
    assert "times came with less than 64 bits" in Scene.of(now_s, []).notes[0]  # type: ignore[arg-type]
    assert "times came" in Scene.of(1e6, [AgentTrack("a", "vehicle", [1e6, now_s], [[0, 0, 0]] * 2)]).notes[0]
