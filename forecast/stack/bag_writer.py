"""Writes one topic of a bag: MCAP, or bag2 of SQLite; it appears whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from forecast.core.errors import SubmissionError
from forecast.core.extras import optional_module
from forecast.core.files import folder_beside

#: Nanoseconds a second.
PER_S = 1_000_000_000


def nanoseconds(time_s: float) -> int:
    """Whole nanoseconds; seconds since 1970 times 1e9 would lose a fraction of a microsecond."""
    whole_s = int(time_s // 1)
    return whole_s * PER_S + round((time_s - whole_s) * PER_S)


def written_bag(
    path: Path | str, topic: str, type_of: str, store: Any, messages: Iterable[tuple[float, bytes]]
) -> None:
    """Write messages.

    Args:
        path: an ``.mcap`` file, or a folder for a bag2 with its ``metadata.yaml``.
        topic, type_of: of the messages.
        store: the ``rosbags`` typestore that knows the type.
        messages: time in seconds and CDR, in the order of their times.

    Raises:
        MissingExtraError: rosbags is not installed.
        SubmissionError: nothing to write, or a folder that holds something else.
    """
    path = Path(path)
    bags = optional_module("rosbags.rosbag2", "ros")
    single = path.suffix.lower() == ".mcap"
    storage = bags.StoragePlugin.MCAP if single else bags.StoragePlugin.SQLITE3
    if path.is_dir() and any(path.iterdir()) and not (path / "metadata.yaml").is_file():
        raise SubmissionError(f"{path}: is a folder that holds no bag; choose a new or an empty one")
    count = 0
    with folder_beside(path) as hidden:
        folder = hidden / path.stem
        with bags.Writer(folder, version=9, storage_plugin=storage) as writer:
            connection = writer.add_connection(topic, type_of, typestore=store)
            for time_s, data in messages:
                writer.write(connection, nanoseconds(time_s), data)
                count += 1
        if not count:
            raise SubmissionError(f"{path}: nothing to write; expected at least one message")
        if single:
            (held,) = folder.glob("*.mcap")
            held.replace(path)
        else:
            if path.exists():
                shutil.rmtree(path)
            folder.replace(path)
