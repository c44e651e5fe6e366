"""Pages are tested in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser; tests that need it skip where Chromium, its driver or selenium are missing."""
    pytest.importorskip("selenium", reason="selenium is not installed: no browser to look at pages with")
    from browser import Browser, programs

    found = programs()
    if found is None:
        pytest.skip("no Chromium with its driver (Debian: chromium, chromium-driver): pages are not looked at")
    opened = Browser(*found)
    yield opened
    opened.close()
