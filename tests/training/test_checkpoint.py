"""Checkpoints: what is saved comes back, and nothing else is accepted."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from forecast.core.errors import CheckpointError
from forecast.model.cab import CAB
from forecast.prediction.checkpoint import load_checkpoint, save_checkpoint
from forecast.training.config import load_config


@pytest.fixture
def saved(tmp_path: Path, small_settings) -> Path:
    config = load_config("cab", settings=small_settings)
    save_checkpoint(tmp_path / "best.safetensors", CAB(config.model), {"epoch": 3})
    return tmp_path / "best.safetensors"


def test_weights_and_notes_come_back(saved: Path, made_up) -> None:
    loaded = load_checkpoint(saved.parent)
    assert loaded.notes == {"epoch": 3}
    assert not loaded.model.training
    torch.testing.assert_close(dict(loaded.model.state_dict()), load_file(saved))


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
        (_other_version, "format version 99"),
        (lambda path: path.unlink(), "is it a run of"),
    ],
)
def test_anything_else_is_refused_in_one_line(saved: Path, damage, message: str) -> None:
    damage(saved)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(saved.parent)
    assert "\n" not in str(caught.value)
