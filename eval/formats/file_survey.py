"""What holds for the whole of a file of forecasts, found before any piece of it is scored.

Every piece is then read with the same grid of leads and compared at the same interval, so that neither the size of the
pieces nor the order of the rows changes a figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.core.units import MAX_LEAD_S, MAX_TIME_S
from forecast.eval.formats.flat_rows import SAMPLE, check_leads
from forecast.eval.formats.lead_grid import LeadGrid, Spans, lead_grid
from forecast.eval.formats.row_source import Source
from forecast.eval.formats.table_columns import numbered, numbers, times
from forecast.eval.formats.track_order import Grouping, named_rows, whole_tracks
from forecast.eval.matching import typical_gap_s
from forecast.eval.results import Bools, Floats, Integers

_WHO = ("track", "issue_time_s")
_US = 1e6


@dataclass(frozen=True)
class Survey:
    """What holds for all pieces of a file.

    Attributes:
        grid: the steps that the leads are at; None where each piece states its leads (the nested form).
        interval_s: median seconds between successive issues of a track; inf where each is forecast once.
        sampled: whether any line is a draw of the full distribution (the flat form).
    """

    grid: LeadGrid | None
    interval_s: float
    sampled: bool = False


def survey(source: Source, *, flat: bool) -> Survey | None:
    """Look through a file; None where the rows of a track do not follow each other.

    Rows that have no name, no time or no lead are passed over: they are refused, or left out, where they are read.

    Args:
        source: the file.
        flat: whether its rows are points, with leads of their own.

    Raises:
        SubmissionError: columns that hold something else, or leads that are on no grid.
    """
    grouping, number_of = Grouping(), dict[str, int]()
    tracks: list[Integers] = []
    issues: list[Floats] = []
    leads, longest, sampled = np.zeros(0, dtype=np.int64), 0, False
    draws = (SAMPLE,) if SAMPLE in source.columns else ()
    for piece in source.pieces((*_WHO, "lead_s", *draws) if flat else _WHO):
        code, track_names = named_rows(piece, source.where)
        issue_s = times(piece, "issue_time_s", source.where)
        named = code >= 0
        if not grouping.holds(code if named.all() else code[named], track_names):
            return None
        sound = named & (np.abs(issue_s) <= MAX_TIME_S)  # False where NaN
        if flat:
            if not sampled and SAMPLE in piece.column_names:
                sampled = not np.isnan(numbers(piece, SAMPLE, source.where)).all()
            distinct, run = _leads(piece, source.where, sound, code, issue_s)
            leads, longest = np.union1d(leads, distinct), max(longest, run)
        code, issue_s = code[sound], issue_s[sound]
        first = np.sort(numbered(code, issue_s)[1])
        ids = np.array([number_of.setdefault(name, len(number_of)) for name in track_names], dtype=np.int64)
        tracks.append(ids[code[first]] if len(first) else first)
        issues.append(issue_s[first])
    track, issue_s = np.concatenate([*tracks, leads[:0]]), np.concatenate([*issues, np.zeros(0)])
    first = numbered(track, issue_s)[1]  # a forecast may lie in two pieces
    return Survey(_grid(source, leads, longest) if flat else None, typical_gap_s(track[first], issue_s[first]), sampled)


def _leads(piece: pa.Table, where: str, sound: Bools, code: Integers, issue_s: Floats) -> tuple[Integers, int]:
    """The distinct leads of sound rows, µs; and how many the longest run of rows of one forecast has."""
    lead_s = times(piece, "lead_s", where, clock=False)
    usable = _usable(lead_s)
    if sound.all() and usable.all():
        kind = piece.column("lead_s").type
        distinct = pc.unique(piece.column("lead_s")).to_numpy() if pa.types.is_float64(kind) else np.unique(lead_s)
    else:
        distinct = np.unique(lead_s[sound & usable])
    start = np.flatnonzero((np.diff(code, prepend=-2) != 0) | (np.diff(issue_s, prepend=np.nan) != 0))
    if not len(start):
        return _us(distinct), 0
    length = np.diff(start, append=len(code))
    most = start[length.argmax()]
    run = lead_s[most : most + length.max()][(sound & usable)[most : most + length.max()]]
    return np.unique(_us(distinct)), len(np.unique(_us(run)))


def _usable(lead_s: Floats) -> Bools:
    usable: Bools = (np.rint(lead_s * _US) >= 1) & (lead_s <= MAX_LEAD_S)
    return usable


def _us(lead_s: Floats) -> Integers:
    whole: Integers = np.rint(np.asarray(lead_s, dtype=np.float64) * _US).astype(np.int64)
    return whole


def _grid(source: Source, leads: Integers, longest: int) -> LeadGrid | None:
    if not len(leads):
        return None  # no row is sound, which is told where they are read
    grid = lead_grid(source.where, leads, longest, lambda: Spans.joined(_spans(source)))
    check_leads(source.where, grid.lead_s)
    return grid


def _spans(source: Source) -> Iterator[Spans]:
    for piece in whole_tracks(source.pieces((*_WHO, "lead_s")), source.where):
        code, _ = named_rows(piece, source.where)
        issue_s, lead_s = times(piece, "issue_time_s", source.where), times(piece, "lead_s", source.where, clock=False)
        sound = (code >= 0) & (np.abs(issue_s) <= MAX_TIME_S) & _usable(lead_s)
        if sound.any():
            forecast, _ = numbered(code[sound], issue_s[sound])
            yield Spans.of(forecast, _us(lead_s[sound]))[0]
