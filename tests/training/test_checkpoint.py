"""Checkpoints: what is saved comes back, and nothing else is accepted."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import forecast
from forecast.core.errors import CheckpointError
from forecast.model.cvae import CVAE
from forecast.prediction.checkpoint import _digest, load_checkpoint, save_checkpoint
from forecast.prediction.predictor import Predictor
from forecast.training.config import load_config


@pytest.fixture
def saved(tmp_path: Path, small_settings) -> Path:
    config = load_config("gain", settings=small_settings)
    save_checkpoint(tmp_path / "best.safetensors", CVAE(config.model), {"epoch": 3})
    return tmp_path / "best.safetensors"


def test_weights_and_notes_come_back(saved: Path, made_up) -> None:
    loaded = load_checkpoint(saved.parent)
    assert loaded.notes == {"epoch": 3}
    assert not loaded.model.training
    torch.testing.assert_close(dict(loaded.model.state_dict()), load_file(saved))


def _no_version(path: Path) -> None:
    save_file({"a": torch.zeros(2)}, path, {"kind": "cab-forecast", "format_version": "two", "header": "{}"})


def _tampered_tensor(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def _foreign(path: Path) -> None:
    save_file({"a": torch.zeros(2)}, path)


def _other_version(path: Path) -> None:
    save_file({"a": torch.zeros(2)}, path, {"kind": "cab-forecast", "format_version": "99", "header": json.dumps({})})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_tampered_tensor, "checksum"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "not a whole safetensors file"),
        (lambda path: path.write_bytes(b""), "not a whole safetensors file"),
        (lambda path: torch.save({"a": 1}, path), "not a whole safetensors file"),
        (_foreign, "not one of this package's"),
        (_other_version, "format version 99, .* a newer one wrote it: pip install --upgrade"),
        (_no_version, "format version two, this package reads 1 to 4"),
        (lambda path: path.unlink(), "is it a run of"),
    ],
)
def test_anything_else_is_refused_in_one_line(saved: Path, damage, message: str) -> None:
    damage(saved)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(saved.parent)
    assert "\n" not in str(caught.value)


def _rewritten(path: Path, version: int, change: Callable[[dict], dict], tensors: dict | None = None) -> None:
    """Write a checkpoint as an earlier format did."""
    with safe_open(path, framework="pt") as opened:
        metadata = dict(opened.metadata())
    tensors = load_file(path) if tensors is None else tensors
    told = json.dumps(change(json.loads(metadata["header"])), sort_keys=True)
    changed = {"format_version": str(version), "header": told, "sha256": _digest(tensors, told)}
    save_file(tensors, path, {**metadata, **changed})


def _as_format_1(path: Path) -> None:
    def change(header: dict) -> dict:
        model = {key: value for key, value in header["model"].items() if key != "network"}
        return {"model": {**model, "own_blind": False}, "notes": header["notes"]}

    _rewritten(path, 1, change)


def test_files_of_the_earlier_format_are_read(saved: Path) -> None:
    now = load_checkpoint(saved)
    _as_format_1(saved)
    before = load_checkpoint(saved)
    assert (now.written_by, before.written_by) == (forecast.__version__, "unknown")
    assert (now.model.config, now.notes) == (before.model.config, before.notes)
    torch.testing.assert_close(now.model.state_dict(), before.model.state_dict())


def test_a_header_that_was_altered_is_refused_in_the_earlier_format_too(saved: Path) -> None:
    _as_format_1(saved)
    content = saved.read_bytes()
    assert content.count(b"decoder_size") == 1
    saved.write_bytes(content.replace(b"decoder_size", b"decoder_sise"))
    with pytest.raises(CheckpointError, match="checksum"):
        load_checkpoint(saved)


def test_a_twin_inside_a_file_of_format_2_is_split_off_and_can_be_asked(saved: Path, small_settings, made_up) -> None:
    model = load_checkpoint(saved).model
    torch.manual_seed(5)
    twin = CVAE(model.config.without_context()).eval()
    tensors = {**model.state_dict(), **{f"blind.{name}": tensor for name, tensor in twin.state_dict().items()}}

    def change(header: dict) -> dict:
        sections = {"objective": {"name": "cab", "blind_weight": 1.0, "weighted_odds": True}}
        notes = {"metrics": {"val_blind/ade_ml": 3.0}, "config": sections}
        model = {key: value for key, value in header["model"].items() if key != "network"}
        return {"model": {**model, "own_blind": True}, "notes": notes, "written_by": "0.1.0"}

    _rewritten(saved, 2, change, tensors)
    found = load_checkpoint(saved)
    assert found.notes["metrics"] == {"val_without_context/ade_ml": 3.0}
    constants = {"name": "divergence", "without_context_weight": 1.0, "weighted_probabilities": True}
    assert found.notes["config"]["objective"] == constants
    torch.testing.assert_close(dict(found.model.state_dict()), dict(model.state_dict()))
    batch = made_up(5).whole
    nulled = Predictor(found).predict(batch, null_context=True)
    torch.testing.assert_close(nulled.positions_m, twin.predict(batch).positions_m)


def test_a_twin_lies_beside_and_is_asked_without_context(saved: Path, made_up) -> None:
    model = load_checkpoint(saved).model
    torch.manual_seed(5)
    twin = CVAE(model.config.without_context()).eval()
    save_checkpoint(saved, model, {}, without_context="twin", twin=twin)
    assert set(load_file(saved)) == set(model.state_dict())
    batch = made_up(5).whole
    alone = load_checkpoint(saved.with_name("best_without_context.safetensors"))
    for predictor in (Predictor.load(saved.parent), Predictor(alone)):
        nulled = predictor.predict(batch, null_context=True)
        torch.testing.assert_close(nulled.positions_m, twin.predict(batch).positions_m)
    saved.with_name("best_without_context.safetensors").unlink()
    with pytest.raises(
        CheckpointError, match=r"from a twin, and best_without_context\.safetensors does not lie"
    ) as caught:
        Predictor.load(saved.parent).predict(batch, null_context=True)
    assert "\n" not in str(caught.value)
    Predictor.load(saved.parent).predict(batch)


def test_who_never_learnt_to_do_without_context_is_asked_with_a_word(saved: Path, small_settings, made_up) -> None:
    model, batch = load_checkpoint(saved).model, made_up(5).whole
    save_checkpoint(saved, model, {}, without_context="none")
    with pytest.warns(UserWarning, match="never trained without context"):
        nulled = Predictor.load(saved).predict(batch, null_context=True)
    torch.testing.assert_close(nulled.positions_m, model.predict(batch, null_context=True).positions_m)
    # Who reads no context loses nothing without it.
    save_checkpoint(saved, CVAE(model.config.without_context()), {}, without_context="none")
    predictor = Predictor.load(saved)
    one, other = predictor.predict(batch), predictor.predict(batch, null_context=True)
    torch.testing.assert_close(one.positions_m, other.positions_m, rtol=0, atol=0)


def test_a_network_that_is_not_installed_is_said_in_one_line(saved: Path) -> None:
    _rewritten(saved, 3, lambda header: {**header, "model": {**header["model"], "network": "theirs"}})
    with pytest.raises(
        CheckpointError, match=r"no network is called 'theirs'.* entry point 'theirs' in the group"
    ) as caught:
        load_checkpoint(saved)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)
