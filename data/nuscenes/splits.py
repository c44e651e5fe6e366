"""The official splits of the nuScenes prediction challenge: scene lists and lists of agent-samples."""

from __future__ import annotations

from pathlib import Path

import msgspec

from forecast.core.errors import DataError
from forecast.data.nuscenes.scene_lists import SCENE_NUMBERS, scene_names

SPLITS = tuple(SCENE_NUMBERS)


def official_scenes() -> dict[str, list[str]]:
    """Scene names of every split, in the official order."""
    return {split: scene_names(numbers) for split, numbers in SCENE_NUMBERS.items()}


def challenge_path(dataroot: Path) -> Path:
    """Where the challenge's lists lie in a nuScenes folder."""
    return dataroot / "maps" / "prediction" / "prediction_scenes.json"


def read_challenge(dataroot: Path) -> dict[str, list[str]] | None:
    """Read the challenge's lists.

    Returns:
        scene name → ``instance_sample`` tokens, or None where the folder holds no lists.

    Raises:
        DataError: the file is damaged.
    """
    path = challenge_path(dataroot)
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise DataError(f"{path}: expected scene names with lists of instance_sample tokens: {fault}") from None
