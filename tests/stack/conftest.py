"""Logs to read: made-up ones, and real ones where they are."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_logs() -> Path:
    """Folder with ``apollo/messages`` and ``autoware_bag``; tests that need it skip where it is not named."""
    root = os.environ.get("STACK_LOGS_DATAROOT")
    if not root:
        pytest.skip("STACK_LOGS_DATAROOT is not set: no real logs of stacks to test on")
    return Path(root)
