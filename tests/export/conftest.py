"""Small models, exported once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from forecast.cli.main import main
from forecast.model.network_registry import make_network
from forecast.prediction.checkpoint import save_checkpoint
from forecast.training.config import load_config

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'cab-forecast[onnx]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'cab-forecast[onnx]'")


@dataclass(frozen=True)
class Exported:
    """A checkpoint, and the file that `forecast export` made of it."""

    checkpoint: Path
    onnx: Path


@pytest.fixture(scope="session", params=["gain", "no_context", "query"])
def exported(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    small_settings: dict[str, object],
    small_query_settings: dict[str, object],
) -> Exported:
    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(3)
    config = load_config(request.param, settings=small_query_settings if request.param == "query" else small_settings)
    notes = {"epoch": 3, "config": {"data": {"dataroot": "/somebody/s/disk"}, "objective": {"name": request.param}}}
    files = Exported(folder / "best.safetensors", folder / "model.onnx")
    save_checkpoint(files.checkpoint, make_network(config.model), notes)
    assert main(["export", "--checkpoint", str(folder), "--out", str(files.onnx), "--samples", "64"]) == 0
    return files
