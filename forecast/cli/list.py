"""List what has a name: configurations, networks, objectives, metrics, map layers, kinds of data sets, weights."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import partial

#: A name and what it is, in one line.
Entry = tuple[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which kind."""
    parser.add_argument("kind", choices=sorted(KINDS), metavar="KIND", help=f"one of {', '.join(KINDS)}")


def run(args: argparse.Namespace) -> None:
    """Print one line an entry."""
    entries = list(KINDS[args.kind]())
    width = max((len(name) for name, _ in entries), default=0)
    for name, about in entries:
        print(f"{name:<{width}}  {about}".rstrip())


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
