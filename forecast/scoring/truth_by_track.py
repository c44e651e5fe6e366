"""Truth by the names of its tracks, in whatever form another program wrote these."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from forecast.core.rows import TruthRows

_WHOLE = re.compile(r"[+-]?\d+\.0*")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


class TruthByTrack:
    """Truth that hands out the observations of some tracks without a search through all of them.

    A track that another program wrote in another form (1.0 for 1, a UUID without its dashes) is the same track, as long
    as only one of the truth can be meant.
    """

    def __init__(self, truth: TruthRows) -> None:
        # Stable, so that the observations of a track stay in the order of time.
        order = np.argsort(truth.track, kind="stable")
        self.all = TruthRows(truth.track[order], truth.time_s[order], truth.positions_m[order])
        names, first, count = np.unique(self.all.track, return_index=True, return_counts=True)
        self._rows = {
            name: np.arange(at, at + many)
            for name, at, many in zip(names.tolist(), first.tolist(), count.tolist(), strict=True)
        }
        meant: dict[str, list[str]] = {}
        for name in self._rows:
            meant.setdefault(_plain_name(name), []).append(name)
        self._other_form = {plain: found[0] for plain, found in meant.items() if len(found) == 1}

    def known(self, name: str) -> str | None:
        """What the truth calls a track; None if it does not know it."""
        return name if name in self._rows else self._other_form.get(_plain_name(name))

    def of(self, tracks: Sequence[str]) -> TruthRows:
        """Observations of the tracks that are known, under the names given; of none if none is."""
        names = {name: own for name in tracks if (own := self.known(name)) is not None}
        found = [self._rows[own] for own in names.values()]
        rows = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
        called = np.repeat(np.array(list(names), dtype=np.str_), [len(part) for part in found])
        return TruthRows(called, self.all.time_s[rows], self.all.positions_m[rows])


def _plain_name(name: str) -> str:
    if _WHOLE.fullmatch(name):
        return name.split(".")[0]
    return name.replace("-", "").lower() if _UUID.fullmatch(name) else name
