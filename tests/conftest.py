"""Shared by all tests: where real data lies, if anywhere, and caches that leave the user's own alone."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def nuscenes_dataroot() -> Path:
    """Folder of the real nuScenes v1.0-mini; tests that need it skip where ``NUSCENES_DATAROOT`` is not set."""
    root = os.environ.get("NUSCENES_DATAROOT")
    if not root:
        pytest.skip("NUSCENES_DATAROOT is not set: no real nuScenes data to test on")
    return Path(root)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["FORECAST_CACHE"] = str(tmp_path_factory.mktemp("forecast-cache"))
