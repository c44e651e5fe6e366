import json
import os
from pathlib import Path

import pytest

from forecast.cli.main import main


@pytest.fixture
def sample():
    folder = os.environ.get("NUSCENES_DATAROOT")
    if not folder:
        pytest.skip("NUSCENES_DATAROOT is not set")
    listed = json.loads(Path(folder, "maps/prediction/prediction_scenes.json").read_text())
    return folder, next(tokens[0] for tokens in listed.values() if tokens)


@pytest.mark.parametrize("crop", ["paper", "default"])
def test_inspect_writes_a_picture(sample, tmp_path, crop):
    dataroot, tokens = sample
    out = tmp_path / "seen.png"
    arguments = ["--dataroot", dataroot, "--version", "v1.0-mini", "--cache", str(tmp_path), "--crop", crop]
    assert main(["inspect", *arguments, "--sample", tokens, "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_malformed_sample_is_one_line(tmp_path, capsys):
    arguments = ["--dataroot", str(tmp_path), "--version", "v1.0-mini", "--out", "x.png", "--sample", "token"]
    assert main(["inspect", *arguments]) == 2
    assert "INSTANCE_SAMPLE" in capsys.readouterr().err
