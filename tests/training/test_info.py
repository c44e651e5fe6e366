"""``forecast info MODEL``: what it tells of a run is what the run holds."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from forecast.cli.main import main
from forecast.prediction.checkpoint import load_checkpoint
from forecast.training import run as runs
from forecast.training.config import load_config


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, small_settings: dict[str, object], made_up: Any) -> Path:
    config = load_config("gain", settings={**small_settings, "run.monitor": "fde_ml"})
    out = tmp_path_factory.mktemp("info") / "run"
    return runs.train_on(config, out, made_up(32), made_up(8, seed=1), None, progress=False, data_fingerprint="abc123")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(model: str | Path) -> dict[str, Any]:
        capsys.readouterr()
        assert main(["info", str(model), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return call


def test_a_run_tells_parameters_configuration_data_epochs_scores_and_files(run: Path, told: Any) -> None:
    facts = told(run)
    model = load_checkpoint(run).model
    assert facts["parameters"] == sum(one.numel() for one in model.parameters())
    assert sum(facts["parameters by part"].values()) == facts["parameters"]
    assert facts["configuration"]["objective.name"] == "gain"
    assert facts["configuration"]["run.epochs"] == 4
    assert facts["data"]["fingerprint"] == "abc123"
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    best = min(rows, key=lambda row: float(row["val/fde_ml"]))
    assert facts["epochs"]["done"] == "4 of 4"
    assert facts["epochs"]["best"].startswith(f"{best['epoch']}, by the least val/fde_ml")
    assert facts["epochs"]["of these weights"] == int(best["epoch"])
    scores = facts[f"validation at epoch {best['epoch']}"]
    assert scores["val/ade_ml"] == f"{float(best['val/ade_ml']):.3f} m"
    assert scores["val/nll"].endswith(" nats")
    assert {"best.safetensors", "config.yaml", "metrics.csv"} <= set(facts["files"])


def test_a_file_of_weights_tells_of_itself(run: Path, told: Any) -> None:
    facts = told(run / "last.safetensors")
    assert facts["epochs"] == {"of these weights": 4}
    assert list(facts["files"]) == ["last.safetensors"]


def test_shipped_weights_are_told_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "town"]) == 0
    lines = capsys.readouterr().out.splitlines()
    parameters = sum(one.numel() for one in load_checkpoint("town").model.parameters())
    assert f"parameters: {parameters:,}" in lines
    assert any(line.split() == ["network", "query"] for line in lines)


def test_what_is_no_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
