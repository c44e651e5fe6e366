"""What installed packages bring by an entry point: networks, kinds of data sets."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points

from forecast.core.errors import ForecastError


def plugins(group: str, built_in: Collection[str]) -> dict[str, EntryPoint]:
    """Entry points of a group, by name; nothing is imported.

    Args:
        group: e.g. ``forecast.sources``.
        built_in: names that this package has itself. An entry point of such a name is left out, with a warning.
    """
    found = {point.name: point for point in entry_points(group=group)}
    for name in sorted(set(built_in).intersection(found)):
        warnings.warn(
            f"entry point '{name} = {found.pop(name).value}' in the group '{group}' is not used: {name} is a name of "
            "this package; the package that brings it must choose another",
            stacklevel=2,
        )
    return found


def load_plugin(point: EntryPoint, where: str, error: type[ForecastError]) -> object:
    """Import what an entry point names.

    Args:
        point: of a package that is not ours.
        where: what it is for, the beginning of the message.
        error: what to raise.

    Raises:
        ForecastError: ``error``, whatever the package does while it is imported; one line.
    """
    try:
        found: object = point.load()
    except (Exception, SystemExit) as fault:
        raise error(f"{where} cannot be loaded ({fault_line(fault)})") from fault
    return found


def fault_line(fault: BaseException) -> str:
    """What went wrong in somebody else's code, in one line."""
    return f"{type(fault).__name__}: {' '.join(str(fault).split())[:160]}"
