"""Registry of the kinds of data sets: those of this package, and those of other packages."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

from forecast.core.errors import DataError, DataWarning, one_of
from forecast.core.plugins import fault_line, load_plugin, plugins
from forecast.data.data_format import DataFormat

#: Other packages name theirs under this group of entry points.
GROUP = "forecast.sources"
#: Name → ``module:object``; a kind of this package is one line here.
BUILT_IN = {
    "nuscenes": "forecast.data.nuscenes.nuscenes_source:NUSCENES",
    "argoverse2": "forecast.data.argoverse2.argoverse2_source:ARGOVERSE2",
}


def source_names() -> tuple[str, ...]:
    """Names of all kinds, sorted; nothing is imported."""
    return tuple(sorted({*BUILT_IN, *plugins(GROUP, BUILT_IN)}))


def source_named(name: str) -> DataFormat:
    """A kind of data set by its name.

    Raises:
        DataError: there is none of that name, or the package that brings it cannot be imported.
    """
    if name in BUILT_IN:
        module, _, item = BUILT_IN[name].partition(":")
        return getattr(import_module(module), item)  # type: ignore[no-any-return]
    brought = plugins(GROUP, BUILT_IN)
    if name not in brought:
        raise DataError(f"--source {name}: no such kind of data set; {one_of(source_names(), name)}")
    return _loaded(brought[name])


def source_of(dataroot: Path, version: str | None, name: str | None = None) -> DataFormat:
    """Which kind of data set a folder is, detected from its content.

    Args:
        dataroot: the folder.
        version: as the user named it, or None. Only nuScenes has versions: it is nuScenes that says what is wrong
            with a folder that has one and that nobody recognises.
        name: of the kind, where the user names it.

    Raises:
        DataError: no kind recognises the folder, or more than one does.
    """
    if name is not None:
        return source_named(name)
    formats = _usable()
    found = [one for one in formats if _recognises(one, dataroot)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(one.name for one in found)
        raise DataError(f"{dataroot}: looks like {len(found)} kinds of data set ({names}); name one with --source")
    if version is not None:
        return source_named("nuscenes")
    if not dataroot.is_dir():
        raise DataError(f"{dataroot}: no such folder; --dataroot is the folder of a data set")
    known = "; ".join(f"{one.name}: {one.holds}" for one in formats)
    raise DataError(f"{dataroot}: no data set of a known kind; expected one of {known}")


def _usable() -> list[DataFormat]:
    """All kinds that can be loaded; one that another package brings and that cannot is told, and left out."""
    formats = []
    for name in source_names():
        try:
            formats.append(source_named(name))
        except DataError as fault:
            warnings.warn(f"left out: {fault}", DataWarning, stacklevel=2)
    return formats


def _recognises(kind: DataFormat, dataroot: Path) -> bool:
    """Whether a folder is of a kind; one that another package brings and that fails is told, and is none."""
    try:
        return kind.recognises(dataroot)
    except Exception as fault:
        if kind.name in BUILT_IN:
            raise
        warnings.warn(
            f"left out: the kind of data set '{kind.name}' fails on {dataroot} ({fault_line(fault)})",
            DataWarning,
            stacklevel=2,
        )
        return False


def _loaded(point: EntryPoint) -> DataFormat:
    where = f"the kind of data set '{point.name}', entry point {point.value}:"
    found = load_plugin(point, where, DataError)
    missing = [name for name in ("name", "holds", "recognises", "open") if not hasattr(found, name)]
    if missing:
        raise DataError(f"{where} has no {', '.join(missing)}; expected a forecast.data.data_format.DataFormat")
    return found  # type: ignore[return-value]
