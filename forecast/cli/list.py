"""List what has a name: configurations, networks, objectives, metrics, map layers, kinds of data sets, weights.

Of a data set: its scenes, and the agents of a scene. They are what draw, explain, counterfactual, inspect and search
take as --scene, --frame and --agent; agents listed at a key frame are those that predict forecasts there by default.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from forecast.cli.data_entries import DATA_KINDS
from forecast.cli.data_options import add_data_options

#: A name and what it is, in one line.
Entry = tuple[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which kind, and of which data."""
    kinds = (*KINDS, *DATA_KINDS)
    parser.add_argument("kind", choices=sorted(kinds), metavar="KIND", help=f"one of {', '.join(kinds)}")
    add_data_options(parser, split=True, required=False)
    parser.add_argument("--scene", metavar="NAME", help="list agents: of this scene, e.g. scene-0061")
    parser.add_argument(
        "--frame", type=int, metavar="N", help="list agents: only those seen at this key frame of the scene, from 0"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")


def run(args: argparse.Namespace) -> None:
    """Print one line an entry."""
    from forecast.cli.data_entries import data_entries, table_of_entries

    if args.kind in DATA_KINDS:
        found = data_entries(args)
        _print(args, found, table_of_entries(args.kind, found))
        return
    _refuse_data_options(args)
    entries = list(KINDS[args.kind]())
    _print(args, [{"name": name, "about": about} for name, about in entries], [list(entry) for entry in entries])


def _print(args: argparse.Namespace, entries: list[dict[str, Any]], lines: list[list[str]]) -> None:
    import json

    if args.json:
        print(json.dumps(entries, indent=1, ensure_ascii=False))
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _refuse_data_options(args: argparse.Namespace) -> None:
    from forecast.core.errors import ConfigError

    for name in ("dataroot", "version", "split", "source", "cache", "scene", "frame", "locations"):
        if getattr(args, name) is not None:
            raise ConfigError(f"--{name} goes with 'list scenes' or 'list agents', not with 'list {args.kind}'")


def _configs() -> Iterable[Entry]:
    from importlib.resources import files

    from forecast.training.config import config_names

    for name in config_names():
        text = (files("forecast.configs") / f"{name}.yaml").read_text(encoding="utf-8")
        comment = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
        yield name, _sentence(comment)


def _networks() -> Iterable[Entry]:
    from forecast.model.network_registry import network_names

    for name in network_names():
        yield name, _or_its_fault(partial(_about_network, name))


def _objectives() -> Iterable[Entry]:
    import sys

    from forecast.model.objective_registry import OBJECTIVES

    for name, objective in OBJECTIVES.items():
        yield name, _first_line(sys.modules[objective.function.__module__])


def _metrics() -> Iterable[Entry]:
    from forecast.eval.metric_list import METRICS

    for spec in METRICS:
        yield spec.key, f"{spec.definition}{f', {spec.unit}' if spec.unit else ''}"


def _weights() -> Iterable[Entry]:
    from forecast.prediction.checkpoint import SHIPPED, load_checkpoint

    for name in SHIPPED:
        checkpoint = load_checkpoint(name)
        parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters())
        yield name, f"{checkpoint.model.config.network}, {parameters:,} parameters, {checkpoint.path}"


def _layers() -> Iterable[Entry]:
    from forecast.data.maps.layers import LAYERS

    for name, layer in LAYERS.items():
        yield name, layer.kind.replace("_", " ")


def _sources() -> Iterable[Entry]:
    from forecast.data.source_registry import source_names

    for name in source_names():
        yield name, _or_its_fault(partial(_about_source, name))


def _about_network(name: str) -> str:
    from forecast.model.network_registry import network_class

    return _first_line(network_class(name))


def _about_source(name: str) -> str:
    from forecast.data.source_registry import source_named

    return source_named(name).holds


def _or_its_fault(about: Callable[[], str]) -> str:
    """What there is to say of an entry, or why it cannot be used: the others are listed all the same."""
    from forecast.core.errors import ForecastError

    try:
        return about()
    except ForecastError as fault:
        return f"cannot be used: {fault}"


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0]


def _sentence(text: str) -> str:
    return text.split(". ")[0].removesuffix(".") + "."


#: Kind → its entries; each function imports what it lists, so that help answers at once.
KINDS: dict[str, Callable[[], Iterable[Entry]]] = {
    "configs": _configs,
    "networks": _networks,
    "objectives": _objectives,
    "metrics": _metrics,
    "layers": _layers,
    "sources": _sources,
    "weights": _weights,
}
