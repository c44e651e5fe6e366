"""What ``forecast info MODEL`` tells: of a run's folder, a file of weights, shipped weights, or an exported file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.model.network_protocol import Network

#: Keys of a configuration that say in short what was trained.
_IN_SHORT = {
    "objective": ("name",),
    "optimiser": ("learning_rate", "decay", "average_decay"),
    "run": ("epochs", "batch_size", "seed", "monitor", "start_from"),
}


def model_facts(model: str) -> dict[str, Any]:
    """All facts, as ``--json`` prints them.

    Raises:
        ForecastError: it is no model, or cannot be read.
    """
    return _of_exported(Path(model)) if model.lower().endswith(".onnx") else _of_weights(model)


def fact_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """The same for people, one line a fact."""
    for name, value in facts.items():
        if value is None or value == {}:
            continue
        if isinstance(value, Mapping):
            yield f"{name}:"
            width = max(map(len, value))
            for key, one in value.items():
                yield f"  {key:<{width}}  {_text(one)}"
        else:
            yield f"{name}: {_text(value)}"


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _of_weights(model: str) -> dict[str, Any]:
    from forecast.model.cities.city_network import CityNetwork
    from forecast.prediction.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(model)
    network, notes = checkpoint.model, checkpoint.notes
    base = network.base if isinstance(network, CityNetwork) else network
    parts = {name: sum(one.numel() for one in part.parameters()) for name, part in base.named_children()}
    config = notes.get("config") or {}
    folder = Path(model) if Path(model).is_dir() else None
    return {
        "weights": str(checkpoint.path),
        "written by": f"cab-forecast {checkpoint.written_by}",
        "parameters": sum(one.numel() for one in network.parameters()),
        "parameters by part": parts,
        "cities beside them": _cities(network),
        "model": _network(network.config),
        "without context": checkpoint.without_context,
        "configuration": _in_short(config),
        "data": _data(config.get("data") or {}, folder),
        "epochs": _epochs(config, notes, folder),
        f"validation at epoch {notes.get('epoch', '?')}": _scores(notes.get("metrics") or {}),
        "files": _files(folder or checkpoint.path),
    }


def _cities(network: Network) -> dict[str, str]:
    """Of weights that hold cities: where each answers, what it changes, and how many parameters that takes."""
    from forecast.model.cities.city_network import CityNetwork

    if not isinstance(network, CityNetwork):
        return {}
    sizes = {name: sum(one.numel() for one in part.parameters()) for name, part in network.parts.named_children()}
    return {
        record.name: f"on {', '.join(record.locations)}; {record.method}, {sizes[record.name]:,} parameters"
        for record in network.records
    }


def _network(config: Any) -> dict[str, Any]:
    crop, horizon = config.map_crop, config.horizon
    reads = [name for name, used in (("map", config.uses_map), ("neighbours", config.uses_neighbours)) if used]
    return {
        "network": config.network or "not told",
        "reads": ", ".join(["its own past", *reads]),
        "past": f"{horizon.history_steps * horizon.step_s:g} s",
        "future": f"{horizon.future_steps * horizon.step_s:g} s, every {horizon.step_s:g} s",
        "modes": f"{config.modes} learnt, {config.answered_modes} answered",
        "crop": "none"
        if crop is None
        else f"{crop.ahead_m:g} m ahead, {crop.behind_m:g} m behind, {crop.left_m:g} m left, {crop.right_m:g} m right, "
        f"{crop.px_per_m:g} px/m",
        **({"remark": config.remark} if config.remark else {}),
    }


def _in_short(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{section}.{key}": config[section][key]
        for section, keys in _IN_SHORT.items()
        for key in keys
        if (config.get(section) or {}).get(key) is not None
    }


def _data(data: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    told = {key: data[key] for key in ("dataroot", "version", "train_split", "val_split", "dense") if data.get(key)}
    environment = _json(folder / "environment.json") if folder else {}
    if environment.get("data_fingerprint"):
        told["fingerprint"] = environment["data_fingerprint"]
    return told


def _epochs(config: Mapping[str, Any], notes: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    rows = _rows(folder / "metrics.csv") if folder else []
    monitor = f"val/{(config.get('run') or {}).get('monitor', 'nll')}"
    told: dict[str, Any] = {"of these weights": notes.get("epoch", "not told")}
    scored = [row for row in rows if row.get(monitor)]
    if rows:
        told["done"] = f"{len(rows)} of {(config.get('run') or {}).get('epochs', '?')}"
    if scored:
        best = min(scored, key=lambda row: float(row[monitor]))
        told["best"] = f"{best['epoch']}, by the least {monitor}: {float(best[monitor]):.4g}"
    return told


def _scores(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Validation figures, with and without context, nats and metres."""
    unit = {"nll": "nats"}
    return {
        name: f"{value:.3f} {unit.get(name.rpartition('/')[2], 'm')}"
        for name, value in metrics.items()
        if name.startswith("val")
    }


def _files(place: Path) -> dict[str, str]:
    found = sorted(one for one in place.iterdir() if one.is_file()) if place.is_dir() else [place]
    return {one.name: f"{one.stat().st_size / 1e3:,.1f} kB" for one in found if not one.name.startswith(".")}


def _of_exported(path: Path) -> dict[str, Any]:
    from forecast.prediction.onnx_predictor import OnnxPredictor

    exported = OnnxPredictor(path)
    about, origin = exported.metadata, exported.metadata.get("checkpoint") or {}
    notes = origin.get("notes") or {}
    return {
        "exported": str(path),
        "parameters": _parameters_of(path),
        "model": {**_network(exported.config), "modes": f"{about['modes']} answered"},
        "inputs": {name: " × ".join(map(str, one["axes"])) for name, one in about["inputs"].items()},
        "outputs": {name: " × ".join(map(str, one["axes"])) for name, one in about["outputs"].items()},
        "versions": about["versions"],
        "weights": f"{origin.get('file', 'not told')}, sha256 {origin.get('sha256', 'not told')}",
        "configuration": _in_short(notes.get("config") or {}),
        f"validation at epoch {notes.get('epoch', '?')}": _scores(notes.get("metrics") or {}),
        "files": _files(path),
    }


def _parameters_of(path: Path) -> int | None:
    """Numbers in an exported file; None where the package that reads them is not installed."""
    from math import prod

    from forecast.core.errors import MissingExtraError
    from forecast.core.extras import optional_module

    try:
        onnx = optional_module("onnx", "onnx")
    except MissingExtraError:
        return None
    return sum(int(prod(one.dims)) for one in onnx.load(str(path)).graph.initializer)


def _json(path: Path) -> dict[str, Any]:
    import json

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # of a run that was copied in part
        return {}
    return found if isinstance(found, dict) else {}


def _rows(path: Path) -> list[dict[str, str]]:
    import csv

    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
