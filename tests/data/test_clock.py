"""Time stamps of another unit, and key frames of another step, are refused before a figure is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.cli.main import main
from forecast.core.errors import DataError
from forecast.core.horizon import NUSCENES_HORIZON
from forecast.data.cache import open_dataset
from forecast.data.clock import check_microseconds
from forecast.prediction.physics import physics_forecasts

VERSION = "v1.0-mini"
UNITS = {"nanoseconds": 1000.0, "milliseconds": 1e-3, "seconds": 1e-6}


def scaled(traffic: Any, factor: float, scenes: str = "scene-") -> None:
    for row in traffic.tables["sample"]:
        if row["scene_token"].startswith(scenes):
            row["timestamp"] = round(row["timestamp"] * factor)


@pytest.mark.parametrize(("unit", "factor"), [("nanoseconds", 1000), ("milliseconds", 1e-3)])
@pytest.mark.parametrize("command", ["prepare", "baselines", "score", "train", "predict", "inspect", "draw"])
def test_every_command_refuses_another_unit_in_one_line(
    traffic: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], unit: str, factor: float, command: str
) -> None:
    scaled(traffic, factor)
    data = ["--dataroot", str(traffic.write()), "--version", VERSION]
    split = [*data, "--split", "mini_val", "--out", str(tmp_path / "out.json")]
    argv = {
        "prepare": data,
        "baselines": split,
        "score": [str(tmp_path / "f.json"), *split],
        "train": [*data, "--out", str(tmp_path / "run")],
        "predict": ["--checkpoint", "town", *split],
        "inspect": [*data, "--sample", "steady_scene-0103/9", "--out", str(tmp_path / "a.png")],
        "draw": ["town", *data, "--out", str(tmp_path / "a.png")],
    }[command]
    assert main([command, *argv]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "sample.json: the key frames of scene-0103 are" in said
    assert f"look like {unit}; expected microseconds" in said
    assert [path.name for path in tmp_path.iterdir()] == ["nuscenes"]


def test_one_scene_of_another_unit_is_enough(traffic: Any) -> None:
    traffic.scene("scene-0916", 6)
    scaled(traffic, 1000, "scene-0916")
    with pytest.raises(DataError, match=r"sample\.json: the key frames of scene-0916 .*nanoseconds.*1 of 2 scenes"):
        open_dataset(traffic.write(), VERSION)


def test_two_units_in_one_scene(traffic: Any) -> None:
    traffic.tables["sample"][-1]["timestamp"] *= 1000
    with pytest.raises(DataError, match=r"sample\.json: two successive key frames of scene-0103 .*days apart"):
        open_dataset(traffic.write(), VERSION)


def test_a_number_that_is_no_time(traffic: Any) -> None:
    traffic.tables["sample"][3]["timestamp"] = 10**30
    with pytest.raises(DataError, match=r"sample\.json: entry 3: timestamp 10+; expected microseconds"):
        open_dataset(traffic.write(), VERSION)


@given(step_s=st.floats(0.05, 2), jitter=st.floats(0, 0.2), unit=st.sampled_from(sorted(UNITS)))
def test_a_unit_is_told_whatever_the_step(step_s: float, jitter: float, unit: str) -> None:
    at_s = step_s * (np.arange(12) + jitter * np.sin(np.arange(12)))
    path, scene = Path("sample.json"), np.zeros(12, np.int32)
    check_microseconds(path, ["a"], scene, np.rint(at_s * 1e6).astype(np.int64))
    if unit == "seconds" and step_s < 1:
        return  # whole seconds: two key frames fall on one
    other = np.rint(at_s * 1e6 * UNITS[unit]).astype(np.int64)
    with pytest.raises(DataError, match="look like"):
        check_microseconds(path, ["a"], scene, other)


def test_steps_as_uneven_as_those_of_nuscenes_pass(traffic: Any) -> None:
    traffic.scene("scene-0916", 8, times_s=[0.0, 0.4, 0.9, 1.5, 1.95, 2.5, 2.9, 3.5])
    dataset = open_dataset(traffic.write(), VERSION)
    assert dataset.remarks == ()
    assert len(physics_forecasts(dataset.tracks, dataset.samples("mini_val", dense=True).rows)) == 5


def test_key_frames_at_10_hz_are_read_but_not_counted_as_half_seconds(
    traffic: Any, straight_path: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traffic.scene("scene-0553", 30, times_s=[0.1 * k for k in range(30)])
    traffic.agent("fast", straight_path(0, 29), scene="scene-0553")
    root = traffic.write()
    data = ["--dataroot", str(root), "--version", VERSION]
    assert main(["prepare", *data]) == 0
    capsys.readouterr()
    dataset = open_dataset(root, VERSION)
    assert dataset.samples("mini_train", dense=True)
    with pytest.raises(DataError, match=r"0\.10 s apart in scene-0553.*steps are 0\.5 s.*keep one every 0\.5 s"):
        physics_forecasts(dataset.tracks, dataset.samples("mini_train", dense=True).rows, NUSCENES_HORIZON)
    argv = ["baselines", *data, "--dense", "--out", str(tmp_path / "b"), "--split"]
    assert main([*argv, "mini_train"]) == 2
    assert f"{root / VERSION}: key frames are 0.10 s apart" in capsys.readouterr().err
    assert main([*argv, "mini_val"]) == 0  # whose scene is as it should be


def test_a_lost_key_frame_is_told(traffic: Any) -> None:
    traffic.scene("scene-0916", 8, times_s=[0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0])
    with pytest.warns(UserWarning, match=r"1 gaps between key frames .* the longest is 1\.00 s in scene-0916"):
        dataset = open_dataset(traffic.write(), VERSION)
    assert len(dataset.remarks) == 1
