"""The reference of all configuration keys, made from the dataclasses: ``python -m forecast.training.key_reference``."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

from forecast.model.network_registry import network_class, network_names
from forecast.model.objective_registry import OBJECTIVES
from forecast.training.config import section_classes

_HEAD = """# Configuration keys

Every key of a configuration, with its default. In a YAML file keys are nested, on the command line they are dotted:
`--run.epochs 20`. [Training](../training.md) says how configurations are named, extended and overridden.

This page is written by `python -m forecast.training.key_reference > docs/reference/configuration.md` from the
dataclasses; a test compares them.
"""


def reference() -> str:
    """The page, Markdown."""
    parts = [_HEAD]
    for name, kind in section_classes().items():
        if name == "model":
            for network in network_names():
                kind = network_class(network).config_class
                parts.append(_section(f"`model`, network `{network}`", name, kind))
        elif name == "objective":
            for objective, known in OBJECTIVES.items():
                parts.append(_section(f"`objective`, name `{objective}`", name, known.constants))
        else:
            parts.append(_section(f"`{name}`", name, kind))
    return "\n".join(parts)


def _section(heading: str, prefix: str, kind: type[Any]) -> str:
    about = " ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].split())
    lines = [f"## {heading}", "", _plain(about), "", "| key | type | default | meaning |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(cells)} |" for cells in _rows(f"{prefix}.", kind, kind())]
    return "\n".join([*lines, ""])


def _rows(prefix: str, kind: type[Any], defaults: Any) -> Iterator[tuple[str, str, str, str]]:
    hints, told = get_type_hints(kind), _descriptions(kind)
    for field in dataclasses.fields(kind):
        hint, value = hints[field.name], getattr(defaults, field.name)
        parts = [part for part in (hint, *get_args(hint)) if isinstance(part, type) and dataclasses.is_dataclass(part)]
        if parts:
            # Of a section that may be null, the keys that it has where it is not.
            if value is None:
                yield f"`{prefix}{field.name}`", "a mapping or null", "`null`", told.get(field.name, "")
            yield from _rows(f"{prefix}{field.name}.", parts[0], parts[0]() if value is None else value)
        else:
            yield f"`{prefix}{field.name}`", _type(hint), f"`{_value(value)}`", told.get(field.name, "")


def _descriptions(kind: type[Any]) -> dict[str, str]:
    """What the ``Attributes:`` of a dataclass and its bases say of each field; one entry may tell of several."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        _, _, listed = inspect.cleandoc(owner.__dict__.get("__doc__") or "").partition("Attributes:\n")
        listed = re.split(r"\n\S", listed)[0]
        for entry in re.split(r"\n {4}(?=\S)", "\n" + listed):
            names, colon, text = entry.partition(":")
            if colon:
                found |= dict.fromkeys(re.split(r",\s*", names.strip()), _plain(" ".join(text.split())))
    return found


def _plain(text: str) -> str:
    """Docstrings' markup as Markdown, for a cell of a table."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    return text.replace("|", r"\|")


def _type(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    text = re.sub(r"typing\.Literal\[(.*?)\]", r"one of \1", text)
    return text.replace("|", "or").replace("None", "null").replace("'", "`")


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, tuple):
        return f"[{', '.join(_value(entry) for entry in value)}]"
    return str(value) if value != "" else '""'


if __name__ == "__main__":
    print(reference(), end="")
