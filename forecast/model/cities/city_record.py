"""What a checkpoint says of a city that its network was adapted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from torch import nn

#: What answers where no city does, in the place of a city's name.
BASE = "base"
#: Asks for the city that a scene looks like.
GUESSED = "guessed"
#: What of a network changes for a city: low-rank updates of matrices and all vectors; what attends, positions and
#: heads; or everything.
Changes = Literal["adapters", "attention", "full"]


@dataclass(frozen=True)
class CityRecord:
    """A city.

    Attributes:
        name: of the city, in the checkpoint and on the command line.
        locations: names of the maps on which it answers.
        method: what of the base it changes.
        rank: of the updates of matrices, where ``method`` is ``adapters``.
    """

    name: str
    locations: tuple[str, ...]
    method: Changes
    rank: int = 16

    def __post_init__(self) -> None:
        taken = self.name in (BASE, GUESSED) or hasattr(nn.ModuleDict, self.name)  # parts are modules by their names
        if not self.name or not self.locations or taken or "." in self.name:
            raise ValueError(
                f"a city has locations, and a name without dots that means nothing else, as {BASE} and {GUESSED} do; "
                f"got '{self.name}'"
            )
        if self.method not in get_args(Changes):
            raise ValueError(f"a city's method: expected {', '.join(get_args(Changes))}, got '{self.method}'")
        if self.rank < 1:
            raise ValueError(f"a city's rank: expected at least 1, got {self.rank}")
