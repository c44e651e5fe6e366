"""Weights on disk: one safetensors file whose header says, in JSON, what they are. Loading never runs code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import forecast
from forecast.core.errors import CheckpointError, ConfigError, one_of
from forecast.core.files import written_whole
from forecast.model.cities.city_network import CityNetwork
from forecast.model.cities.city_record import BASE, GUESSED, CityRecord
from forecast.model.network_config import NetworkConfig
from forecast.model.network_protocol import Network
from forecast.model.network_registry import make_network, network_class
from forecast.prediction.checkpoint_migrations import FORMAT_VERSION, MIGRATIONS, WITHOUT_CITIES, Contents, migrated

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
        without_context: where forecasts without context come from: ``shared``, the model has learnt them itself;
            ``twin``, a model of its own in a file beside; ``none``, nobody has learnt them; ``unknown``.
        twin: the model without context, where the file itself holds it (files of version 0.1).
    """

    model: Network
    notes: dict[str, Any]
    path: Path
    written_by: str = "unknown"
    without_context: str = "unknown"
    twin: Network | None = None

    @property
    def has_without_context(self) -> bool:
        """Whether somebody has learnt to forecast without context, and the weights are there."""
        if self.without_context == "twin":
            return self.twin is not None or twin_path(self.path).is_file()
        return self.without_context != "none" or not self.model.config.uses_context

    def model_without_context(self) -> Network:
        """The model to ask with ``null_context=True``: itself or its twin, in evaluation mode, on the CPU.

        A model that was trained with context alone is asked too, with a warning: what it answers then shows how much
        it leans on its context, not how well one can forecast without.

        Raises:
            CheckpointError: the twin that has learnt to forecast without context is not there.
        """
        if self.without_context != "twin":
            if not self.has_without_context:
                warnings.warn(
                    f"{self.path}: these weights were never trained without context; what they forecast without it "
                    "shows how much they lean on it. Compare with a model of the configuration no_context",
                    UserWarning,
                    stacklevel=2,
                )
            return self.model
        if not self.has_without_context:
            raise CheckpointError(
                f"{self.path}: forecasts without context come from a twin, and {twin_path(self.path).name} does not "
                "lie beside these weights; copy it there, or train a model with the configuration no_context"
            )
        said = self.model.config
        read_out: dict[str, Any] = {"merge_radius_m": said.merge_radius_m, "medoids": said.medoids}
        if self.twin is not None:
            self.twin.config = dataclasses.replace(self.twin.config, **read_out)
            return self.twin
        return load_checkpoint(twin_path(self.path), **read_out).model


def check_forecasts(checkpoint: Checkpoint) -> None:
    """Weights that forecast have learnt to.

    Raises:
        CheckpointError: they were taught to read maps alone.
    """
    if "pretrained_on" in checkpoint.notes:
        raise CheckpointError(
            f"{checkpoint.path}: taught to read maps only, by 'forecast pretrain'; train from it, with "
            f"--run.start_from {checkpoint.path}"
        )


def twin_path(path: Path) -> Path:
    """Where the twin without context of a file of weights lies: ``best_without_context.safetensors`` beside it."""
    return path.with_name(f"{path.stem}_without_context{path.suffix}")


def _digest(tensors: Mapping[str, torch.Tensor], header: str) -> str:
    hashed = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.view(torch.uint8).numpy().tobytes() if tensor.ndim else str(tensor.item()).encode())
    return hashed.hexdigest()


def on_device(model: Network, device: torch.device | str) -> Network:
    """Move a model to where it is to compute.

    Raises:
        ConfigError: there is no such device.
    """
    try:
        return model.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:  # torch has no error of its own for this
        raise ConfigError(f"device '{device}': {str(error).splitlines()[0][:160]}") from error


def save_checkpoint(
    path: Path,
    model: Network,
    notes: Mapping[str, Any],
    *,
    without_context: str = "unknown",
    twin: Network | None = None,
) -> None:
    """Write weights and their JSON header in one piece: a file of this name is always whole.

    Args:
        path: to write.
        model: the network.
        notes: where it comes from; plain JSON values.
        without_context: see :class:`Checkpoint`.
        twin: of the model, without context; written beside it (:func:`twin_path`).
    """
    if twin is not None:
        save_checkpoint(twin_path(path), twin, notes, without_context="shared")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    told: dict[str, Any] = {"model": dataclasses.asdict(model.config), "notes": dict(notes)}
    told["written_by"] = forecast.__version__
    told["without_context"] = without_context
    version = WITHOUT_CITIES
    if isinstance(model, CityNetwork):
        told["cities"] = [dataclasses.asdict(record) for record in model.records]
        told["encoding_size"] = model.encoding_size
        version = FORMAT_VERSION
    header = json.dumps(told, sort_keys=True)
    metadata = {
        "kind": _KIND,
        "format_version": str(version),
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
        raise CheckpointError(
            f"{path}: no such file or folder; give a run's folder, a .safetensors file, or the name of shipped weights "
            f"({', '.join(SHIPPED)})"
        )
    return path


def _shipped(name: str) -> Path:
    path = Path(str(resources.files("forecast"))) / "weights" / f"{name}.safetensors"
    if not path.is_file():
        raise CheckpointError(
            f"weights {name!r}: this installation comes without them ({path} is missing); train some with "
            "'forecast train', or give a run's folder or a .safetensors file"
        )
    return path


def load_checkpoint(
    run_or_file: Path | str,
    *,
    merge_radius_m: float | None = None,
    medoids: int | None = None,
    city: str | None = None,
) -> Checkpoint:
    """Read a model.

    Args:
        run_or_file: a run's folder (its best weights), a file, or ``"town"``.
        merge_radius_m: in place of the one it was trained with; 0 for the network's own probabilities.
        medoids: likewise; 0 to answer with all modes.
        city: the network of one city alone, or of the ``base`` that other places get; ``guessed``, each agent's by
            what its scene looks like. By default weights that hold cities answer each agent by the map it drives on.

    Raises:
        CheckpointError: missing, truncated, altered, foreign, or of a format this version does not read.
        ConfigError: there is no such radius, number of medoids, or city.
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
        found = migrated(Contents(json.loads(header), tensors), version)
        described = found.header
        config = _typed(network_class(described["model"]["network"]).config_class, described["model"])
        model = _filled(_network(config, described), found.tensors)
        twin = None if found.twin is None else _filled(make_network(config.without_context()), found.twin)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: header and weights do not fit this version ({_brief(error)})") from error
    given = {"merge_radius_m": merge_radius_m, "medoids": medoids}
    try:
        asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        model.config = dataclasses.replace(model.config, **asked)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return Checkpoint(
        model if city is None else _of_city(model, city, path),
        described.get("notes", {}),
        path,
        str(described.get("written_by", "unknown")),
        str(described.get("without_context", "unknown")),
        twin,
    )


def _network(config: NetworkConfig, header: Mapping[str, Any]) -> Network:
    """A network to be filled, with the cities that a header tells of."""
    network, cities = make_network(config), header.get("cities", [])
    if not cities:
        return network
    return CityNetwork(network, (_typed(CityRecord, city) for city in cities), header["encoding_size"])


def _of_city(model: Network, city: str, path: Path) -> Network:
    """A city's own network, or the base."""
    if isinstance(model, CityNetwork):
        names = {record.name for record in model.records}
        if city in names or city == BASE:
            return model.network_of(None if city == BASE else city)
        if city != GUESSED:
            raise ConfigError(f"{path}: no city is called '{city}': {one_of([*sorted(names), BASE, GUESSED], city)}")
        if not model.knows_all:
            raise ConfigError(
                f"{path}: city '{city}': these weights do not know what all their cities, and the places of their "
                "base, look like; adapt on a data set that holds both"
            )
        model.guessing = True
        return model
    raise ConfigError(f"{path}: city '{city}': these weights hold no cities; see 'forecast adapt'")


def _filled(model: Network, tensors: Mapping[str, torch.Tensor]) -> Network:
    model.load_state_dict(dict(tensors))
    return model.eval()


def _format_version(path: Path, metadata: Mapping[str, str]) -> int:
    said = metadata.get("format_version", "")
    version = int(said) if said.isdecimal() else -1
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: format version {version}, this package reads up to {FORMAT_VERSION}; a newer one wrote it: "
            "pip install --upgrade cab-forecast"
        )
    if version != FORMAT_VERSION and version not in MIGRATIONS:
        raise CheckpointError(
            f"{path}: format version {said or 'missing'}, this package reads {min(MIGRATIONS)} to {FORMAT_VERSION}; "
            "use the version of cab-forecast that wrote it"
        )
    return version


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
