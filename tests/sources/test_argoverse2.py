"""Argoverse 2: scenarios at 10 Hz as key frames of the model, the truth as the files have it, maps as layers."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecast.cli.main import main
from forecast.core.agents import AgentType
from forecast.core.errors import DataError
from forecast.data.argoverse2.archive_map import load_archive
from forecast.data.argoverse2.scenario_file import read_scenario
from forecast.data.cache import open_dataset
from forecast.data.dataset import AgentDataset
from forecast.data.maps.sources import open_map


def test_key_frames_are_counted_from_the_present(argoverse: Path) -> None:
    dataset = open_dataset(argoverse)
    tracks = dataset.tracks
    steps = [int(token.partition(":t")[2]) for token in tracks.sample_tokens.tolist()]
    assert steps == [*range(4, 110, 5)] * 2
    assert (np.diff(tracks.sample_time_us[:22]) == 500_000).all()
    assert tracks.sample_time_us[9] == 315_968_000_000_000 + 49 * 100_000


def test_positions_are_those_of_the_files_and_rates_look_back(argoverse: Path) -> None:
    dataset = open_dataset(argoverse)
    batch = AgentDataset.of(dataset, dataset.samples("all")).batch([0])
    assert batch.track_tokens == ("one:focal",)
    assert batch.sample_tokens == ("one:t49",)
    at = np.array([0.01 * k * k for k in (24, 29, 34, 39, 44, 49)])
    assert batch.pose_world[0].tolist() == [at[-1], -2.0, 0.049]
    velocity_mps = np.diff(at) / 0.5
    turn = np.cos(0.049)
    np.testing.assert_allclose(batch.history[0, :, 2], velocity_mps * turn, rtol=1e-6)
    np.testing.assert_allclose(batch.history[0, 1:, 4], np.diff(velocity_mps) / 0.5 * turn, rtol=1e-5)
    np.testing.assert_allclose(batch.history[0, :, 7], 0.005 / 0.5, rtol=1e-5)
    ahead = np.array([0.01 * k * k for k in range(54, 110, 5)]) - at[-1]
    np.testing.assert_allclose(batch.future[0, :, 0], ahead * turn, rtol=1e-6)
    assert batch.future_valid.all()


def test_a_step_that_was_not_seen_is_a_gap(argoverse: Path) -> None:
    """Seen at every third step: of the key frames only at those that both counts hit."""
    dataset = open_dataset(argoverse)
    tracks = dataset.tracks
    track = tracks.track_tokens.tolist().index("one:gappy")
    rows = slice(*tracks.first_row[track : track + 2])
    assert (tracks.row_sample[rows] * 5 + 4).tolist() == [k for k in range(4, 60, 5) if k % 3 == 0]


def test_kinds_of_agents(argoverse: Path) -> None:
    tracks = open_dataset(argoverse).tracks
    found = dict(zip(tracks.track_tokens.tolist(), tracks.track_types.tolist(), strict=True))
    expected = {
        "focal": AgentType.VEHICLE,
        "AV": AgentType.VEHICLE,
        "bus": AgentType.VEHICLE,
        "walker": AgentType.PEDESTRIAN,
        "rider": AgentType.CYCLIST,
        "cone": AgentType.OTHER,
    }
    assert {name: found[f"one:{name}"] for name in expected} == expected
    assert "one:brief" not in found, "seen between key frames alone"
    ego = tracks.track_categories[tracks.track_tokens.tolist().index("one:AV")]
    assert ego == "vehicle.ego"


def test_samples(argoverse: Path) -> None:
    dataset = open_dataset(argoverse)
    tracks = dataset.tracks
    assert dataset.splits == ("all", "all_scored")
    assert dataset.samples("all").track_tokens(tracks) == ["one:focal", "two:focal"]
    assert dataset.samples("all_scored").track_tokens(tracks)[:2] == ["one:focal", "one:walker"]
    dense = dataset.samples("all", dense=True)
    assert set(dense.track_tokens(tracks)[: len(dense) // 2]) == {
        f"one:{name}" for name in ("focal", "walker", "rider", "bus", "gappy")
    }
    assert set(dataset.samples("all").rows) < set(dense.rows)


def test_official_layout(tmp_path: Path, twin: Callable[..., Any]) -> None:
    for split, name in (("train", "one"), ("val", "two"), ("test", "three")):
        twin(name, steps=50 if split == "test" else 110).write(tmp_path, split)
    dataset = open_dataset(tmp_path)
    assert dataset.splits == ("test", "test_scored", "train", "train_scored", "val", "val_scored")
    assert dataset.scenes_of("val") == ("two",)
    assert dataset.load_map("three").name == "three"
    with pytest.raises(DataError, match=r"no split 'vall'; did you mean 'val'\?"):
        dataset.samples("vall")


def test_a_scenario_without_future_is_forecast(tmp_path: Path, twin: Callable[..., Any]) -> None:
    twin("blindly", steps=50).write(tmp_path)
    dataset = open_dataset(tmp_path)
    batch = AgentDataset.of(dataset, dataset.samples("all_scored")).batch(range(2))
    assert not batch.future_valid.any()
    assert batch.history_valid.all()
    whole = tmp_path / "whole"
    twin("blindly").write(whole)
    other = open_dataset(whole)
    same = AgentDataset.of(other, other.samples("all_scored")).batch(range(2))
    for name in ("history", "neighbours", "pose_world", "neighbour_types"):
        assert (getattr(batch, name) == getattr(same, name)).all(), name


def test_truth_has_the_rate_of_the_files(argoverse: Path) -> None:
    dataset = open_dataset(argoverse)
    truth = dataset.truth()
    focal = truth.track == "two:focal"
    assert focal.sum() == 110
    order = np.argsort(truth.time_s[focal])
    np.testing.assert_allclose(np.diff(truth.time_s[focal][order]), 0.1, atol=1e-6)
    assert truth.positions_m[focal][order][:, 0].tolist() == [0.01 * k * k for k in range(110)]
    tracks = dataset.tracks
    key_frames = {
        (token, time) for token, time in zip(tracks.track_tokens[tracks.row_track], tracks.row_time_us, strict=True)
    }
    fine = set(zip(truth.track.tolist(), np.rint(truth.time_s * 1e6).astype(np.int64).tolist(), strict=True))
    assert key_frames <= fine


@pytest.mark.parametrize(("step_s", "count"), [(0.1, 110), (0.2, 55), (1.0, 11)])
def test_other_steps(argoverse: Path, step_s: float, count: int) -> None:
    dataset = open_dataset(argoverse, step_s=step_s)
    assert len(dataset.tracks.sample_tokens) == 2 * count
    assert dataset.samples("all").sample_tokens(dataset.tracks) == ["one:t49", "two:t49"]
    assert dataset.fingerprint != open_dataset(argoverse).fingerprint


@pytest.mark.parametrize("step_s", [0.0, 0.25, -0.5, float("nan")])
def test_steps_that_the_files_do_not_have(argoverse: Path, step_s: float) -> None:
    with pytest.raises(DataError, match=r"step_s .*multiple of 0\.1 s"):
        open_dataset(argoverse, step_s=step_s)


def test_workers_map_the_same_arrays(argoverse: Path) -> None:
    dataset = open_dataset(argoverse)
    again = pickle.loads(pickle.dumps(dataset))
    assert (again.tracks.row_position_m == dataset.tracks.row_position_m).all()
    assert again.load_map("two").layers == dataset.load_map("two").layers


def spoiled(folder: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    path = next(folder.glob("scenario_*.parquet"))
    pq.write_table(change(pq.read_table(path)), path)
    return path


def with_value(name: str, row: int, value: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table.column(name).to_pylist()
        values[row] = value
        return table.set_column(table.column_names.index(name), name, pa.array(values))

    return change


def whole_column(name: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, pa.array([value] * table.num_rows))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["heading"]), "no column 'heading'; a scenario has observed,"),
        (lambda table: table.slice(0, 0), "holds no rows"),
        (with_value("position_x", 7, float("nan")), "row 7: position_x is nan; expected a finite number"),
        (with_value("position_y", 3, None), "row 3: position_y is empty"),
        (with_value("timestep", 5, 110), "row 5: timestep is 110; expected a step from 0 to 109"),
        (with_value("timestep", 5, 4), "row 5: track focal a second time at timestep 4"),
        (with_value("scenario_id", 9, "two"), "row 9: scenario_id is two, in row 0 it is one"),
        (with_value("object_type", 2, "bus"), "object_type is .*; expected one type for all rows of a track"),
        (whole_column("observed", False), "no row is observed"),
        (whole_column("focal_track_id", "nobody"), "focal_track_id 'nobody' is no track_id"),
        (whole_column("timestep", "now"), "timestep holds string; expected whole numbers"),
        (whole_column("end_timestamp", 1.0), "expected 0.1 s, with time stamps in nanoseconds"),
        (whole_column("num_timestamps", 0), "num_timestamps is 0"),
        (whole_column("scenario_id", "other"), "scenario_id 'other'; expected that of its folder, 'one'"),
        (whole_column("focal_track_id", "brief"), "focal track brief is not seen at timestep 49"),
    ],
)
def test_one_line_on_what_is_wrong(argoverse: Path, change: Callable[[pa.Table], pa.Table], message: str) -> None:
    spoiled(argoverse / "one", change)
    with pytest.raises(DataError, match=message) as caught:
        open_dataset(argoverse)
    assert "\n" not in str(caught.value)
    assert "one" in str(caught.value)


def test_no_parquet(argoverse: Path) -> None:
    (argoverse / "one" / "scenario_one.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"scenario_one\.parquet: no Parquet file that can be read") as caught:
        open_dataset(argoverse)
    assert "\n" not in str(caught.value)


def test_one_scenario_in_two_splits(tmp_path: Path, twin: Callable[..., Any]) -> None:
    for split in ("train", "val"):
        twin("one").write(tmp_path, split)
    with pytest.raises(DataError, match="scenario one a second time"):
        open_dataset(tmp_path)


def said_of(read: Callable[[], Any]) -> tuple[str, Any]:
    """What a reader refuses, if it does, and what it gives."""
    try:
        return "", read()
    except DataError as refused:
        return str(refused), None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_values_are_read_or_refused_in_one_line(argoverse: Path, tmp_path: Path, data: st.DataObject) -> None:
    table = pq.read_table(argoverse / "one" / "scenario_one.parquet")
    name = data.draw(st.sampled_from(table.column_names))
    values = st.one_of(
        st.integers(-(2**63), 2**63 - 1).map(lambda v: [v]),
        st.floats().map(lambda v: [v]),
        st.text(max_size=5).map(lambda v: [v]),
        st.booleans().map(lambda v: [v]),
        st.none().map(lambda v: [v]),
    )
    (value,) = data.draw(values)
    path = tmp_path / "scenario.parquet"
    column = pa.array([value] * table.num_rows)
    pq.write_table(table.set_column(table.column_names.index(name), name, column), path)
    refused, scenario = said_of(lambda: read_scenario(path))
    assert "\n" not in refused
    if scenario is None:
        return
    assert np.isfinite(scenario.row_position_m).all()
    assert scenario.row_step.min() >= 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), byte=st.integers(0, 255))
def test_a_damaged_map_is_read_or_refused_in_one_line(argoverse: Path, cut: float, byte: int) -> None:
    path = argoverse / "two" / "log_map_archive_two.json"
    sound = path.read_bytes()
    spoiled = argoverse / "log_map_archive_spoiled.json"
    at = int(cut * (len(sound) - 1))
    spoiled.write_bytes(sound[:at] + bytes([byte]) + sound[at + 1 :])
    refused, _ = said_of(lambda: load_archive(spoiled).layers)
    assert "\n" not in refused


def test_layers_of_a_map(argoverse: Path) -> None:
    town = load_archive(argoverse / "one" / "log_map_archive_one.json")

    def area(layer: str) -> float:
        return float(shapely.area(town.geometries(layer)).sum())

    assert town.name == "one"
    assert area("drivable_area") == 250 * 12
    assert area("lane") == 3 * 250 * 4, "the bicycle lane is none"
    assert area("ped_crossing") == 12 * (4 + 3), "whichever way round the second edge is written"
    assert [line.length for line in town.geometries("road_divider")] == [250], "shared by two lanes, drawn once"
    (divider,) = town.geometries("lane_divider")
    assert set(divider.coords) == {(-50.0, -4.0), (200.0, -4.0)}, "the road's edge parts no lanes"
    starts = [line.coords[0] for line in town.geometries("lane_centre")]
    assert starts == [(-50.0, -2.0), (200.0, 2.0), (-50.0, -6.0)], "in driving direction"
    assert len(town.geometries("road_segment")) == len(town.geometries("lane_connector")) == 0


def test_a_map_is_known_by_what_it_holds(argoverse: Path, tmp_path: Path) -> None:
    copy = tmp_path / "roads.json"
    shutil.copy(argoverse / "one" / "log_map_archive_one.json", copy)
    assert len(open_map(copy).geometries("lane")) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda town: town.pop("lane_segments"), "missing required field `lane_segments`"),
        (lambda town: town["drivable_areas"]["1"].pop("area_boundary"), "missing required field `area_boundary`"),
        (lambda town: town["drivable_areas"]["1"]["area_boundary"].__delitem__(slice(2, None)), "1: 2 points"),
        (lambda town: town["lane_segments"]["10"]["left_lane_boundary"][0].update(x="east"), "Expected `float`"),
        (lambda town: town["lane_segments"]["12"]["right_lane_boundary"].clear(), "lane_segments 12: 0 points"),
    ],
)
def test_one_line_on_what_is_wrong_with_a_map(
    argoverse: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    path = argoverse / "one" / "log_map_archive_one.json"
    town = json.loads(path.read_text())
    change(town)
    path.write_text(json.dumps(town))
    with pytest.raises(DataError, match=message) as caught:
        _ = open_dataset(argoverse).load_map("one").layers
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_map_is_told_when_it_is_needed(argoverse: Path) -> None:
    (argoverse / "one" / "log_map_archive_one.json").unlink()
    with pytest.raises(DataError, match=r"no map at .*log_map_archive_one\.json"):
        open_dataset(argoverse).load_map("one")


def test_nothing_is_written_into_a_scenario(argoverse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = argoverse / "one" / "forecasts.parquet"
    where = ["--dataroot", str(argoverse), "--split", "all"]
    assert main(["predict", *where, "--checkpoint", "town", "--out", str(out)]) == 2
    assert "lies within the data set" in capsys.readouterr().err
    assert not out.exists()


def test_training_needs_no_version(argoverse: Path, tmp_path: Path) -> None:
    small = "--model.decoder_size 8 --model.modes 3 --run.epochs 1 --run.batch_size 4 --run.accelerator cpu".split()
    dense = ["--data.dense", "true"]
    where = ["--dataroot", str(argoverse), "--cache", str(tmp_path / "cache")]
    assert main(["train", "--config", "trajectron", *where, *dense, *small, "--out", str(tmp_path / "run")]) == 0
    assert "version: argoverse2" in (tmp_path / "run" / "config.yaml").read_text()


def test_its_scenes_and_agents_are_listed_by_the_names_that_commands_take(
    argoverse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed(*arguments: str) -> list[dict[str, object]]:
        capsys.readouterr()
        assert main(["list", *arguments, "--dataroot", str(argoverse), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    dataset = open_dataset(argoverse)
    scenes = listed("scenes")
    assert [one["scene"] for one in scenes] == dataset.tracks.scene_names.tolist()
    agents = listed("agents", "--scene", str(scenes[0]["scene"]))
    assert {one["agent"] for one in agents} <= set(dataset.tracks.track_tokens.tolist())
    assert len(agents) >= int(str(scenes[0]["agents"])) > 0
