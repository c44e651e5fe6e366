"""Checkpoints: what is saved comes back, and nothing else is accepted."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import forecast
from forecast.core.errors import CheckpointError
from forecast.model.cvae import CVAE
from forecast.prediction.checkpoint import _digest, load_checkpoint, save_checkpoint
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
        (_no_version, "format version two, this package reads 1 to 2"),
        (lambda path: path.unlink(), "is it a run of"),
    ],
)
def test_anything_else_is_refused_in_one_line(saved: Path, damage, message: str) -> None:
    damage(saved)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(saved.parent)
    assert "\n" not in str(caught.value)


def _as_format_1(path: Path) -> None:
    """Rewrite a checkpoint as format 1 wrote it: the header does not say by which version."""
    with safe_open(path, framework="pt") as opened:
        metadata = dict(opened.metadata())
    tensors = load_file(path)
    header = json.loads(metadata["header"])
    del header["written_by"]
    told = json.dumps(header, sort_keys=True)
    save_file(tensors, path, {**metadata, "format_version": "1", "header": told, "sha256": _digest(tensors, told)})


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
