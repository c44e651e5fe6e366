"""Truth by the names of its tracks, in whatever form another program wrote these."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows, TruthRows

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


def named_by_truth(piece: ForecastRows, truth: TruthByTrack, given: dict[str, str], path: object) -> ForecastRows:
    """The same with tracks called as the truth does, so that files that name them in other forms can be paired.

    Args:
        piece: of the file.
        truth: unknown tracks keep their names.
        given: what the file calls each of the truth's tracks, filled piece by piece.
        path: the file.

    Raises:
        SubmissionError: two tracks of the file are the same in the truth.
    """
    tracks, code = np.unique(piece.track, return_inverse=True)
    own = [truth.known(track) for track in tracks.tolist()]
    for track, known in zip(tracks.tolist(), own, strict=True):
        if known is not None and given.setdefault(known, track) != track:
            raise SubmissionError(
                f"{path}: tracks {given[known]!r} and {track!r} are both {known!r} in the truth; "
                "expected one name a track"
            )
    called = [track if known is None else known for track, known in zip(tracks.tolist(), own, strict=True)]
    if called == tracks.tolist():
        return piece
    return replace(piece, track=np.array(called, dtype=np.str_)[code.reshape(-1)])
