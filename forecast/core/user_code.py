"""What a user adds from outside the package, named as ``module:name``: in a configuration or on the command line."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from forecast.core.errors import ConfigError


def is_outside(name: str) -> bool:
    """Whether a name is of something outside the package: ``my_package.my_module:my_function``."""
    module, colon, inside = name.partition(":")
    parts = [*module.split("."), *inside.split(".")]
    return bool(colon) and all(part.isidentifier() for part in parts)


def load_outside(name: str, where: str) -> Any:
    """Import what ``module:name`` stands for; modules of the current folder are found, too.

    Args:
        name: e.g. ``my_package.my_module:my_function``.
        where: what names it, for messages, e.g. ``--metric``.

    Raises:
        ConfigError: another form, no such module, or nothing of that name in it.
    """
    if not is_outside(name):
        raise ConfigError(f"{where} {name}: expected module:name, e.g. my_package.my_module:my_function")
    module_name, _, inside = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does; an installed command does not
    try:
        found: Any = import_module(module_name)
    except (Exception, SystemExit) as fault:  # whatever the user's module does
        found_out = " ".join(str(fault).split())[:160]
        hint = "; install it, or set PYTHONPATH to its folder" if isinstance(fault, ModuleNotFoundError) else ""
        raise ConfigError(
            f"{where} {name}: {module_name} cannot be imported ({type(fault).__name__}: {found_out}){hint}"
        ) from fault
    for part in inside.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"{where} {name}: {module_name} has no {inside}")
        found = getattr(found, part)
    return found
