"""Scores files of rows against rows of truth: any model, any rate, no nuScenes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import DataError, SubmissionError
from forecast.core.files import as_text
from forecast.core.progress import progress
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import ForecastFile, read_truth
from forecast.eval.matching import timing_of
from forecast.eval.notes import Notes
from forecast.eval.results import PerItem
from forecast.scoring.off_road_scores import NEAR, ON, misfit
from forecast.scoring.report_document import Report, names_of, window_of
from forecast.scoring.scores import Scores, Settings, finish, merged, score_rows

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


def _rough_name(name: str) -> str:
    """What is left of a name without case, blanks, leading zeros and Unicode forms."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"(?<!\d)0+(?=\d)", "", "".join(folded.split()))


def score_streams(
    paths: Sequence[Path | str],
    truth_path: Path | str,
    settings: Settings = Settings(),  # noqa: B008 frozen
    *,
    skip_bad_rows: bool = False,
) -> Report:
    """Score Parquet or CSV files of forecasts, read piece by piece, against a file of truth.

    All forecasts count in all metrics. Neither the order of the rows nor the size of the pieces changes a figure.

    Args:
        paths: one or several files (docs/forecasts-format.md), their rows in any order.
        truth_path: observations of the same tracks on the same clock.
        settings: what to measure beside the defaults.
        skip_bad_rows: leave out rows that are wrong by themselves, and say in the warnings how many, and why.

    Raises:
        SubmissionError: a file is not as documented, or no forecast has any truth.
        ConfigError: the interval that was asked for does not meet the leads.
        DataError: none of the forecasts begins anywhere near the map.
    """
    files, notes = [Path(path) for path in paths], Notes()
    truth = TruthByTrack(read_truth(truth_path, skip_bad_rows=skip_bad_rows, notes=notes))
    scores = []
    for name, path in zip(names_of(files), files, strict=True):
        file = ForecastFile(path, skip_bad_rows=skip_bad_rows)
        found = _score_file(name, file, truth, str(truth_path), settings)
        found.warnings.extend([*file.notes.warnings(as_text(path)), *notes.warnings(as_text(truth_path))])
        if skip_bad_rows:
            found.coverage["bad_rows_left_out"] = file.notes.left_out.total()
            found.coverage["bad_truth_rows_left_out"] = notes.left_out.total()
        scores.append(finish(found))
    about = {"truth": as_text(truth_path), "population": "all", **window_of(settings)}
    if settings.road is not None:
        about |= {"map": settings.road.source.name, "off_road_rule": settings.road.rule}
    return Report(tuple(scores), (), about)


def _score_file(name: str, file: ForecastFile, truth: TruthByTrack, truth_path: str, settings: Settings) -> Scores:
    parts: list[Scores] = []
    times_s: list[float] = []
    given: dict[str, str] = {}
    for piece in progress(file, f"scoring {name}"):
        timing = timing_of(
            piece, interval_s=settings.interval_s, issue_step=file.interval_s, tolerance_s=settings.tolerance_s
        )
        piece = _named_by_truth(piece, truth, given, file.path)
        known = truth.of(np.unique(piece.track).tolist())
        parts.append(score_rows(name, piece, piece, known, settings, timing=timing))
        times_s += [*_reach_s(piece)]
        _check_same(parts, file.path)
    scores = _by_track(merged(parts))
    without, forecasts = scores.coverage["agent_samples_without_truth"], scores.coverage["agent_samples"]
    unknown = sorted({track for track in scores.agent_track.tolist() if truth.known(track) is None})
    if without == forecasts:
        why = _why_none(scores, truth, unknown, (min(times_s), max(times_s)))
        raise SubmissionError(f"{file.path}: none of its {forecasts} forecasts has a truth in {truth_path}; {why}")
    if settings.road is not None:
        on, near = (int(scores.coverage[name]) for name in (ON, NEAR))
        said, nowhere = misfit(settings.road.source, "forecasts begin", int(forecasts), on, near)
        if nowhere:
            raise DataError(f"{file.path}: {said}")
        if said:
            scores.warnings.append(f"off-road rate: {said}")
    if without:
        of_these = f" ({len(unknown)} tracks are unknown there, e.g. {unknown[0]!r})" if unknown else ""
        scores.warnings.append(
            f"{without} of {forecasts} forecasts have no truth at any lead and do not count{of_these}"
        )
    return scores


def _reach_s(piece: ForecastRows) -> tuple[float, float]:
    """The first and the last time that forecasts speak of, s."""
    return (
        float((piece.issue_time_s + piece.own_lead_s[:, 0]).min()),
        float((piece.issue_time_s + piece.own_lead_s[:, -1]).max()),
    )


def _why_none(scores: Scores, truth: TruthByTrack, unknown: list[str], reach_s: tuple[float, float]) -> str:
    tracks = len(np.unique(scores.agent_track))
    if len(unknown) == tracks:
        alike = {_rough_name(name): name for name in np.unique(truth.all.track).tolist()}
        near = [name for name in unknown if _rough_name(name) in alike]
        first = near[0] if near else unknown[0]
        other = alike.get(_rough_name(first), str(truth.all.track[0]))
        how = " (they differ only in case, blanks, leading zeros or Unicode form)" if near else ""
        return (
            f"no track is in both: e.g. {first!r} is forecast and {other!r} is known{how}; "
            "expected the same track names in both"
        )
    known = truth.of(np.unique(scores.agent_track).tolist()).time_s
    return (
        f"{tracks - len(unknown)} of its {tracks} tracks are known there, but not at these times: the forecasts are "
        f"for {_span(*reach_s)}, the truth of these tracks is from {_span(known.min(), known.max())}"
        f"{_unit_guess(reach_s, (known.min(), known.max()))}; expected seconds on the same clock in both"
    )


def _span(first: float, last: float) -> str:
    return f"{first:.13g} to {last:.13g} s"


def _unit_guess(first: tuple[float, float], second: tuple[float, float]) -> str:
    """Whether one clock looks like a thousandth, or less, of the other."""
    sizes = [max(abs(value) for value in span) for span in (first, second)]
    small, large = sorted(sizes)
    if small <= 0:
        return ""
    for factor, unit in ((1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds")):
        if 0.5 < large / small / factor < 2:
            return f" ({'those' if sizes[0] > sizes[1] else 'these'} look like {unit})"
    return ""


def _check_same(parts: Sequence[Scores], path: Path) -> None:
    first, last = parts[0], parts[-1]
    if not np.array_equal(first.horizon_s, last.horizon_s) or first.agents.keys() != last.agents.keys():
        raise SubmissionError(
            f"{path}: the forecasts after {last.agent_keys[0]} have other leads or columns than those before; "
            "expected the same in all"
        )


def _named_by_truth(piece: ForecastRows, truth: TruthByTrack, given: dict[str, str], path: Path) -> ForecastRows:
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


def _by_track(scores: Scores) -> Scores:
    """The same in the order of the tracks' names: as a file sorted by track gives it."""
    agent, point = _order(scores.agent_track), _order(scores.successive.track)
    stable, pair = _order(scores.stability.tracks), _order(scores.stability.pair_track)
    said = scores.successive
    return replace(
        scores,
        agent_keys=scores.agent_keys[agent],
        agent_track=scores.agent_track[agent],
        agents={name: _taken(values, agent) for name, values in scores.agents.items()},
        points={name: _taken(values, point) for name, values in scores.points.items()},
        successive=replace(
            said,
            track=said.track[point],
            time_s=said.time_s[point],
            truth_m=said.truth_m[point],
            said_m=said.said_m[point],
            valid=said.valid[point],
        ),
        error_ml_m=scores.error_ml_m[agent],
        hardness=_taken(scores.hardness, agent),
        stability=replace(
            scores.stability,
            pair_track=scores.stability.pair_track[pair],
            pairs={name: _taken(values, pair) for name, values in scores.stability.pairs.items()},
            tracks=scores.stability.tracks[stable],
            jitter=_taken(scores.stability.jitter, stable),
        ),
        strata={kind: labels[agent] for kind, labels in scores.strata.items()},
    )


def _order(names: NDArray[np.str_]) -> NDArray[np.int64]:
    return np.argsort(names, kind="stable")


def _taken(values: PerItem, rows: NDArray[np.int64]) -> PerItem:
    return PerItem(values.values[rows], values.valid[rows])
