"""Why none of the forecasts of a file has any truth: other names, other times, another unit."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows
from forecast.scoring.scores import Scores, issue_times_s
from forecast.scoring.truth_by_track import TruthByTrack

#: Times are the same up to this share of the first lead.
_SAME_TIME = 0.1


def no_truth(
    path: object, forecast: NDArray[np.str_], truth: TruthByTrack, truth_path: str, reach_s: tuple[float, float]
) -> SubmissionError:
    """What to say of a file whose forecasts have no truth at all.

    Args:
        path: the file.
        forecast: (rows,) its tracks.
        truth: all of it.
        truth_path: its file.
        reach_s: first and last time that the forecasts are for, s.
    """
    why = _why(np.unique(forecast).tolist(), truth, reach_s)
    return SubmissionError(f"{path}: none of its {len(forecast)} forecasts has a truth in {truth_path}; {why}")


def unknown_of(tracks: list[str], truth: TruthByTrack) -> list[str]:
    """Those tracks that the truth does not know, in order."""
    return sorted(track for track in tracks if truth.known(track) is None)


def _why(forecast: list[str], truth: TruthByTrack, reach_s: tuple[float, float]) -> str:
    unknown, tracks = unknown_of(forecast, truth), len(forecast)
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
    known = truth.of(forecast).time_s
    return (
        f"{tracks - len(unknown)} of its {tracks} tracks are known there, but not at these times: the forecasts are "
        f"for {_span(*reach_s)}, the truth of these tracks is from {_span(known.min(), known.max())}"
        f"{_unit_guess(reach_s, (known.min(), known.max()))}; expected seconds on the same clock in both"
    )


def reach_s_of(forecasts: ForecastRows) -> tuple[float, float]:
    """The first and the last time that forecasts speak of, s."""
    return (
        float((forecasts.issue_time_s + forecasts.own_lead_s[:, 0]).min()),
        float((forecasts.issue_time_s + forecasts.own_lead_s[:, -1]).max()),
    )


def issued_at_the_end(scores: Scores, truth: TruthByTrack) -> int:
    """How many forecasts were issued when their track was seen for the last time: nothing can be known of them.

    Args:
        scores: of the file, its tracks as the truth calls them.
        truth: all of it.
    """
    first_lead_s, issue_s = scores.horizon_s[0], issue_times_s(scores.agent_keys)
    names, last = np.unique(truth.all.track[::-1], return_index=True)  # observations of a track are in order of time
    last_s = dict(zip(names.tolist(), truth.all.time_s[::-1][last].tolist(), strict=True))
    ends_s = np.array([last_s.get(track, np.nan) for track in scores.agent_track.tolist()])
    before = (ends_s - issue_s) / first_lead_s
    return int(((before > -_SAME_TIME) & (before < 1 - _SAME_TIME)).sum())


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


def _rough_name(name: str) -> str:
    """What is left of a name without case, blanks, leading zeros and Unicode forms."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"(?<!\d)0+(?=\d)", "", "".join(folded.split()))
