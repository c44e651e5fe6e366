"""Recordings for Rerun, written and read back without a viewer."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from forecast.cli.main import main


def _draw(town, dense_file: Path, out: Path) -> int:
    data = ["--dataroot", str(town.root), "--version", "v1.0-mini", "--split", "mini_val"]
    return main(["draw", str(dense_file), *data, "--out", str(out)])


def test_without_rerun_the_message_names_its_command(
    town, dense_file: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert _draw(town, dense_file, tmp_path / "scene.rrd") == 2
    said = capsys.readouterr().err
    assert said == "forecast: this needs rerun, which is not installed: pip install 'cab-forecast[rerun]'\n"
    assert not list(tmp_path.iterdir())


def test_a_recording_holds_the_scene(town, dense_file: Path, tmp_path: Path) -> None:
    rerun = pytest.importorskip("rerun", reason="rerun-sdk is not installed: pip install 'cab-forecast[rerun]'")
    with warnings.catch_warnings():
        warnings.simplefilter("error", rerun.error_utils.RerunWarning)
        assert _draw(town, dense_file, tmp_path / "scene.rrd") == 0
    recording = rerun.dataframe.load_recording(tmp_path / "scene.rrd")
    table = recording.view(index="time", contents="/**").select().read_all()
    frames = town.dataset.tracks.frames_of(str(town.dataset.scenes_of("mini_val")[0]))
    assert table.num_rows == len(frames)
    assert {"/agents:HalfSize3D", "/forecasts:LineStrip3D", "/truth:LineStrip3D"} <= set(table.column_names)
    boxes = table["/agents:PoseTranslation3D"].to_pylist()
    tracks = town.dataset.tracks
    for frame, row in zip(frames.tolist(), boxes, strict=True):
        here = tracks.row_position_m[tracks.row_sample == frame]
        assert len(row) == len(here)
        # Distances stay what they are, wherever the origin lies.
        drawn = np.array(row)[:, :2]
        np.testing.assert_allclose(np.ptp(drawn, axis=0), np.ptp(here, axis=0), atol=1e-3)
