"""What a command takes as MODEL: a run, an exported file, a function of the user's own; and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.data.synthetic.town_writer import write_town
from forecast.eval.forecasts import read_forecasts

OWN = """
import torch
from forecast.core.forecast import Forecast


def still(batch):
    return Forecast(torch.zeros(len(batch), 2, 12, 2), torch.tensor([0.75, 0.25]).expand(len(batch), 2))


def wrong_shape(batch):
    return Forecast(torch.zeros(len(batch), 2, 7, 2), torch.full((len(batch), 2), 0.5))


def raises(batch):
    raise RuntimeError("no\\nluck")


def nothing(batch):
    return None


def configured(batch):
    return still(batch)


configured.config = {}
number = 3
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("town")
    write_town(folder, scenes=2, seed=3)
    return ["--dataroot", str(folder), "--version", "v1.0-mini"]


@pytest.fixture(autouse=True)
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_model.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_model", raising=False)


def predict(model: str | Path, data: list[str], out: Path, *more: str) -> int:
    return main(["predict", "--checkpoint", str(model), *data, "--split", "mini_train", "--out", str(out), *more])


def test_an_exported_file_predicts_as_its_weights_do(exported, data, tmp_path):
    for name, model in {"weights": exported.checkpoint, "file": exported.onnx}.items():
        assert predict(model, data, tmp_path / f"{name}.parquet", "--dense") == 0
    weights, file = (read_forecasts(tmp_path / f"{name}.parquet") for name in ("weights", "file"))
    assert file.track.tolist() == weights.track.tolist()
    np.testing.assert_allclose(file.positions_m, weights.positions_m, atol=1e-3)
    np.testing.assert_allclose(file.probabilities, weights.probabilities, atol=1e-4)
    assert main(["draw", str(exported.onnx), *data, "--out", str(tmp_path / "scene.png")]) == 0


def test_a_function_of_ones_own_predicts(data, tmp_path):
    assert predict("own_model:still", data, tmp_path / "still.parquet", "--dense") == 0
    found = read_forecasts(tmp_path / "still.parquet")
    assert found.covariances_m2 is None
    np.testing.assert_allclose(found.probabilities, [[0.75, 0.25]] * len(found), atol=1e-6)
    # Who stands still in the agent frame stays at its pose, in the world.
    assert np.ptp(found.positions_m, axis=2).max() < 1e-6
    assert np.ptp(found.positions_m[..., 0], axis=0).max() > 1
    assert main(["draw", "own_model:still", *data, "--out", str(tmp_path / "scene.png")]) == 0


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("own_model:wrong_shape", [], "gave positions"),
        ("own_model:raises", [], "RuntimeError: no luck"),
        ("own_model:nothing", [], "gave NoneType; expected a forecast.core.forecast.Forecast"),
        ("own_model:number", [], "is int; expected a function of a batch"),
        ("own_model:configured", [], "config is dict; expected a function of a batch"),
        ("own_model:absent", [], "own_model has no absent"),
        ("nowhere:f", [], "nowhere cannot be imported (ModuleNotFoundError"),
        ("own_model:still", ["--null-context"], "cannot be asked without context"),
        ("own_model:still", ["--merge-radius-m", "1"], "a merge radius goes with weights"),
        ("no.onnx", [], "no.onnx: no such file"),
    ],
)
def test_mistakes_are_one_line(name, more, told, data, tmp_path, capsys):
    assert predict(name, data, tmp_path / "f.parquet", *more) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("forecast: ")]
    assert told in line
    assert not (tmp_path / "f.parquet").exists()


def test_an_exported_file_has_no_network_without_context(exported, data, tmp_path, capsys):
    assert predict(exported.onnx, data, tmp_path / "f.parquet", "--null-context") == 2
    assert "holds no network without context" in capsys.readouterr().err


def test_info_tells_what_an_exported_file_is(exported, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["info", str(exported.onnx), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts["outputs"]) >= {"probabilities"}
    assert facts["parameters"] is None or facts["parameters"] > 0
    assert "validation at epoch 3" in facts
    assert list(facts["files"]) == ["model.onnx"]
