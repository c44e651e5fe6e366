"""JSON that is whole or not there, and holds no NaN."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from forecast.core.files import written_whole


def finite(value: Any) -> Any:
    """The same value for JSON, which knows no NaN and no infinity: numbers that are none become None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path | str, document: Any, *, indent: int = 2) -> None:
    """Write a document in UTF-8, whole or not at all; missing folders are made.

    Args:
        path: the file.
        document: that JSON can hold.
        indent: blanks a level.
    """
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(document, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
