"""What a synthetic world says of itself in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: The file.
MARK = "town.json"


def read_mark(folder: Path | str) -> dict[str, Any]:
    """World, seed, scenes, version and, of a junction world, its shares; empty where the folder is no such world."""
    about = Path(folder) / MARK
    told: dict[str, Any] = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
    return told
