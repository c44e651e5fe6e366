"""What is left to chance in a simulation: drawn, written down, or as it was the last time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np

_T = TypeVar("_T")


class Chance:
    """Draws from one generator.

    Args:
        rng: equal generators give equal draws, if they are made in the same order.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def draw(self, what: tuple[Hashable, ...], how: Callable[[np.random.Generator], _T]) -> _T:
        """Draw something.

        Args:
            what: names the draw: its kind, whom it concerns and when. No two draws have the same name.
            how: draws it.
        """
        return how(self.rng)


class WrittenDown(Chance):
    """Draws, and keeps a copy of everything drawn in :attr:`drawn`, by its name."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng)
        self.drawn: dict[tuple[Hashable, ...], Any] = {}

    def draw(self, what: tuple[Hashable, ...], how: Callable[[np.random.Generator], _T]) -> _T:
        """As :meth:`Chance.draw`."""
        found = super().draw(what, how)
        self.drawn[what] = copy.copy(found)
        return found


class Replayed(Chance):
    """Gives what was drawn the last time, and draws only what was not.

    Args:
        drawn: of :class:`WrittenDown`.
        seed: of what is new. A draw depends on its name alone, so not on what else has changed.
    """

    def __init__(self, drawn: dict[tuple[Hashable, ...], Any], seed: int) -> None:
        super().__init__(np.random.default_rng(seed))
        self._drawn, self._seed = drawn, seed

    def draw(self, what: tuple[Hashable, ...], how: Callable[[np.random.Generator], _T]) -> _T:
        """As :meth:`Chance.draw`."""
        if what in self._drawn:
            known: _T = copy.copy(self._drawn[what])
            return known
        key = [self._seed, *repr(what).encode()]
        return how(np.random.default_rng(np.random.SeedSequence(key)))
