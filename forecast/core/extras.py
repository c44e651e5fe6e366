"""Optional packages: imported when they are needed, with the install command where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from forecast.core.errors import MissingExtraError


def optional_module(name: str, extra: str) -> Any:
    """Import a module of an optional package.

    Args:
        name: of the module, e.g. ``onnxruntime``.
        extra: of this package that installs it, e.g. ``onnx``.

    Raises:
        MissingExtraError: it is not installed; the message holds the command that installs it.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        # A module that is there but lacks something of its own is another matter.
        if missing.name is None or missing.name.split(".")[0] != name.split(".")[0]:
            raise
        raise MissingExtraError(name.split(".")[0], extra) from missing
