"""The page of results of the study of attribution."""

from __future__ import annotations

from pathlib import Path


def page(figures: Path, out: Path) -> None: ...
