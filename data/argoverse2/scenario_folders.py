"""Finds scenarios and their maps in a folder, whichever way it is laid out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from forecast.core.errors import DataError

#: The split of scenarios that lie straight under the data root.
ALL = "all"


def holds_scenarios(dataroot: Path) -> bool:
    """Whether scenarios lie in a folder, or one level deeper; a few of its entries tell."""
    some = list(islice(_folders(dataroot), 64))
    return any(_is_scenario(one) or any(_is_scenario(two) for two in islice(_folders(one), 64)) for one in some)


def scenario_files(dataroot: Path) -> dict[str, dict[str, Path]]:
    """All scenarios: split → name of the scenario's folder → its Parquet file, both sorted.

    The official layout is ``<split>/<scenario>/scenario_<scenario>.parquet``; the split of scenarios straight under the
    data root is ``all``.

    Raises:
        DataError: there are none, or a folder holds several.
    """
    found: dict[str, dict[str, Path]] = {}
    for one in _folders(dataroot):
        if _is_scenario(one):
            found.setdefault(ALL, {})[one.name] = _parquet(one)
            continue
        inside = {two.name: _parquet(two) for two in _folders(one) if _is_scenario(two)}
        if inside:
            found[one.name] = inside
    if not found:
        raise DataError(
            f"{dataroot}: no scenarios; expected folders that hold scenario_*.parquet, here or in train, val and test"
        )
    return {split: dict(sorted(files.items())) for split, files in sorted(found.items())}


def map_path(dataroot: Path, scenario_id: str) -> Path:
    """Where the map of a scenario lies; where it would lie straight under the data root if it is nowhere."""
    name = f"log_map_archive_{scenario_id}.json"
    straight = dataroot / scenario_id / name
    if straight.is_file():
        return straight
    return next((found for one in _folders(dataroot) if (found := one / scenario_id / name).is_file()), straight)


def _folders(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else iter(())


def _is_scenario(folder: Path) -> bool:
    return (folder / f"scenario_{folder.name}.parquet").is_file() or any(folder.glob("scenario_*.parquet"))


def _parquet(folder: Path) -> Path:
    usual = folder / f"scenario_{folder.name}.parquet"
    if usual.is_file():
        return usual
    files = sorted(folder.glob("scenario_*.parquet"))
    if len(files) > 1:
        raise DataError(f"{folder}: {len(files)} scenarios, {files[0].name} and {files[1].name}; expected one a folder")
    return files[0]
