"""Weights on disk: one safetensors file whose header says, in JSON, what they are. Loading never runs code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import forecast
from forecast.core.errors import CheckpointError, ConfigError
from forecast.core.files import written_whole
from forecast.model.config import ModelConfig
from forecast.model.cvae import CVAE

#: 2: the header also names the version of the package that wrote it.
FORMAT_VERSION = 2
_KIND = "cab-forecast"
#: Names of weights that come with the package, in ``forecast/weights``.
SHIPPED = ("town",)
#: In a run's folder, best first.
CHECKPOINT_NAMES = ("best.safetensors", "last.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """A model and what is known about it.

    Attributes:
        model: in evaluation mode, on the CPU.
        notes: where it comes from: epoch, metrics, configuration, … (plain JSON values).
        path: the file it was read from.
        written_by: version of this package; ``"unknown"`` in files of format 1.
    """

    model: CVAE
    notes: dict[str, Any]
    path: Path
    written_by: str = "unknown"


def _digest(tensors: Mapping[str, torch.Tensor], header: str) -> str:
    hashed = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.view(torch.uint8).numpy().tobytes() if tensor.ndim else str(tensor.item()).encode())
    return hashed.hexdigest()


def on_device(model: CVAE, device: torch.device | str) -> CVAE:
    """Move a model to where it is to compute.

    Raises:
        ConfigError: there is no such device.
    """
    try:
        return model.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:  # torch has no error of its own for this
        raise ConfigError(f"device '{device}': {str(error).splitlines()[0][:160]}") from error


def save_checkpoint(path: Path, model: CVAE, notes: Mapping[str, Any]) -> None:
    """Write weights and their JSON header in one piece: a file of this name is always whole."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    told = {"model": dataclasses.asdict(model.config), "notes": dict(notes), "written_by": forecast.__version__}
    header = json.dumps(told, sort_keys=True)
    metadata = {
        "kind": _KIND,
        "format_version": str(FORMAT_VERSION),
        "header": header,
        "sha256": _digest(tensors, header),
    }
    with written_whole(path) as temporary:
        # Not save_file: it makes a file that its owner alone may read, whatever the umask says.
        temporary.write_bytes(save(tensors, metadata))


def find_checkpoint(run_or_file: Path | str) -> Path:
    """The file to load: itself, the best one in a run's folder, or one that comes with the package (``"town"``).

    Raises:
        CheckpointError: there is none.
    """
    if run_or_file in SHIPPED:
        return _shipped(str(run_or_file))
    path = Path(run_or_file)
    if path.is_dir():
        for name in CHECKPOINT_NAMES:
            if (path / name).is_file():
                return path / name
        raise CheckpointError(
            f"{path}: no {' or '.join(CHECKPOINT_NAMES)} in this folder; is it a run of 'forecast train'?"
        )
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file or folder; give a run's folder or a .safetensors file")
    return path


def _shipped(name: str) -> Path:
    path = Path(str(resources.files("forecast"))) / "weights" / f"{name}.safetensors"
    if not path.is_file():
        raise CheckpointError(
            f"weights {name!r}: this installation comes without them ({path} is missing); train some with "
            "'forecast train', or give a run's folder or a .safetensors file"
        )
    return path


def load_checkpoint(run_or_file: Path | str, *, merge_radius_m: float | None = None) -> Checkpoint:
    """Read a model.

    Args:
        run_or_file: a run's folder (its best weights), a file, or ``"town"``.
        merge_radius_m: in place of the one it was trained with; 0 for the latent's own probabilities.

    Raises:
        CheckpointError: missing, truncated, altered, foreign, or of a format this version does not read.
        ConfigError: there is no such radius.
    """
    path = find_checkpoint(run_or_file)
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a whole safetensors file ({_brief(error)}); weights of a run are in best.safetensors"
        ) from error
    if metadata.get("kind") != _KIND:
        raise CheckpointError(f"{path}: a safetensors file, but not one of this package's checkpoints")
    version = _format_version(path, metadata)
    header = metadata.get("header", "")
    if metadata.get("sha256") != _digest(tensors, header):
        raise CheckpointError(f"{path}: its checksum does not match, the file was altered or damaged; copy it again")
    try:
        described = _migrated(json.loads(header), version)
        model = CVAE(_typed(ModelConfig, described["model"]))
        model.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: header and weights do not fit this version ({_brief(error)})") from error
    if merge_radius_m is not None:
        try:
            model.config = dataclasses.replace(model.config, merge_radius_m=merge_radius_m)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    return Checkpoint(model.eval(), described.get("notes", {}), path, str(described.get("written_by", "unknown")))


def _format_version(path: Path, metadata: Mapping[str, str]) -> int:
    said = metadata.get("format_version", "")
    version = int(said) if said.isdecimal() else -1
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: format version {version}, this package reads up to {FORMAT_VERSION}; a newer one wrote it: "
            "pip install --upgrade cab-forecast"
        )
    if version != FORMAT_VERSION and version not in _MIGRATIONS:
        raise CheckpointError(
            f"{path}: format version {said or 'missing'}, this package reads {min(_MIGRATIONS)} to {FORMAT_VERSION}; "
            "use the version of cab-forecast that wrote it"
        )
    return version


def _from_1_to_2(described: dict[str, Any]) -> dict[str, Any]:
    return {**described, "written_by": "unknown"}


#: Format version → what makes a header of it one of the next version.
_MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1_to_2}


def _migrated(described: dict[str, Any], version: int) -> dict[str, Any]:
    for step in range(version, FORMAT_VERSION):
        described = _MIGRATIONS[step](described)
    # Before there was a choice, neighbours were summed and modes were not merged.
    return {**described, "model": {"neighbour_encoder": "summed", "merge_radius_m": 0.0, **described["model"]}}


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def _typed(hint: Any, value: Any) -> Any:
    """Rebuild nested dataclasses and tuples from what JSON kept of them."""
    if isinstance(hint, types.UnionType):
        hint = next(kind for kind in get_args(hint) if kind is not type(None)) if value is not None else type(None)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        unknown = set(value) - set(hints)
        if unknown:
            raise ValueError(f"unknown entries {sorted(unknown)}")
        return hint(**{name: _typed(hints[name], entry) for name, entry in value.items()})
    if get_origin(hint) is tuple:
        return tuple(_typed(get_args(hint)[0], entry) for entry in value)
    return value
