"""The monitor: its signals are those of the metrics, alarms come where a drive is not as the reference was."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from stack_messages import CAR, WALKER, drive

from forecast.cli.main import main
from forecast.core.errors import DataError
from forecast.core.rows import ForecastRows
from forecast.data.maps.sources import PolygonMap
from forecast.eval.comfort import extended_comfort
from forecast.eval.forecasts import write_forecasts
from forecast.eval.overlap import mode_flips, shifted_overlap, successive_pairs
from forecast.prediction.collisions import overlapping
from forecast.stack.autoware_writer import write_bag
from forecast.stack.drive_monitor import SIGNALS, Finding, Monitor
from forecast.stack.road_places import on_road_of
from forecast.stack.stack_message import StackMessage
from forecast.stack.thresholds import Thresholds
from forecast.stack.watched import Watched, of_message, of_rows

LEADS_S = 0.5 * np.arange(1, 13)


def cycle(time_s: float, *, agents: int = 6, flicker: float = 0.0, seed: int = 0, modes: int = 3) -> Watched:
    """Agents that drive straight on side by side; with flicker they choose a mode by chance."""
    rng = np.random.default_rng(seed)
    speed = rng.uniform(4, 12, agents)
    now = np.stack([speed * time_s, 10.0 * np.arange(agents)], -1)
    share = np.linspace(1.0, 1.6, modes)
    ways = (speed[:, None] * share)[..., None] * LEADS_S
    paths = now[:, None, None] + np.stack([ways, 0 * ways], -1)
    odds = np.tile(np.r_[0.6, np.full(modes - 1, 0.4 / (modes - 1))], (agents, 1))
    by_time = np.random.default_rng([seed, round(time_s * 1000)])
    for row in np.flatnonzero(by_time.random(agents) < flicker):
        odds[row] = odds[row, ::-1]
    return Watched(
        time_s, [f"car {n}" for n in range(agents)], LEADS_S, paths, odds, np.c_[now, np.zeros(agents)],
        np.tile([4.5, 1.9], (agents, 1)),
    )  # fmt: skip


def rows_of(cycles: list[Watched]) -> ForecastRows:
    return ForecastRows(
        np.concatenate([one.ids for one in cycles]),
        np.repeat([one.time_s for one in cycles], [len(one.ids) for one in cycles]),
        LEADS_S,
        np.concatenate([one.positions_m for one in cycles]),
        np.concatenate([one.probabilities for one in cycles]),
    )


def random_cycles(count: int = 8) -> list[Watched]:
    rng, found = np.random.default_rng(0), []
    for number in range(count):
        one = cycle(0.5 * number, flicker=0.5)
        noise = rng.normal(0, 0.6, (*one.positions_m.shape[:2], 1, 2)) * LEADS_S[:, None]
        found.append(replace(one, positions_m=one.positions_m + noise))
    return found


def test_signals_are_those_of_the_metrics() -> None:
    cycles = random_cycles()
    rows, monitor = rows_of(cycles), Monitor()
    pairs = successive_pairs(rows)
    found = [monitor.update(one) for one in cycles]
    of = {
        "overlap_m": shifted_overlap(rows, pairs).values,
        "flips": mode_flips(rows, pairs).values,
        "discomfort": 1 - extended_comfort(rows, pairs).values,
    }
    for number, one in enumerate(found[1:], 1):
        mine = rows.issue_time_s[pairs.later] == cycles[number].time_s
        for name, values in of.items():
            assert one.signals[name] == pytest.approx(values[mine].mean()), name
    assert set(found[0].signals) == {"meets", "silent"}


def test_between_steps_the_earlier_forecast_is_read_between_its_points() -> None:
    monitor = Monitor()
    for number in range(20):
        found = monitor.update(cycle(0.13 * number))
    assert found.signals["overlap_m"] == pytest.approx(0.0, abs=1e-9)
    assert found.signals["flips"] == 0.0


def test_meets_and_off_road() -> None:
    one = cycle(0.0, agents=4)
    paths, pose = one.positions_m.copy(), one.pose_world.copy()
    pose[1] = 20, 0, 0  # stands ahead of the first one
    paths[1] = pose[1, :2]
    found = Monitor().update(replace(one, positions_m=paths, pose_world=pose)).signals["meets"]
    ahead = np.diff(np.concatenate([pose[:, None, :2], paths[:, 0]], 1), axis=1)
    assert found == overlapping(paths[:, 0], np.arctan2(ahead[..., 1], ahead[..., 0]), pose, one.size_m).mean() == 0.5
    road = PolygonMap("road", {"drivable_area": [shapely.box(-10, -5, 40, 45)]})
    found = Monitor(on_road=on_road_of(road)).update(one)
    leaves = (one.positions_m[:, 0, :, 0] > 40).any(1)
    assert found.signals["off_road"] == pytest.approx(leaves.mean())
    assert 0 < leaves.mean() < 1
    elsewhere = PolygonMap("utm", {"drivable_area": [shapely.box(499_990, 4_000_000, 500_040, 4_000_045)]})
    far = np.array([500_000.0, 4_000_005.0, 0.0])
    moved = replace(one, positions_m=one.positions_m + far[:2], pose_world=one.pose_world + far)
    assert Monitor(on_road=on_road_of(elsewhere)).update(moved).signals["off_road"] == pytest.approx(leaves.mean())


def test_who_falls_silent_counts_for_three_seconds() -> None:
    monitor = Monitor()
    monitor.update(cycle(0.0, agents=6))
    shares = [monitor.update(cycle(time_s, agents=3)).signals["silent"] for time_s in (0.5, 2.9, 3.1)]
    assert shares == [0.5, 0.5, 0.0]


def test_limits_are_what_hardly_any_cycle_of_the_reference_goes_beyond() -> None:
    signals = [{"overlap_m": float(number)} for number in range(1, 101)]
    assert Thresholds.learnt(signals, quantile=0.99).limits == {"overlap_m": 100.0}
    assert Thresholds.learnt(signals, quantile=0.5).limits == {"overlap_m": 51.0}
    with pytest.raises(ValueError, match="0 cycles"):
        Thresholds.learnt([])


def learnt(flicker: float, count: int = 200) -> Thresholds:
    monitor = Monitor()
    return Thresholds.learnt([monitor.update(cycle(0.5 * n, flicker=flicker)).signals for n in range(count)])


def test_an_alarm_takes_some_of_the_last_cycles_and_none_comes_on_a_drive_as_usual() -> None:
    limits = learnt(0.1)
    usual = Monitor(limits)
    found = [usual.update(cycle(0.5 * n, flicker=0.1, seed=1)) for n in range(200)]
    assert not any(one.alarms for one in found)
    broken = Monitor(limits)
    before = [broken.update(cycle(0.5 * n, flicker=0.1)) for n in range(20)]
    after = [broken.update(cycle(0.5 * n, flicker=0.9 if n % 2 else 0.05)) for n in range(20, 40)]
    assert not any(one.alarms for one in before)
    first = next(number for number, one in enumerate(after) if "flips" in one.alarms)
    assert 2 <= first <= 6
    assert sum("flips" in one.above for one in after[: first + 1]) >= 3


def test_one_agent_none_and_new_ones() -> None:
    monitor, empty = Monitor(), cycle(0.0, agents=1)
    nobody = Watched(0.5, [], LEADS_S, np.zeros((0, 3, 12, 2)), np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 2)))
    assert monitor.update(empty).signals == {"silent": 0.0}
    assert monitor.update(nobody).signals == {"silent": 1.0}
    assert monitor.update(cycle(1.0)).agents == 6


def test_where_all_forecasts_vanish_all_tracks_are_silent(tmp_path: Path) -> None:
    gone = [
        replace(message, objects=tuple(replace(one, paths=()) for one in message.objects)) if n >= 10 else message
        for n, message in enumerate(drive(20))
    ]
    write_bag(tmp_path / "gone.mcap", gone)
    assert main(["monitor", str(tmp_path / "gone.mcap"), "--out", str(tmp_path / "found.jsonl")]) == 0
    found = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [one["agents"] for one in found] == [2] * 10 + [0] * 10
    assert [one["signals"]["silent"] for one in found[10:16]] == [1.0] * 6


def test_cycles_of_other_steps_are_not_compared() -> None:
    monitor = Monitor()
    for number in range(6):
        one = cycle(0.5 * number)
        if number % 2:
            one = replace(one, lead_s=one.lead_s / 2, positions_m=one.positions_m)
        assert "overlap_m" not in monitor.update(one).signals
    monitor.update(cycle(3.0))
    assert monitor.update(cycle(3.5)).signals["overlap_m"] == pytest.approx(0.0, abs=1e-9)


def test_short_paths_meet_too() -> None:
    one = cycle(0.0, agents=4)
    paths, pose = one.positions_m.copy(), one.pose_world.copy()
    pose[1] = 12, 0, 0
    paths[1] = pose[1, :2]
    paths[:2, :, 6:] = np.nan
    assert Monitor().update(replace(one, positions_m=paths, pose_world=pose)).signals["meets"] == 0.5


def test_limits_of_another_interval_and_of_no_signal_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Monitor(interval_s=-1.0)
    with pytest.raises(ValueError, match="learnt at an interval of one step of the leads, asked for 1 s"):
        Monitor(Thresholds({"flips": 0.5}), interval_s=1.0)
    with pytest.raises(ValueError, match="'overlap', which is no signal"):
        Monitor(Thresholds({"overlap": 0.5}))


def test_what_cannot_be_told_is_said(tmp_path: Path, capsys) -> None:
    write_forecasts(tmp_path / "r.parquet", rows_of([cycle(0.5 * n) for n in range(3)]))
    assert main(["monitor", str(tmp_path / "r.parquet"), "--interval-s", "30", "--out", str(tmp_path / "x")]) == 0
    printed = capsys.readouterr().out
    assert "overlap_m    cannot be told: no forecasts of one agent are an interval apart" in printed
    assert "off_road     cannot be told: there is no --map" in printed


def test_cycles_come_in_order_and_leads_are_even() -> None:
    monitor = Monitor()
    monitor.update(cycle(1.0))
    with pytest.raises(ValueError, match="expected later"):
        monitor.update(cycle(1.0))
    with pytest.raises(ValueError, match="expected even steps"):
        monitor.update(replace(cycle(2.0), lead_s=np.array([0.5, 1.0, 2.0, *range(3, 12)], dtype=float)))


def test_logs_and_rows_are_looked_at_alike() -> None:
    watched = [of_message(message) for message in drive()]
    assert [one.ids for one in watched[:18]] == [[CAR, WALKER]] * 18
    assert watched[0].positions_m.shape == (2, 2, 6, 2)
    assert np.isnan(watched[0].positions_m[1, 0, 4:]).all()
    assert watched[-1].ids == [CAR]
    cycles = [cycle(0.5 * number) for number in range(5)]
    again = list(of_rows(rows_of(cycles)))
    for one, other in zip(cycles, again, strict=True):
        np.testing.assert_array_equal(one.positions_m, other.positions_m)
        np.testing.assert_allclose(other.pose_world, one.pose_world, atol=1e-9)


def swapped(message: StackMessage) -> StackMessage:
    """The same with the other mode the likelier one, where there are two."""
    objects = [
        replace(one, paths=tuple(replace(path, probability=1 - path.probability) for path in one.paths))
        if len(one.paths) > 1
        else one
        for one in message.objects
    ]
    return replace(message, objects=tuple(objects))


def test_the_command_learns_and_watches(tmp_path: Path, capsys) -> None:
    write_bag(tmp_path / "usual.mcap", drive(60))
    write_bag(tmp_path / "odd.mcap", [swapped(message) if n % 2 else message for n, message in enumerate(drive(60))])
    limits = tmp_path / "limits.json"
    assert main(["monitor", str(tmp_path / "usual.mcap"), "--learn", str(limits)]) == 0
    assert "60 cycles, 2.0 agents a cycle" in capsys.readouterr().out
    lines, bag = tmp_path / "found.jsonl", tmp_path / "found.mcap"
    args = ["monitor", str(tmp_path / "odd.mcap"), "--thresholds", str(limits), "--out", str(lines), "--mcap", str(bag)]
    assert main(args) == 0
    assert "alarm in" in capsys.readouterr().out
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert len(found) == 60
    assert "overlap_m" in found[-1]["alarms"]
    highlevel = pytest.importorskip("rosbags.highlevel")
    with highlevel.AnyReader([bag]) as reader:
        arrays = [reader.deserialize(raw, one.msgtype) for one, _, raw in reader.messages()]
    assert len(arrays) == 60
    last = {status.name: status for status in arrays[-1].status}
    assert last["forecasts: overlap_m"].level == 2
    assert float(last["forecasts: overlap_m"].values[0].value) == pytest.approx(
        found[-1]["signals"]["overlap_m"], rel=1e-4
    )
    same = main(["monitor", str(tmp_path / "usual.mcap"), "--thresholds", str(limits), "--out", str(lines)])
    assert same == 0
    assert not any(json.loads(line)["alarms"] for line in lines.read_text().splitlines())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "say what to do: --learn FILE"),
        (["--learn", "l.json", "--alarm", "5/3"], "--alarm 5/3: expected N/M"),
        (["--learn", "l.json", "--quantile", "2"], "quantile 2"),
        (["--thresholds", "none.json", "--out", "x"], "none.json"),
        (["--out", "x", "--interval-s", "-1"], "expected seconds above 0"),
    ],
)
def test_a_mistake_is_one_line(options, said, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_forecasts("r.parquet", rows_of([cycle(0.5 * n) for n in range(3)]))
    assert main(["monitor", "r.parquet", *options]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


def test_a_file_that_holds_no_limits(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"limits": 3}')
    with pytest.raises(DataError, match="no file of thresholds"):
        Thresholds.read(tmp_path / "x.json")
    limits = Thresholds({"flips": 0.5}, 2, 4, 0.9, 17)
    limits.write(tmp_path / "y.json")
    assert Thresholds.read(tmp_path / "y.json") == limits


def test_findings_are_plain() -> None:
    found = Monitor().update(cycle(0.0))
    assert isinstance(found, Finding)
    assert set(found.signals) <= set(SIGNALS)


def run_example(log: Path, out: Path) -> list[str]:
    example = Path(__file__).parents[2] / "examples" / "autoware_loop.py"
    done = subprocess.run(
        [sys.executable, str(example), str(log), str(out)], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_the_example_forecasts_a_bag(tmp_path: Path) -> None:
    tracks, out = tmp_path / "tracks.mcap", tmp_path / "out.mcap"
    write_bag(tracks, drive(), name="TrackedObjects")
    assert len(run_example(tracks, out)) == 21
    assert main(["score", str(out), "--truth", str(tracks), "--out", str(tmp_path / "r.json")]) == 0


def test_the_example_forecasts_the_real_bag(tmp_path: Path, real_logs: Path) -> None:
    bag, out = real_logs / "autoware_bag", tmp_path / "out.mcap"
    lines = run_example(bag, out)
    assert len(lines) == 38
    assert json.loads(lines[0])["agents"] > 0
    assert main(["score", str(out), str(bag), "--truth", str(bag), "--out", str(tmp_path / "r.json")]) == 0
