"""Where caches lie unless the user says otherwise."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache() -> Path:
    """``$FORECAST_CACHE``, else ``cab-forecast`` in the user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``)."""
    if chosen := os.environ.get("FORECAST_CACHE"):
        return Path(chosen)
    user = os.environ.get("XDG_CACHE_HOME")
    return (Path(user) if user else Path.home() / ".cache") / "cab-forecast"
