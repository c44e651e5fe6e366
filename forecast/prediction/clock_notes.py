"""Whether the times of a scene's observations look like those of another clock, or of another unit."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from forecast.core.horizon import Horizon
from forecast.prediction.readings import Floats, named, shown
from forecast.prediction.resample import Integers, Observed, Silence, memory_s

#: Whose times lie further than this from all those of the others has another clock.
_OTHER_CLOCK_S = 60.0


def clock_notes(
    row_agent: Integers,
    row_time_s: Floats,
    agent_ids: Sequence[Hashable],
    now_s: float,
    seen: Observed,
    horizon: Horizon,
    silence: Silence,
) -> list[str]:
    """Say where times look like those of another clock, or of another unit.

    Args:
        row_agent, row_time_s: (rows,) all observations of a scene.
        agent_ids: (agents,).
        now_s: its time 0.
        seen: those of them that matter.
        horizon: of the model.
        silence: of the forecaster.
    """
    if not len(row_agent):
        return []
    memory = memory_s(horizon)
    notes = []
    if not len(seen.time_us):
        away_s = row_time_s - now_s
        nearest = float(away_s[np.abs(away_s).argmin()])
        notes.append(
            f"nothing was observed in the {memory:.1f} s before now: the nearest observation lies {abs(nearest):.3f} s "
            f"{'after' if nearest > 0 else 'before'} it; are all times on one clock, and in seconds?"
        )
    elif (newest_s := seen.time_us.max() * -1e-6) > silence.hold_s:
        notes.append(
            f"the newest observation is {newest_s:.3f} s old, and silent agents are forecast for {silence.hold_s:g} s: "
            "are all times on one clock?"
        )
    notes += _of_other_clocks(row_agent, row_time_s, agent_ids, now_s, seen)
    if 2 * len(seen.time_us) <= len(row_agent):
        order = np.lexsort((row_time_s, row_agent))
        between_s = np.diff(row_time_s[order])[np.diff(row_agent[order]) == 0]
        apart_s = float(np.median(between_s)) if len(between_s) else 0.0
        if apart_s > memory:
            notes.append(
                f"observations of one agent lie {apart_s:g} s apart in the median, and only those of the last "
                f"{memory:.1f} s count: are times in seconds?"
            )
    return notes


def _of_other_clocks(
    row_agent: Integers, row_time_s: Floats, agent_ids: Sequence[Hashable], now_s: float, seen: Observed
) -> list[str]:
    """Say who was never seen anywhere near the times of those who count. Who is long gone, or yet to come, was."""
    counts = seen.first[1:] > seen.first[:-1]
    others = ~counts[row_agent]
    if not counts.any() or not others.any():
        return []
    known_s = row_time_s[~others]
    far = others & ((row_time_s < known_s.min() - _OTHER_CLOCK_S) | (row_time_s > known_s.max() + _OTHER_CLOCK_S))
    rows, rows_far = (np.bincount(row_agent[which], minlength=len(counts)) for which in (others, far))
    elsewhen = (rows > 0) & (rows == rows_far)
    if not elsewhen.any():
        return []
    whose = np.flatnonzero(elsewhen)
    away_s = row_time_s[row_agent == whose[0]][-1] - now_s
    return [
        f"{named(agent_ids[number] for number in whose.tolist())} were not observed near the times of the others: "
        f"{shown(agent_ids[whose[0]])} {abs(away_s):.3f} s {'after' if away_s > 0 else 'before'} now; are all times on "
        "one clock, and in seconds?"
    ]
