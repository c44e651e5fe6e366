"""Sets in nuScenes' form that are not quite nuScenes: what is missing, or taken in its place, is told."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.core.agents import AgentType, agent_type, known_type
from forecast.core.errors import DataError, DataWarning
from forecast.data.cache import Dataset, open_dataset

VERSION = "v1.0-mini"


def opened(root: Path, **options: Any) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return open_dataset(root, VERSION, **options)


def ego_x_m(dataset: Dataset) -> Any:
    tracks = dataset.tracks
    return tracks.row_position_m[tracks.track_categories[dataset.columns.row_track] == "vehicle.ego", 0]


def renamed(traffic: Any, names: dict[str, str]) -> None:
    for row in traffic.tables["category"]:
        row["name"] = names.get(row["name"], row["name"])


def test_a_whole_folder_of_official_scenes_is_not_remarked_on(traffic: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_dataset(traffic.write(), VERSION).remarks == ()


def test_another_sensor_stands_in_for_the_lidar(traffic: Any, capsys: pytest.CaptureFixture[str]) -> None:
    usual = ego_x_m(opened(traffic.write()))
    traffic.tables["sensor"][0]["channel"] = "LIDAR_ROOF"
    root = traffic.write()
    with pytest.warns(DataWarning, match="no key frames of LIDAR_TOP: the ego's poses are those of LIDAR_ROOF"):
        dataset = open_dataset(root, VERSION)
    assert np.array_equal(ego_x_m(dataset), usual)
    with warnings.catch_warnings():  # once, when the cache is made
        warnings.simplefilter("error")
        open_dataset(root, VERSION)
    assert main(["prepare", "--dataroot", str(root), "--version", VERSION]) == 0
    said = capsys.readouterr()
    assert said.out.count("note: no key frames of LIDAR_TOP") == 1
    assert said.err == ""


def test_the_sensor_can_be_named(traffic: Any) -> None:
    root = traffic.write()
    usual = ego_x_m(opened(root))
    camera = opened(root, ego_channel="CAM_FRONT")
    assert np.allclose(ego_x_m(camera) - usual, 0.2)
    assert camera.remarks == ()
    (root / VERSION / "forecast.yaml").write_text("ego_channel: CAM_FRONT\n")
    assert opened(root).fingerprint == camera.fingerprint
    with pytest.raises(DataError, match=r"sensor\.json: no channel 'CAM_FRNT'.*did you mean 'CAM_FRONT'"):
        opened(root, ego_channel="CAM_FRNT")


def test_the_sensor_of_most_key_frames_is_taken(traffic: Any) -> None:
    traffic.tables["sensor"][0]["channel"] = "LIDAR_ROOF"
    data = traffic.tables["sample_data"]
    traffic.tables["sample_data"] = [row for row in data if row["calibrated_sensor_token"] == "cam"] + data[:6:2]
    dataset = opened(traffic.write())
    assert "those of CAM_FRONT's key frames" in dataset.remarks[0]
    assert len(ego_x_m(dataset)) == 20


def test_what_is_missing_of_the_ego_is_told(traffic: Any) -> None:
    whole = list(traffic.tables["sample_data"])
    traffic.scene("scene-0916", 6)
    traffic.tables["sample_data"] = whole
    assert opened(traffic.write()).remarks == (
        "1 of 2 scenes have no ego (no key frames of LIDAR_TOP), e.g. scene-0916",
    )
    traffic.tables["sample_data"] = whole[:10]
    assert "15 key frames of 1 scenes have no ego" in opened(traffic.write()).remarks[1]
    traffic.tables["sample_data"] = []
    assert opened(traffic.write()).remarks[0].startswith("no ego: sample_data.json has no key frames of any sensor")


def test_common_names_of_categories_are_known_and_told(traffic: Any) -> None:
    usual = opened(traffic.write())
    names = {"vehicle.car": "car", "vehicle.bicycle": "bicycle", "human.pedestrian.adult": "pedestrian"}
    renamed(traffic, names)
    root = traffic.write()
    with pytest.warns(
        DataWarning, match=r"bicycle as cyclist \(1 tracks\), car as vehicle \(6 tracks\), pedestrian as"
    ):
        dataset = open_dataset(root, VERSION)
    assert np.array_equal(dataset.tracks.track_types, usual.tracks.track_types)
    assert len(dataset.samples("mini_val", dense=True)) == len(usual.samples("mini_val", dense=True))


def test_names_that_tell_nothing_are_told_and_can_be_said(traffic: Any) -> None:
    usual = opened(traffic.write()).tracks.track_types
    renamed(traffic, {"vehicle.car": "hovercraft", "vehicle.bicycle": "kick.scooter"})
    root = traffic.write()
    silent = opened(root)
    assert len(silent.remarks) == 1
    assert "not known count as other" in silent.remarks[0]
    assert "hovercraft (6 tracks), kick.scooter (1 tracks); say what they are" in silent.remarks[0]
    assert len(silent.samples("mini_val", dense=True)) == 0
    told = opened(root, categories={"hovercraft": "vehicle", "kick.scooter": "cyclist"})
    assert told.remarks == ()
    assert np.array_equal(told.tracks.track_types, usual)
    assert told.fingerprint != silent.fingerprint
    (root / VERSION / "forecast.yaml").write_text("categories:\n  hovercraft: vehicle\n  kick.scooter: cyclist\n")
    assert opened(root).fingerprint == told.fingerprint
    other = opened(root, categories={"kick.scooter": "other"})
    assert AgentType.CYCLIST not in other.tracks.track_types
    data = ["--dataroot", str(root), "--version", VERSION, "--split", "mini_val"]
    assert main(["baselines", *data, "--dense", "--out", str(root.parent / "b")]) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("categories: {car: automobile}", "categories: car: no kind .automobile.; "),
        ("categories: {boat: vehicle}", r"no category 'boat' in category\.json"),
        ("categorys: {}", "unknown field `categorys`"),
        ("- car", "Expected `object`"),
        ("ego_channel: [", "cannot be read as YAML"),
        ("ego_channel: LIDAR", r"no channel 'LIDAR'.*did you mean 'LIDAR_TOP'"),
        ("categories: {1: vehicle}", "Expected `str`"),
        ("", ""),
    ],
)
def test_a_file_that_says_something_else(traffic: Any, text: str, said: str) -> None:
    root = traffic.write()
    (root / VERSION / "forecast.yaml").write_text(text)
    if not said:
        assert opened(root).remarks == ()
        return
    with pytest.raises(DataError, match=said) as caught:
        opened(root)
    assert "\n" not in str(caught.value)
    assert str(root) in str(caught.value)


def test_scenes_of_no_split_are_told(traffic: Any) -> None:
    traffic.scene("drive-1", 4)
    traffic.scene("drive-2", 4)
    (remark,) = opened(traffic.write()).remarks
    assert remark.startswith("2 of 3 scenes are in no official split, e.g. drive-1, drive-2")


@pytest.mark.parametrize(
    "line", ["car truck bus other_vehicle emergency_vehicle: VEHICLE", "pedestrian: PEDESTRIAN",
             "bicycle motorcycle: CYCLIST", "animal: OTHER"]
)  # fmt: skip
def test_the_categories_of_lyft_level_5(line: str) -> None:
    names, kind = line.split(": ")
    assert {known_type(name) for name in names.split()} == {AgentType[kind]}


def test_other_spellings() -> None:
    assert known_type("Emergency Vehicle") == agent_type("REGULAR_VEHICLE") == AgentType.VEHICLE
    assert known_type("hovercraft") is None
    assert agent_type("hovercraft") == AgentType.OTHER


@pytest.mark.parametrize("fault", ["", "x, y, z, w", "y before x", "backwards"])
def test_headings_that_are_not_where_vehicles_drive_are_remarked_on(hand_written: Any, fault: str) -> None:
    hand_written.scene("scene-0103", 20)
    for lane in range(4):
        hand_written.agent(f"x{lane}", {k: (4.0 * k, 4.0 * lane, np.pi * (fault == "backwards")) for k in range(20)})
        hand_written.agent(f"y{lane}", {k: (200 + 4.0 * lane, 4.0 * k, np.pi / 2) for k in range(20)})
    for row in hand_written.tables["sample_annotation"]:
        if fault == "x, y, z, w":
            row["rotation"] = [*row["rotation"][1:], row["rotation"][0]]
        if fault == "y before x":
            x, y, z = row["translation"]
            row["translation"] = [y, x, z]
    remarks = opened(hand_written.write()).remarks
    told = [remark for remark in remarks if "are not where they drive" in remark]
    assert len(told) == (fault in ("x, y, z, w", "y before x"))
    assert len(remarks) == len(told)
    if told:
        assert "of 171 boxes of moving vehicles" in told[0]


def test_forecast_yaml_in_the_data_root_is_told_to_be_astray(traffic: Any) -> None:
    root = traffic.write()
    (root / "forecast.yaml").write_text("ego_channel: CAM_FRONT\n")
    with pytest.warns(DataWarning, match=r"forecast\.yaml: not read; it belongs beside the tables, in .*v1\.0-mini"):
        open_dataset(root, VERSION)
