"""A progress bar for long work, on the terminal's error stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], description: str, *, total: float | None = None) -> Iterator[T]:
    """Iterate with a progress bar (rich) on stderr; silent where stderr is no terminal, or rich is not installed.

    Args:
        items: what to iterate over.
        description: what is being done, a few words.
        total: number of items, where ``items`` has no length.
    """
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import track
    except ModuleNotFoundError:
        yield from items
        return

    console, what = Console(stderr=True), escape(description)
    yield from track(items, what, total=total, console=console, disable=not console.is_terminal, transient=True)
