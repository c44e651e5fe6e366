"""The exported file answers as the model does, whatever the numbers of agents and neighbours, and says what it is."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from forecast.cli.main import main
from forecast.core.batch import AgentBatch
from forecast.core.errors import CheckpointError
from forecast.core.forecast import Forecast
from forecast.data.synthetic.town_writer import write_town
from forecast.export.exported_network import example_batch, input_specs, output_specs
from forecast.export.onnx_file import write_metadata, write_onnx
from forecast.export.parity import POSITION_BAR_M, PROBABILITY_BAR, Parity, compare, varied_batches
from forecast.prediction.checkpoint import load_checkpoint
from forecast.prediction.onnx_predictor import METADATA_KEY, OnnxPredictor
from forecast.prediction.predictor import Predictor

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'cab-forecast[onnx]'")


@pytest.mark.parametrize(("agents", "neighbours"), [(1, 0), (1, 1), (7, 3), (64, 0), (500, 0), (500, 12)])
def test_agents_and_neighbours_are_free(exported, agents: int, neighbours: int) -> None:
    model = Predictor.load(exported.checkpoint)
    batch = example_batch(model.model.config, batch=agents, neighbours=neighbours, seed=agents)
    found = compare(model, OnnxPredictor(exported.onnx), [batch], "made-up agents")
    assert found.samples == agents
    assert found.accepted


@pytest.mark.parametrize("agents", [1, 2, 33, 100])
def test_threads_share_the_agents_and_keep_their_order(exported, agents: int) -> None:
    config = Predictor.load(exported.checkpoint).model.config
    batch = example_batch(config, batch=agents, neighbours=3, seed=agents)
    one, three = (OnnxPredictor(exported.onnx, threads=threads).predict(batch) for threads in (1, 3))
    torch.testing.assert_close(three.positions_m, one.positions_m)
    torch.testing.assert_close(three.covariances_m2, one.covariances_m2)
    again = OnnxPredictor(exported.onnx, threads=3).predict(batch)
    assert torch.equal(again.positions_m, three.positions_m)


def test_nobody_has_no_forecast(exported) -> None:
    model = Predictor.load(exported.checkpoint)
    nobody = example_batch(model.model.config, batch=1, neighbours=2)[0:0]
    forecast = OnnxPredictor(exported.onnx).predict(nobody)
    for name in ("positions_m", "probabilities", "headings_rad", "covariances_m2"):
        assert getattr(forecast, name).shape == getattr(model.predict(nobody), name).shape


def test_padding_of_neighbours_changes_nothing(exported) -> None:
    predictor = OnnxPredictor(exported.onnx)
    config = Predictor.load(exported.checkpoint).model.config
    wide = example_batch(config, batch=4, neighbours=6)
    empty = {"neighbours": wide.neighbours.clone(), "neighbours_valid": wide.neighbours_valid.clone()}
    types = wide.neighbour_types.clone()
    if types.shape[1]:
        empty["neighbours"][:, 3:], empty["neighbours_valid"][:, 3:], types[:, 3:] = 0, False, -1
    padded = AgentBatch(**{**wide.tensors(), **empty, "neighbour_types": types})
    cut = {name: value[:, :3] for name, value in {**empty, "neighbour_types": types}.items()}
    narrow = AgentBatch(**{**wide.tensors(), **cut})
    torch.testing.assert_close(predictor.predict(padded).positions_m, predictor.predict(narrow).positions_m)


def test_the_file_says_what_it_is(exported) -> None:
    model = onnx.load(exported.onnx)
    config = Predictor.load(exported.checkpoint).model.config
    said = json.loads({entry.key: entry.value for entry in model.metadata_props}[METADATA_KEY])
    assert said["channels"]["names"][:2] == ["x", "y"]
    assert said["steps"] == {"step_s": 0.5, "history_steps": 4, "future_steps": 12, "history_rows": 5}
    assert said["units"]["speed"] == "m/s"
    assert set(said["versions"]) == {"cab-forecast", "torch", "onnx"}
    assert said["modes"] == config.answered_modes
    assert (said["crop"] is None) == (not config.uses_map)
    assert said["normalisation"]["neighbour_radius_m"] == {"vehicle": 30.0, "pedestrian": 20.0}
    assert said["parity"]["accepted"]
    assert said["parity"]["samples"] == 64
    assert said["checkpoint"]["sha256"] == hashlib.sha256(exported.checkpoint.read_bytes()).hexdigest()
    assert "somebody" not in json.dumps(said)
    for values, specs, part in (
        (model.graph.input, input_specs(config), "inputs"),
        (model.graph.output, output_specs(config), "outputs"),
    ):
        assert [value.name for value in values] == list(specs) == list(said[part])
        for value in values:
            axes = [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
            assert axes == [int(axis.split("=")[1]) if "=" in axis else axis for axis in said[part][value.name]["axes"]]
            assert value.doc_string


@pytest.fixture
def export(exported, tmp_path: Path, monkeypatch) -> Callable[..., int]:
    """`forecast export` of the same checkpoint again, without tracing it again."""
    monkeypatch.setattr("forecast.export.onnx_file.onnx_model", lambda _: onnx.load(exported.onnx))
    arguments = ["--checkpoint", str(exported.checkpoint), "--out", str(tmp_path / "again.onnx")]
    return lambda *options: main(["export", *arguments, *map(str, options)])


@pytest.fixture
def altered(exported, tmp_path: Path):
    """A checkpoint beside a file whose network answers something else: its matrices are off."""
    model = onnx.load(exported.onnx)
    for weight in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.ndim == 2 and values.dtype == np.float32:
            weight.CopyFrom(onnx.numpy_helper.from_array(values * np.float32(1.05), weight.name))
    write_onnx(tmp_path / "altered.onnx", model)
    return tmp_path / "altered.onnx"


def test_a_difference_is_found(exported, altered: Path) -> None:
    model = Predictor.load(exported.checkpoint)
    batch = example_batch(model.model.config, batch=16, neighbours=3)
    found = compare(model, OnnxPredictor(altered), [batch], "made-up agents")
    assert found.position_m > POSITION_BAR_M
    assert not found.accepted


@pytest.mark.parametrize(("position_m", "probability"), [(2e-3, 0.0), (0.0, 2e-4), (float("nan"), 0.0)])
def test_what_is_too_far_off_is_not_written(
    export, tmp_path: Path, monkeypatch, capsys, position_m: float, probability: float
) -> None:
    off = Parity(1, "made-up agents", position_m, probability, 0.0, 0.0)
    monkeypatch.setattr("forecast.export.parity.compare", lambda *_: off)
    assert export() == 2
    assert "not written" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_differences_are_the_largest_over_everything() -> None:
    torch.manual_seed(0)
    covariances = torch.eye(2).expand(2, 3, 4, 2, 2).clone()
    parts = [torch.randn(2, 3, 4, 2), torch.full((2, 3), 1 / 3), torch.randn(2, 3, 4), covariances]

    class Fixed:
        def __init__(self, tensors: list[torch.Tensor]) -> None:
            self.forecast = Forecast(*tensors)

        def predict(self, batch: AgentBatch) -> Forecast:
            return self.forecast

    moved = [part.clone() for part in parts]
    moved[0][1, 2, 3] += torch.tensor([0.3, 0.4])
    moved[1][1, 1] += 0.01
    moved[2][0, 0, 0] += 2 * torch.pi + 0.2
    moved[3][1, 1, 1, 0, 1] = 0.5
    found = compare(Fixed(parts), Fixed(moved), [example_batch_of_two()], "")
    assert found.position_m == pytest.approx(0.5, abs=1e-5)
    assert found.probability == pytest.approx(0.01, abs=1e-6)
    assert found.heading_rad == pytest.approx(0.2, abs=1e-5)
    assert found.covariance == pytest.approx(0.25, abs=1e-6)
    assert found.merged_otherwise == 0

    moved[0] = parts[0].clone()
    otherwise = compare(Fixed(parts), Fixed(moved), [example_batch_of_two()], "")
    assert (otherwise.merged_otherwise, otherwise.probability, otherwise.covariance) == (1, 0.0, 0.0)
    assert not otherwise.accepted
    assert replace(otherwise, samples=200, heading_rad=0.0).accepted


def example_batch_of_two() -> AgentBatch:
    from forecast.model.cvae_config import CVAEConfig

    return example_batch(CVAEConfig(uses_map=False), batch=2, neighbours=0)


def test_made_up_agents_are_such_that_rounding_does_not_grow() -> None:
    """Else nobody could export the weights that come with the package without a data set."""
    checkpoint = load_checkpoint("town", merge_radius_m=0.0)
    batch = example_batch(checkpoint.model.config, batch=200, neighbours=12)
    with torch.inference_mode():
        single, double = checkpoint.model.predict(batch), checkpoint.model.double().predict(batch)
    assert (single.positions_m - double.positions_m).norm(dim=-1).max() < POSITION_BAR_M / 2
    assert (single.probabilities - double.probabilities).abs().max() < PROBABILITY_BAR / 2


@pytest.mark.parametrize(("size", "wanted", "expected"), [(5000, 1000, 1000), (61, 1000, 61), (1, 1, 1)])
def test_batches_take_each_sample_once_at_even_distances(size: int, wanted: int, expected: int) -> None:
    taken: list[int] = []
    lengths = {len(part) for part in varied_batches(size, wanted, lambda part: taken.extend(part) or part)}
    assert len(set(taken)) == len(taken) == expected
    assert (taken[0], taken[-1]) == (0, size - 1)
    assert len(lengths) > 1 or expected == 1


def test_export_compares_on_a_data_set(export, tmp_path: Path, capsys) -> None:
    write_town(tmp_path / "town", scenes=2, seed=1, workers=1)
    data = ["--dataroot", tmp_path / "town", "--version", "v1.0-mini", "--split", "mini_val"]
    assert export("--samples", 70, *data) == 0
    assert "70 agent-samples of v1.0-mini mini_val" in capsys.readouterr().out
    assert OnnxPredictor(tmp_path / "again.onnx").metadata["parity"]["samples"] == 70


def test_parity_on_real_agents(export, nuscenes_dataroot: Path, capsys) -> None:
    data = ["--dataroot", nuscenes_dataroot, "--version", "v1.0-mini", "--split", "mini_train"]
    assert export(*data) == 0
    assert "1,000 agent-samples of v1.0-mini mini_train" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--dataroot", "somewhere"], "--version, --split missing"),
        (["--samples", "0"], "--samples 0"),
        (["--checkpoint", "nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_a_mistake_is_one_line(export, capsys, options: list[str], said: str) -> None:
    assert export(*options) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_names_the_command_that_installs_it(export, monkeypatch, capsys, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert export() == 2
    printed = capsys.readouterr().err
    assert printed == f"forecast: this needs {package}, which is not installed: pip install 'cab-forecast[onnx]'\n"


def test_a_file_of_somebody_else_is_refused(exported, tmp_path: Path) -> None:
    model = onnx.load(exported.onnx)
    newer = json.loads(model.metadata_props[0].value) | {"metadata_version": 99}
    write_metadata(model, newer)
    write_onnx(tmp_path / "newer.onnx", model)
    del model.metadata_props[:]
    write_onnx(tmp_path / "foreign.onnx", model)
    (tmp_path / "cut.onnx").write_bytes(exported.onnx.read_bytes()[:-500])
    for name, said in {
        "newer": "metadata version 99",
        "foreign": "not one of 'forecast export'",
        "cut": "ONNX Runtime cannot read it",
        "none": "no such file",
    }.items():
        with pytest.raises(CheckpointError, match=said) as refused:
            OnnxPredictor(tmp_path / f"{name}.onnx")
        assert "\n" not in str(refused.value)
