"""Baselines and scores on real data, against the devkit and against known figures."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from forecast.cli.main import main

ROOT = os.environ.get("NUSCENES_DATAROOT")
pytestmark = pytest.mark.skipif(not ROOT, reason="NUSCENES_DATAROOT is not set")
VERSION = "v1.0-mini"


def arguments(split: str) -> list[str]:
    assert ROOT
    return ["--dataroot", ROOT, "--version", VERSION, "--split", split]


@pytest.mark.parametrize(
    ("split", "count", "velocity", "oracle"),
    [("mini_val", 61, (5.483, 13.439), (3.909, 9.534)), ("mini_train", 780, (4.786, 11.151), (3.949, 9.257))],
)
def test_baselines_score_as_published(tmp_path, split, count, velocity, oracle):
    assert main(["baselines", *arguments(split), "--out", str(tmp_path)]) == 0
    assert len(list(tmp_path.glob("*.json"))) == 5
    for name, figures in {"constant_velocity_heading": velocity, "physics_oracle": oracle}.items():
        out = tmp_path / "report.json"
        assert main(["score", str(tmp_path / f"{name}.json"), *arguments(split), "--out", str(out)]) == 0
        metrics = json.loads(out.read_text())["metrics"]
        assert metrics["min_ade_1"]["count"] == count
        assert metrics["min_ade_1"]["value"] == pytest.approx(figures[0], abs=1e-3)
        assert metrics["min_fde_1"]["value"] == pytest.approx(figures[1], abs=1e-3)


def test_kinematics_agree_with_the_devkit():
    from nuscenes import NuScenes
    from nuscenes.prediction import PredictHelper
    from nuscenes.prediction.models.physics import _kinematics_from_tokens

    from forecast.data.cache import open_dataset
    from forecast.prediction.physics import kinematics

    dataset = open_dataset(ROOT, VERSION)
    samples = dataset.samples("mini_val", dense=True)
    now = kinematics(dataset.tracks, samples.rows)
    helper = PredictHelper(NuScenes(VERSION, ROOT, verbose=False))
    for index, token in enumerate(samples.tokens(dataset.tracks)):
        x, y, _, _, _, _, speed, yaw_rate, acceleration, yaw = _kinematics_from_tokens(helper, *token.split("_"))
        np.testing.assert_allclose(now.position_m[index], [x, y], rtol=0, atol=1e-9)
        # The devkit subtracts float seconds since 1970, whose grain is 2.4e-7 s: up to 1e-6 of every time difference.
        # Rates carry that once; acceleration, a difference of two speeds, carries the speeds' share over half a second.
        assert now.speed_mps[index] == pytest.approx(speed, rel=2e-6, abs=1e-9)
        assert now.yaw_rate_radps[index] == pytest.approx(yaw_rate, rel=2e-6, abs=1e-9)
        assert now.acceleration_mps2[index] == pytest.approx(acceleration, rel=2e-6, abs=1e-8 + 4e-6 * speed)
        assert np.cos(now.heading_rad[index] - yaw) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [(("--split", "mini_vall"), "mini_val"), (("--version", "v9"), "v9"), (("--dataroot", "/nowhere"), "nowhere")],
)
def test_mistakes_are_one_line(tmp_path, capsys, change, said):
    given = arguments("mini_val")
    given[given.index(change[0]) + 1] = change[1]
    assert main(["baselines", *given, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
