"""A user's own code by its name, ``package.module:name``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from forecast.core.errors import ConfigError


def is_path(name: str) -> bool:
    """Whether a name is of the form ``package.module:name``."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))


def named_object(path: str, where: str) -> Any:
    """Import what a path names.

    Args:
        path: ``package.module:name``.
        where: the key or option that the path was given by, for the message.

    Raises:
        ConfigError: it is no such path, or cannot be imported; one line.
    """
    if not is_path(path):
        raise ConfigError(f"{where}: expected package.module:name, got '{path}'")
    module_name, _, attribute = path.partition(":")
    try:
        module = import_module(module_name)
    except Exception as error:  # whatever a user's module raises while it is imported
        said = " ".join(str(error).split())[:160]
        hint = "; install it, or set PYTHONPATH to its folder" if isinstance(error, ModuleNotFoundError) else ""
        raise ConfigError(
            f"{where}: '{module_name}' cannot be imported ({type(error).__name__}: {said}){hint}"
        ) from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise ConfigError(f"{where}: '{module_name}' holds no '{attribute}'") from None
