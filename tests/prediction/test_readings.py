"""Numbers, times and ids, in whatever form a stack holds them, are read as they are meant or refused in one line."""

from __future__ import annotations

import datetime
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.core.errors import SceneError
from forecast.prediction.readings import check_id, clock_reading, floats, items, places, times
from forecast.prediction.scene import AgentTrack, Scene
from forecast.prediction.stream import Observation

NOON = datetime.datetime(2024, 5, 1, 12)
NOON_S = 1714564800.0


@pytest.mark.parametrize(
    ("given_time", "expected_s"),
    [
        (np.array([-500, 0], "m8[ms]"), [-0.5, 0]),
        (np.array([-5, 0], "m8[100us]"), [-0.0005, 0]),
        (np.timedelta64(3, "m"), 180),
        (np.array([NOON], "M8[ns]"), [NOON_S]),
        (np.datetime64("2024-05-01", "D"), NOON_S - 12 * 3600),
        (NOON, NOON_S),
        ([NOON, NOON + datetime.timedelta(milliseconds=5)], [NOON_S, NOON_S + 0.005]),
        (NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=2))), NOON_S - 7200),
        ([datetime.timedelta(milliseconds=-250)], [-0.25]),
        (SimpleNamespace(sec=12, nanosec=500_000_000), 12.5),
        ([SimpleNamespace(secs=12, nsecs=250_000_000)], [12.25]),
        (SimpleNamespace(seconds=3, nanos=0), 3),
        (SimpleNamespace(nanoseconds=1_500_000_000), 1.5),
        (np.array([np.timedelta64(1, "s"), 2.0], object), [1, 2]),
        (7, 7),
        (np.float32(0.5), 0.5),
    ],
)
def test_times_are_read_by_their_unit(given_time: object, expected_s: object) -> None:
    np.testing.assert_allclose(times("time", given_time)[0], expected_s, rtol=0, atol=1e-6)


@given(st.integers(-(10**15), 10**15), st.sampled_from(["s", "ms", "us", "ns"]))
def test_any_unit_is_read(count: int, unit: str) -> None:
    expected = count * {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[unit]
    assert float(times("time", np.timedelta64(count, unit))[0]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.timedelta64(5), "has no unit"),
        (np.timedelta64(5, "M"), "months and years differ"),
        (np.timedelta64("NaT", "s"), "expected finite seconds"),
        ("noon", r"found text"),
        (1j, "found complex"),
        ({"sec": 1}, "expected numbers of seconds"),
        (None, "time_s is None; expected finite"),
        (np.ma.masked, "expected finite seconds"),
        ([1.0, 2.0], "expected finite seconds"),
        (1_714_564_800_000, "it looks like milliseconds: divide by 1e3"),
        (1_714_564_800_000_000, "it looks like microseconds: divide by 1e6"),
        (1_714_564_800_000_000_000, "it looks like nanoseconds: divide by 1e9"),
    ],
)
def test_what_is_no_reading_of_a_clock_is_refused(wrong: object, message: str) -> None:
    with pytest.raises(SceneError, match=message) as caught:
        clock_reading(wrong, "now")
    assert "\n" not in str(caught.value)


def test_what_is_masked_is_not_known() -> None:
    hidden = np.ma.array([1.0, 99.0], mask=[False, True])
    np.testing.assert_array_equal(floats("x", hidden), [1, np.nan])
    np.testing.assert_array_equal(floats("x", [hidden, hidden]), [[1, np.nan]] * 2)
    np.testing.assert_array_equal(floats("x", [(1, np.ma.masked, None)]), [[1, np.nan, np.nan]])
    np.testing.assert_array_equal(floats("x", np.ma.array([3, 4], mask=[True, False])), [np.nan, 4])
    np.testing.assert_array_equal(times("t", np.ma.array([3, 4], "m8[s]", mask=[True, False]))[0], [np.nan, 4])
    np.testing.assert_array_equal(floats("x", np.ma.array([3, 4])), [3, 4])


@pytest.mark.parametrize("column", ["row_time_s", "row_pose_world", "row_agent", "agent_types", "size_m"])
def test_a_masked_entry_of_a_scene_is_refused(column: str) -> None:
    columns = {
        "row_time_s": np.array([0.0, 0.5]),
        "row_pose_world": np.zeros((2, 3)),
        "row_agent": np.zeros(2, int),
        "agent_types": np.zeros(1, int),
        "size_m": np.ones((1, 2)),
    }
    mask = np.zeros(columns[column].shape, bool)
    mask[-1:, ...] = True
    columns[column] = np.ma.array(columns[column], mask=mask)
    with pytest.raises(SceneError, match=r"nan|masked") as caught:
        Scene(0.5, ("a",), **columns)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_numbers_too_coarse_for_where_they_are_are_told() -> None:
    far = np.array([[4e6, 5e5, 0.0]], np.float32)
    assert places("pose", far)[1] == 0.25
    assert places("pose", (np.float32(4e6), np.float32(5e5), 0.0))[1] == 0.25
    assert places("pose", far.astype(np.float64))[1] == 0
    assert places("pose", far[:, ::-1] / 1e4)[1] < 0.01
    assert (
        Scene.of(0.0, [AgentTrack("a", "vehicle", 0.0, far)]).notes[0].endswith("coordinates around an origin nearby")
    )
    assert "times came with less" in Scene.of(0.0, [AgentTrack("a", "vehicle", np.float32(1e6), (0, 0, 0))]).notes[0]
    assert Scene.of(0.0, [AgentTrack("a", "vehicle", np.float32(0), (0, 0, 0))]).notes == ()


@pytest.mark.parametrize("bad", [None, float("nan"), [1], np.zeros(2), np.array(3), ("a", [1])])
def test_what_cannot_name_an_agent_is_refused(bad: object) -> None:
    with pytest.raises(SceneError, match="agent_id: expected a string or a number"):
        check_id(bad, "here")


@pytest.mark.parametrize("good", ["a", 3, np.int64(3), np.str_("a"), ("lidar", 3), b"x", 0])
def test_what_can_name_an_agent_is_not(good: object) -> None:
    check_id(good, "here")


@pytest.mark.parametrize("bad", [None, 3, "abc", b"abc", {"a": 1}, np.array(3), np.zeros((2, 2)), NOON])
def test_what_is_no_list_is_refused(bad: object) -> None:
    with pytest.raises(SceneError, match="here: expected a list of Observation, found"):
        items("here", bad, "Observation")


@pytest.mark.parametrize(
    ("agents", "message"),
    [
        (None, "agents: expected a list of AgentTrack, found NoneType"),
        (AgentTrack("a", "vehicle", 0.0, (0, 0, 0)), "expected a list of AgentTrack, found AgentTrack"),
        ([None], "agent 0: expected an AgentTrack, found NoneType"),
        ([{"agent_id": 1}], "agent 0: expected an AgentTrack, found dict"),
        ([AgentTrack("a", "vehicle", 0.0, (0, 0))], "agent 'a': pose_world: expected shape"),
        ([AgentTrack("a", "vehicle", 0.0, (0, 0, 0), (1, 2, 3))], "agent 'a': size_m: expected shape"),
        ([AgentTrack("a", "vehicle", 0.0, (0, 0, np.inf))], "expected finite x_m"),
        ([AgentTrack("a", "vehicle", 0.0, (0, 0, 0), None, (np.inf, 0))], "velocity_world_mps"),
        ([AgentTrack("a", "vehicle", [0.0, 1], np.zeros((2, 3)), None, (1, 0))], "velocity: expected shape"),
        ([AgentTrack("a", "vehicle", 0.0, np.zeros(3, "M8[s]"))], "expected numbers, found datetime64"),
        ([Observation([], "vehicle", 0.0, (0, 0, 0))], "agent 0: agent_id"),
    ],
)
def test_tracks_that_are_none_are_refused_in_one_line(agents: object, message: str) -> None:
    with pytest.raises(SceneError, match=message) as caught:
        Scene.of(0.0, agents)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_generator_of_tracks_will_do() -> None:
    assert len(Scene.of(0.0, (AgentTrack(n, "vehicle", 0.0, (0, 0, 0)) for n in range(3)))) == 3  # type: ignore[arg-type]
