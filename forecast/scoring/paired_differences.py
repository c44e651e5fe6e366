"""Looks up how two files of a report differ, whichever of them its pair names first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Paired intervals over fewer tracks are too narrow to be sure by: the bootstrap has too little to draw from.
FEW_TRACKS = 20
#: Names of files that hold this are of constant velocity, as ``forecast baselines`` writes it.
CONSTANT_VELOCITY = "constant_velocity"


@dataclass(frozen=True)
class Paired:
    """Mean difference of a file to another one on what both share; the interval is None where there is none.

    Attributes:
        difference: of the means, in the metric's unit.
        low: of its 95 % interval.
        high: of its 95 % interval.
        count: shared items.
        tracks: shared tracks; None where the report does not say.
    """

    difference: float
    low: float | None
    high: float | None
    count: int
    tracks: int | None = None

    @property
    def excludes_0(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def few_tracks(self) -> bool:
        """Whether the interval rests on too few tracks to be trusted."""
        return self.tracks is not None and self.tracks < FEW_TRACKS

    @property
    def turned(self) -> Paired:
        """The other file's difference to this one."""
        low, high = self.low, self.high
        turned_low, turned_high = None if high is None else -high, None if low is None else -low
        return Paired(-self.difference, turned_low, turned_high, self.count, self.tracks)

    @property
    def sure(self) -> bool:
        """Whether it can be said who is ahead."""
        return self.excludes_0 and not self.few_tracks


def paired(comparisons: Sequence[Mapping[str, Any]], name: str, reference: str, path: Sequence[str]) -> Paired | None:
    """The difference ``name`` minus ``reference``; None where the two share nothing.

    Args:
        comparisons: of the report's document, without NaN.
        name: of a file.
        reference: the other one.
        path: of the metric in a body of the document, e.g. ``("temporal", "convergence_s", "1.0")``.
    """
    group, key = path[0].removesuffix("_shared"), ".".join(path[1:])
    for pair in comparisons:
        if {pair["first"], pair["second"]} != {name, reference}:
            continue
        found = pair.get(group, {}).get(key)
        if not found or not found["count"] or found["difference"] is None:
            return None
        low, high, tracks = found.get("ci_low"), found.get("ci_high"), found.get("tracks")
        difference = Paired(found["difference"], low, high, found["count"], tracks)
        return difference if pair["second"] == name else difference.turned
    return None


def reference_of(names: Sequence[str]) -> str:
    """The file that others are measured by: constant velocity where it is among them, else the first."""
    return next((name for name in names if CONSTANT_VELOCITY in name), names[0])
