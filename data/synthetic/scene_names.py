"""Which official scenes a world of a given size stands in for, so that the official splits apply to it."""

from __future__ import annotations

from functools import lru_cache

from forecast.core.errors import ConfigError
from forecast.data.nuscenes.splits import official_scenes

VERSIONS = {"v1.0-mini": 10, "v1.0-trainval": 850}


@lru_cache
def _splits(version: str) -> tuple[tuple[str, ...], ...]:
    """Scene names by split, the most used split first."""
    splits = ("mini_train", "mini_val") if version == "v1.0-mini" else ("train", "val", "train_val")
    official = official_scenes()
    return tuple(tuple(official[split]) for split in splits)


def scene_names(version: str, scenes: int) -> list[str]:
    """The official names of the first ``scenes`` scenes, every split holding its share and at least one.

    Raises:
        ConfigError: unknown version, or more or fewer scenes than its official names allow.
    """
    if version not in VERSIONS:
        raise ConfigError(f"--version {version}: a world can be written as one of {', '.join(VERSIONS)}")
    splits = _splits(version)
    total = VERSIONS[version]
    if not len(splits) <= scenes <= total:
        hint = "" if version != "v1.0-mini" or scenes < 2 else "; --version v1.0-trainval has names for up to 850"
        raise ConfigError(f"--scenes {scenes}: {version} needs {len(splits)} to {total} scenes{hint}")
    counts = [max(1, round(scenes * len(names) / total)) for names in splits]
    counts[0] = scenes - sum(counts[1:])
    return sorted(name for names, count in zip(splits, counts, strict=True) for name in names[:count])
