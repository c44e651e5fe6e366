"""Logs of stacks: what is written is read again, the real ones too; what cannot be is refused in one line."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stack_messages import CAR, LEADS_S, WALKER, drive

from forecast.cli.main import main
from forecast.core.errors import MissingExtraError, SubmissionError
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import read_forecasts, read_truth, write_forecasts, write_truth
from forecast.eval.metric_list import metrics_of
from forecast.stack.apollo_files import ApolloLog, write_apollo
from forecast.stack.autoware_log import AutowareLog
from forecast.stack.autoware_types import PACKAGES
from forecast.stack.autoware_writer import AutowareMessages, write_bag
from forecast.stack.log_rows import LogRows, RowMessages
from forecast.stack.logs import is_log, log_forecasts, log_truth
from forecast.stack.message_checks import LogNotes, checked
from forecast.stack.stack_message import PredictedPath, StackMessage, StackObject

HERE = Path(__file__).parent


def rows_of(messages) -> ForecastRows:
    (rows,) = LogRows(checked(messages, LogNotes()), "made up").forecasts()
    return sorted_rows(rows)


def sorted_rows(rows: ForecastRows) -> ForecastRows:
    return rows.take(np.lexsort((rows.track, rows.issue_time_s)))


def same(one: ForecastRows, other: ForecastRows, *, probability: float = 0.0) -> None:
    one, other = sorted_rows(one), sorted_rows(other)
    np.testing.assert_array_equal(one.track, other.track)
    np.testing.assert_array_equal(one.issue_time_s, other.issue_time_s)
    np.testing.assert_allclose(one.lead_s, other.lead_s, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(one.positions_m, other.positions_m)
    np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=probability, atol=0)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("name", ["log.mcap", "bag"])
def test_a_bag_comes_back(tmp_path: Path, package: str, name: str) -> None:
    path = tmp_path / name
    assert write_bag(path, drive(), package=package) == {}
    assert is_log(path)
    read = list(AutowareLog(path).predicted())
    assert [message.time_s for message in read] == [message.time_s for message in drive()]
    for got, given_ in zip(read, drive(), strict=True):
        for one, other in zip(got.objects, given_.objects, strict=True):
            assert replace(one, paths=(), heading_rad=0, velocity_mps=(0, 0)) == replace(
                other, paths=(), heading_rad=0, velocity_mps=(0, 0)
            )
            assert one.heading_rad == pytest.approx(other.heading_rad, abs=1e-12)
            assert one.velocity_mps == pytest.approx(other.velocity_mps, abs=1e-12)
    same(rows_of(read), rows_of(drive()))  # 0.75 and 0.25 are exact in float32
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["messages.pb.txt", "messages.pb"])
def test_messages_of_apollo_come_back(tmp_path: Path, name: str) -> None:
    path, renamed = write_apollo(tmp_path / name, drive())
    assert path == tmp_path / "messages"
    assert is_log(path)
    assert set(renamed) == {CAR, WALKER}
    back = rows_of(ApolloLog(path).predicted())
    given_ = rows_of(drive())
    same(back, replace(given_, track=np.array([renamed[track] for track in given_.track])))


def test_tracked_objects_are_the_truth_and_else_what_forecasts_say(tmp_path: Path) -> None:
    moved = [
        StackMessage(
            m.time_s, m.where, tuple(replace(o, paths=(), position_m=(o.position_m[0] + 5, 0.0)) for o in m.objects)
        )
        for m in drive()
    ]
    write_bag(tmp_path / "forecasts.mcap", drive())
    write_bag(tmp_path / "tracks.mcap", moved, name="TrackedObjects")
    said, tracked = (log_truth(tmp_path / f"{name}.mcap")[0] for name in ("forecasts", "tracks"))
    np.testing.assert_array_equal(said.track, tracked.track)
    np.testing.assert_allclose(tracked.positions_m[:, 0], said.positions_m[:, 0] + 5)
    with pytest.raises(SubmissionError, match=r"holds no PredictedObjects .* holds /perception/.*TrackedObjects"):
        log_forecasts(tmp_path / "tracks.mcap")


def path_of(draw: st.DrawFn) -> PredictedPath:
    leads = np.round(0.1 * np.arange(1, draw(st.integers(2, 31))), 4)
    far = st.floats(-1e6, 1e6, allow_nan=False)
    points = np.array([(draw(far), draw(far)) for _ in leads])
    return PredictedPath(float(np.float32(draw(st.floats(0.01, 1)))), leads, points)


@st.composite
def logs(draw: st.DrawFn) -> list[StackMessage]:
    names = [str(uuid.UUID(int=number)) for number in draw(st.sets(st.integers(1, 9), min_size=1, max_size=3))]
    return [
        StackMessage(
            1000.0 + 0.25 * number,
            f"message {number}",
            tuple(
                StackObject(
                    name, (float(number), 1.0), paths=tuple(path_of(draw) for _ in range(draw(st.integers(1, 3))))
                )
                for name in names
            ),
        )
        for number in range(draw(st.integers(1, 3)))
    ]


@settings(max_examples=25, deadline=None)
@given(log=logs())
def test_any_log_goes_through_rows_and_both_formats(log: list[StackMessage], tmp_path_factory) -> None:
    folder, rows = tmp_path_factory.mktemp("log"), rows_of(log)
    write_bag(folder / "log.mcap", RowMessages([rows], None, "rows"))
    same(rows_of(AutowareLog(folder / "log.mcap").predicted()), rows)
    path, renamed = write_apollo(folder / "log.pb", RowMessages([rows], None, "rows"))
    same(rows_of(ApolloLog(path).predicted()), replace(rows, track=np.array([renamed[track] for track in rows.track])))
    write_forecasts(folder / "rows.parquet", rows)
    same(read_forecasts(folder / "rows.parquet"), rows)


def test_real_messages_of_apollo_go_through_and_come_back(tmp_path: Path, real_logs: Path) -> None:
    files = sorted((real_logs / "apollo" / "messages").glob("*.pb.txt"))
    assert len(files) == 35
    silent = 0
    for file in files:
        (message,) = ApolloLog(file).predicted()
        if not any(one.paths for one in message.objects):
            silent += 1
            continue
        rows = rows_of([message])
        for name in ("back.pb.txt", "back.pb"):
            write_apollo(tmp_path / name, [message])
            (again,) = ApolloLog(tmp_path / name).predicted()
            same(rows_of([again]), rows)
            assert [replace(one, paths=()) for one in again.objects] == [
                replace(one, paths=()) for one in message.objects
            ]
            write_apollo(tmp_path / name, RowMessages([rows], None, "rows"))
            same(rows_of(ApolloLog(tmp_path / name).predicted()), rows)
    assert silent == 1


def test_committed_messages_of_apollo() -> None:
    two = list(ApolloLog(HERE / "apollo").predicted())
    assert [len(message.objects) for message in two] == [1, 1]
    assert two[1].time_s == 1505164963.42
    assert two[1].objects[0].track == "1651"


def test_the_real_bag_goes_through_and_comes_back(tmp_path: Path, real_logs: Path) -> None:
    bag = real_logs / "autoware_bag"
    given_, notes = log_forecasts(bag)
    (rows,), truth = given_.forecasts(), log_truth(bag)[0]
    assert (notes.messages, notes.objects, len(rows)) == (37, 80, 80)
    for package in PACKAGES:
        write_bag(tmp_path / "back.mcap", RowMessages([rows], truth, "rows"), package=package)
        again, _ = log_forecasts(tmp_path / "back.mcap")
        same(next(again.forecasts()), rows)
        np.testing.assert_array_equal(log_truth(tmp_path / "back.mcap")[0].positions_m, truth.positions_m)


def test_scored_as_a_bag_as_messages_and_as_rows_it_is_the_same(tmp_path: Path, capsys) -> None:
    write_bag(tmp_path / "log.mcap", drive())
    write_apollo(tmp_path / "log.pb.txt", drive())
    assert (
        main(
            [
                "convert",
                str(tmp_path / "log.mcap"),
                str(tmp_path / "log.parquet"),
                "--truth-out",
                str(tmp_path / "t.csv"),
            ]
        )
        == 0
    )
    assert "20 messages with 40 objects" in capsys.readouterr().out
    found = []
    for forecasts, truth in (("log.mcap", "log.mcap"), ("log", "log"), ("log.parquet", "t.csv"), ("log.mcap", "t.csv")):
        out = tmp_path / "report.json"
        args = ["score", str(tmp_path / forecasts), "--truth", str(tmp_path / truth), "--out", str(out)]
        assert main(args) == 0
        found.append({name: json.loads(out.read_text())[name] for name in ("metrics", "temporal")})
    assert found[0] == found[1] == found[2] == found[3]
    for spec in metrics_of("agents", "points", "closest points", "pairs", "tracks"):
        if not spec.needs:
            figure = found[0]
            for key in spec.path:
                figure = figure[key]
            assert set(figure) == {"value", "count", "ci_low", "ci_high"}, spec.key
    assert found[0]["metrics"]["min_ade_1"]["value"] == pytest.approx(0.0, abs=1e-9)
    assert found[0]["temporal"]["dispersion_m"]["value"] == pytest.approx(0.0, abs=1e-9)


def changed(number: int, **changes) -> list[StackMessage]:
    log = list(drive())
    log[number] = replace(log[number], **changes)
    return log


def with_object(number: int, one: StackObject) -> list[StackMessage]:
    log = list(drive())
    log[number] = replace(log[number], objects=(*log[number].objects, one))
    return log


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (changed(7, time_s=1_599_999_000.0), "message 7: its time is 1e+03 s before that of a message before it"),
        (changed(0, time_s=0.0), "message 0: its time is 0 s; expected the clock of the log"),
        (with_object(3, StackObject(CAR, (0.0, 9.0))), f"message 3: object {CAR} is there 2 times"),
        (with_object(3, StackObject("x", (float("nan"), 9.0))), "object x has a position that is not a finite number"),
        (with_object(3, StackObject("x", (1e9, 9.0))), "object x is over 10,000 km out"),
        (
            with_object(3, StackObject("x", (1.0, 9.0), paths=(PredictedPath(-0.1, LEADS_S, np.zeros((6, 2))),))),
            "object x has a path of probability -0.1",
        ),
        (
            with_object(3, StackObject("x", (1.0, 9.0), paths=(PredictedPath(1, LEADS_S[::-1], np.zeros((6, 2))),))),
            "object x has a path whose times do not increase",
        ),
    ],
)
def test_what_cannot_be_is_refused(log: list[StackMessage], said: str) -> None:
    with pytest.raises(SubmissionError) as refused:
        list(checked(log, LogNotes()))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_another_message_of_the_same_time_is_refused() -> None:
    log = list(drive())
    other = replace(log[5], objects=(replace(log[5].objects[0], position_m=(1.0, 1.0)),), where="the other")
    with pytest.raises(
        SubmissionError, match=f"the other: says something else of object {CAR} than made up, message 5"
    ):
        list(checked([*log[:6], other], LogNotes()))


def test_late_messages_are_put_in_place() -> None:
    log = list(drive())
    assert [one.time_s for one in checked([*log[:5], log[6], log[5], *log[7:]], LogNotes())] == [
        one.time_s for one in log
    ]


def test_a_message_that_is_in_the_log_twice_counts_once_and_is_told() -> None:
    log = list(drive())
    notes = LogNotes()
    assert len(list(checked([*log[:5], log[4], *log[5:]], notes))) == len(log)
    assert "1 messages are in the log twice, and count once" in notes.lines()
    late = [*log[:5], log[6], log[5], *log[7:]]
    same(rows_of(late), rows_of(log))


def test_a_frame_that_moves_and_one_that_changes_are_refused(tmp_path: Path) -> None:
    bags = pytest.importorskip("rosbags.rosbag2")
    for frames, said in (
        (("base_link",), "which moves with the vehicle"),
        (("map", "odom"), "in frame 'odom', before in 'map'"),
    ):
        path = tmp_path / frames[-1].replace("/", "_")
        with bags.Writer(path, version=9) as writer:
            makes = [AutowareMessages(frame=frame) for frame in frames]
            connection = writer.add_connection(
                "/x", "autoware_perception_msgs/msg/PredictedObjects", typestore=makes[0].store
            )
            for made, message in zip(makes, drive(2), strict=False):
                writer.write(connection, round(message.time_s * 1e9), made.serialized(message, "PredictedObjects"))
        with pytest.raises(SubmissionError, match=said):
            list(AutowareLog(path).predicted())


def test_of_two_topics_one_has_to_be_named(tmp_path: Path, capsys) -> None:
    bags = pytest.importorskip("rosbags.rosbag2")
    path, made = tmp_path / "bag", AutowareMessages()
    with bags.Writer(path, version=9) as writer:
        for topic in ("/a", "/b"):
            connection = writer.add_connection(
                topic, "autoware_perception_msgs/msg/PredictedObjects", typestore=made.store
            )
            for message in drive(3 if topic == "/a" else 4):
                writer.write(connection, round(message.time_s * 1e9), made.serialized(message, "PredictedObjects"))
    assert main(["convert", str(path), str(tmp_path / "x.parquet")]) == 2
    assert "PredictedObjects are on /a, /b; say which with --topic" in capsys.readouterr().err
    assert main(["convert", str(path), str(tmp_path / "x.parquet"), "--topic", "/b"]) == 0
    assert "4 messages" in capsys.readouterr().out
    assert main(["convert", str(path), str(tmp_path / "x.parquet"), "--topic", "/c"]) == 2
    assert "topic /c has no PredictedObjects; /a, /b has" in capsys.readouterr().err
    report = ["--out", str(tmp_path / "r.json")]
    assert main(["score", str(path), "--truth", str(path), *report]) == 2
    assert "say which with --topic" in capsys.readouterr().err
    assert main(["score", str(path), "--truth", str(path), *report, "--topic", "/a", "--truth-topic", "/b"]) == 0
    write_bag(tmp_path / "one.mcap", drive())
    assert main(["convert", str(tmp_path / "one.mcap"), str(tmp_path / "x.parquet"), "--topic", "/c"]) == 2


@pytest.mark.parametrize("kept", [0.1, 0.6, 0.99])
def test_a_bag_that_is_cut_off_is_one_line(tmp_path: Path, kept: float, capsys) -> None:
    write_bag(tmp_path / "log.mcap", drive())
    whole = (tmp_path / "log.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: int(kept * len(whole))])
    assert main(["convert", str(tmp_path / "cut.mcap"), str(tmp_path / "x.parquet")]) == 2
    printed = capsys.readouterr().err
    assert "cut.mcap" in printed
    assert "mcap recover" in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "x.parquet").exists()


@pytest.mark.parametrize(
    "data", [b"", b"header {", b"prediction_obstacle { perception_obstacle { id: 1 } }", b"\xff\xfe"]
)
def test_a_message_of_apollo_that_is_none_is_one_line(tmp_path: Path, data: bytes, capsys) -> None:
    for name in ("x.pb.txt", "x.pb"):
        (tmp_path / name).write_bytes(data)
        assert main(["convert", str(tmp_path / name), str(tmp_path / "x.parquet")]) == 2
        printed = capsys.readouterr().err
        assert name in printed
        assert printed.count("\n") == 1


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_are_a_traceback(data: bytes, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    for name in ("x.pb.txt", "x.pb", "x.mcap"):
        (folder / name).write_bytes(data)
        with pytest.raises(SubmissionError):
            [read(folder / name) for read in (log_forecasts, log_truth)]


def test_leads_that_are_not_even_and_names_that_are_none(tmp_path: Path, capsys) -> None:
    rows = ForecastRows(["car 1"], [5.0], [0.5, 1.5], np.ones((1, 1, 2, 2)), [[1.0]])
    write_forecasts(tmp_path / "rows.parquet", rows)
    assert main(["convert", str(tmp_path / "rows.parquet"), str(tmp_path / "x.mcap")]) == 2
    assert "points at 0.5, 1.5 s; the format holds even steps" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "rows.parquet"), str(tmp_path / "x.pb")]) == 0
    printed = capsys.readouterr().out
    assert "paths are drawn back" in printed
    assert (tmp_path / "x.pb.tracks.csv").read_text().split() == ["track,written_as", "car", "1,2147483647"]
    same(rows_of(ApolloLog(tmp_path / "x.pb").predicted()), replace(rows, track=["2147483647"]))


def test_from_log_to_log_nothing_is_lost(tmp_path: Path, capsys) -> None:
    write_bag(tmp_path / "log.mcap", drive())
    assert main(["convert", str(tmp_path / "log.mcap"), str(tmp_path / "again.mcap")]) == 0
    assert list(map(plainly, AutowareLog(tmp_path / "again.mcap").predicted())) == list(
        map(plainly, AutowareLog(tmp_path / "log.mcap").predicted())
    )
    capsys.readouterr()


def plainly(message: StackMessage) -> list[StackObject]:
    return [replace(one, paths=(), velocity_mps=tuple(np.round(one.velocity_mps, 9))) for one in message.objects]


def test_the_truth_of_a_log_is_what_score_takes(tmp_path: Path) -> None:
    bags = pytest.importorskip("rosbags.rosbag2")
    made, path = AutowareMessages(), tmp_path / "both"
    with bags.Writer(path, version=9) as writer:
        for name, aside_m in (("PredictedObjects", 0.0), ("TrackedObjects", 1.05)):
            connection = writer.add_connection(f"/{name}", f"autoware_perception_msgs/msg/{name}", typestore=made.store)
            for message in drive():
                objects = tuple(
                    replace(one, position_m=(one.position_m[0], one.position_m[1] + aside_m)) for one in message.objects
                )
                data = made.serialized(replace(message, objects=objects), name)
                writer.write(connection, round(message.time_s * 1e9), data)
    rows, truth = tmp_path / "rows.parquet", tmp_path / "truth.parquet"
    assert main(["convert", str(path), str(rows), "--truth-out", str(truth)]) == 0
    found = []
    for forecasts, known in ((path, path), (rows, truth)):
        out = tmp_path / "report.json"
        assert main(["score", str(forecasts), "--truth", str(known), "--out", str(out)]) == 0
        found.append(json.loads(out.read_text())["metrics"]["min_ade_1"]["value"])
    assert found[0] == found[1] == pytest.approx(1.05)


def test_obstacles_of_apollo_are_where_they_were_seen(tmp_path: Path, capsys) -> None:
    """Perception is older than the message: positions and paths count from when the obstacle was seen."""
    late = [
        replace(
            message,
            time_s=message.time_s + 0.1,
            objects=tuple(replace(o, seen_s=message.time_s) for o in message.objects),
        )
        for message in drive()
    ]
    write_apollo(tmp_path / "log.pb", late)
    rows, notes = log_forecasts(tmp_path / "log")
    (forecasts,) = rows.forecasts()
    np.testing.assert_allclose(np.unique(forecasts.issue_time_s), [one.time_s for one in drive()], atol=1e-6)
    assert "100 ms in the median" in " ".join(notes.lines())
    assert (
        main(["score", str(tmp_path / "log"), "--truth", str(tmp_path / "log"), "--out", str(tmp_path / "r.json")]) == 0
    )
    assert json.loads((tmp_path / "r.json").read_text())["metrics"]["min_ade_1"]["value"] == pytest.approx(0, abs=1e-6)
    capsys.readouterr()


def test_who_stands_keeps_its_heading_along_its_path(tmp_path: Path) -> None:
    parked = StackObject(CAR, (5.0, 5.0), np.pi / 2, paths=(PredictedPath(1.0, LEADS_S, np.full((6, 2), 5.0)),))
    message = AutowareMessages().message(StackMessage(10.0, "parked", (parked,)), "PredictedObjects")
    (path,) = message.objects[0].kinematics.predicted_paths
    for pose in path.path:
        assert (pose.orientation.z, pose.orientation.w) == pytest.approx((np.sqrt(0.5), np.sqrt(0.5)))


def test_paths_whose_times_are_all_different_are_refused() -> None:
    def uneven() -> Iterator[StackMessage]:
        for number in range(200):
            leads = (0.2 + 1e-3 * number) * np.arange(1, 21)
            one = StackObject(CAR, (0.0, 0.0), paths=(PredictedPath(1.0, leads, np.ones((20, 2))),))
            yield StackMessage(100.0 + number, f"message {number}", (one,))

    with pytest.raises(SubmissionError, match="different times after their messages; expected steps that they share"):
        LogRows(uneven(), "a log")


def test_a_truth_that_does_not_fit_is_told(tmp_path: Path, capsys) -> None:
    (rows,) = LogRows(checked(drive(), LogNotes()), "made up").forecasts()
    write_forecasts(tmp_path / "r.parquet", rows)
    plain = TruthRows(
        [one.replace("-", "") for one in rows.track.tolist()], rows.issue_time_s, np.tile([3.0, 4.0], (len(rows), 1))
    )
    write_truth(tmp_path / "t.parquet", plain.__class__(plain.track[1:], plain.time_s[1:], plain.positions_m[1:]))
    convert = ["convert", str(tmp_path / "r.parquet"), str(tmp_path / "x.mcap"), "--truth", str(tmp_path / "t.parquet")]
    assert main(convert) == 0
    assert f"where 1 of {len(rows)} objects were is not told" in capsys.readouterr().out


def test_numbers_of_apollo_are_names_that_come_back(tmp_path: Path) -> None:
    names = ["7", "007", "-1", "99999999999"]
    log = [StackMessage(1.0, "x", tuple(replace(next(drive()).objects[0], track=name) for name in names))]
    path, renamed = write_apollo(tmp_path / "x.pb", log)
    assert set(renamed) == {"007", "-1", "99999999999"}
    (message,) = ApolloLog(path).predicted()
    assert len({one.track for one in message.objects}) == 4


def test_where_objects_are_comes_from_the_truth(tmp_path: Path) -> None:
    write_bag(tmp_path / "log.mcap", drive())
    assert (
        main(
            [
                "convert",
                str(tmp_path / "log.mcap"),
                str(tmp_path / "r.parquet"),
                "--truth-out",
                str(tmp_path / "t.parquet"),
            ]
        )
        == 0
    )
    assert (
        main(
            [
                "convert",
                str(tmp_path / "r.parquet"),
                str(tmp_path / "back.mcap"),
                "--truth",
                str(tmp_path / "t.parquet"),
            ]
        )
        == 0
    )
    np.testing.assert_array_equal(
        log_truth(tmp_path / "back.mcap")[0].positions_m[:4],
        read_truth(tmp_path / "t.parquet").positions_m[[0, 20, 1, 21]],
    )


def test_a_folder_that_holds_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "mine").touch()
    with pytest.raises(SubmissionError, match="holds no bag"):
        write_bag(tmp_path / "bag", drive())
    assert [one.name for one in tmp_path.iterdir()] == ["bag"]


def test_without_the_extra_the_command_that_installs_it_is_named(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "rosbags", None)
    monkeypatch.setitem(sys.modules, "rosbags.highlevel", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cab-forecast\[ros\]'"):
        AutowareLog(tmp_path / "x.mcap")


_LONG = """
import sys; sys.path.insert(0, {here!r})
import resource
from stack_messages import drive
from forecast.stack.autoware_writer import write_bag
from forecast.stack.logs import log_forecasts
write_bag({path!r}, drive(100_000, step_s=0.1))
rows, notes = log_forecasts({path!r})
count = sum(len(piece) for piece in rows.forecasts())
assert (notes.messages, count) == (100_000, 199_998), (notes.messages, count)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_a_hundred_thousand_messages_in_bounded_memory(tmp_path: Path) -> None:
    code = _LONG.format(here=str(HERE.parent / "support"), path=str(tmp_path / "long.mcap"))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=True
    )
    assert int(done.stdout.split()[-1]) < 1200  # MiB, torch and the truth among them
