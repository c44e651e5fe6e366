"""The official splits of the nuScenes prediction challenge: scene lists and lists of agent-samples."""

from __future__ import annotations

from pathlib import Path

import msgspec

from forecast.core.errors import DataError, one_of

SPLITS = ("mini_train", "mini_val", "train", "train_val", "val")

#: The first scenes of the official training set are the challenge's ``train_val``, the others its ``train``.
_SCENES_IN_TRAIN_VAL = 200


def official_scenes() -> dict[str, list[str]]:
    """Scene names of every split, in the official order; from the devkit's own lists."""
    # Only while a folder is prepared: the devkit takes seconds to load, and whoever forecasts can do without it.
    from nuscenes.utils.splits import create_splits_scenes

    lists: dict[str, list[str]] = create_splits_scenes()
    train = lists["train"]
    return {
        "mini_train": lists["mini_train"],
        "mini_val": lists["mini_val"],
        "train": train[_SCENES_IN_TRAIN_VAL:],
        "train_val": train[:_SCENES_IN_TRAIN_VAL],
        "val": lists["val"],
    }


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
    except msgspec.DecodeError as fault:
        raise DataError(f"{path}: expected scene names with lists of instance_sample tokens: {fault}") from None


def check_split(split: str) -> None:
    """Refuse an unknown name.

    Raises:
        DataError: lists the known names.
    """
    if split not in SPLITS:
        raise DataError(f"no split {split!r}; {one_of(SPLITS, split)}")
