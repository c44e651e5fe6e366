"""Watches the forecasts of a drive without labels: do they stay what they were, stay apart, stay on the road?

Cycle by cycle: how far the most likely futures moved since an interval ago, how many flipped to another mode, how many
ask for another acceleration or turn, how many run into each other or leave the road, how many tracks fell silent. These
are signs that tracks, map, clock or model are not as they were on a reference drive; they are no measure of safety.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Bool, Float64
from forecast.eval.comfort import LIMITS, motion_of
from forecast.eval.overlap import FLIP_M
from forecast.prediction.collisions import overlapping
from forecast.stack.stack_message import STANDS_M
from forecast.stack.thresholds import Thresholds
from forecast.stack.watched import Watched

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
OnRoad = Callable[[Float64[Floats, "points 2"]], Bool[Bools, "points"]]

#: In the order of reports. Shares are of the agents that can be judged; all are better low.
SIGNALS = {
    "overlap_m": "mean distance of the most likely futures to those of an interval ago, at the same times, metres",
    "flips": f"share whose most likely mode is over {FLIP_M:g} m from the last one although another mode stayed",
    "discomfort": "share that asks for another acceleration, jerk or turning than an interval ago (NAVSIM v2's limits)",
    "meets": "share whose most likely future runs into another's",
    "off_road": "share that is on the road and whose most likely future leaves it",
    "silent": "share of the tracks of the last three seconds that have no forecast now",
}
#: Tracks count as silent for so long, seconds.
_MEMORY_S = 3.0
#: An earlier cycle is an interval ago if it is so near to that, share of the interval.
_NEAR = 0.5
#: Leads may stray so much from even steps, seconds.
_EVEN_S = 1e-3
#: Steps of two cycles meet if they are so near, share of a step.
_MEETS = 1e-3
_SQUARED_LIMITS = np.array(list(LIMITS.values()))[:, None] ** 2


@dataclass(frozen=True)
class Finding:
    """What the monitor says of one cycle.

    Attributes:
        time_s: of the cycle.
        agents: how many are forecast.
        signals: of :data:`SIGNALS`; without those that cannot be told now.
        above: those beyond their threshold in this cycle.
        alarms: those beyond it in enough of the last cycles.
    """

    time_s: float
    agents: int
    signals: dict[str, float]
    above: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


@dataclass
class _Past:
    """What is kept of a cycle."""

    time_s: float
    step_s: float
    row: dict[Hashable, int]
    likely_m: Floats
    motion: Floats  # (4, agents, steps)


@dataclass
class Monitor:
    """Watches one drive.

    Args:
        thresholds: of a reference drive; without them nothing is above, and signals alone are told.
        on_road: which of (points, 2) places in the world, metres, are on the road; without it off-road is not told.
        interval_s: between the forecasts that are compared, seconds; default: one step of the leads.

    Raises:
        ValueError: the interval is not above 0, or the thresholds were learnt with another one or name no signal.
    """

    thresholds: Thresholds | None = None
    on_road: OnRoad | None = None
    interval_s: float | None = None
    _past: deque[_Past] = field(default_factory=deque, init=False, repr=False)
    _seen: dict[Hashable, float] = field(default_factory=dict, init=False, repr=False)
    _above: deque[tuple[str, ...]] = field(default_factory=deque, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.interval_s is not None and not self.interval_s > 0:
            raise ValueError(f"interval_s {self.interval_s:g}: expected seconds above 0")
        if self.thresholds is not None:
            unknown = [name for name in self.thresholds.limits if name not in SIGNALS]
            if unknown:
                raise ValueError(f"a threshold of {unknown[0]!r}, which is no signal; these are {', '.join(SIGNALS)}")
            if self.thresholds.interval_s != self.interval_s:
                learnt, asked = (_named(one) for one in (self.thresholds.interval_s, self.interval_s))
                raise ValueError(f"thresholds learnt at an interval of {learnt}, asked for {asked}; expected the same")

    def update(self, watched: Watched) -> Finding:
        """Look at the next cycle.

        Args:
            watched: the forecasts; cycles come in the order of their times.

        Raises:
            ValueError: the cycle is not later than the last one, or its leads are not even.
        """
        step_s = _step_s(watched.lead_s) if len(watched.lead_s) else np.inf
        if self._past and watched.time_s <= self._past[-1].time_s:
            raise ValueError(
                f"a cycle at {watched.time_s:g} s after one at {self._past[-1].time_s:g} s; expected later"
            )
        usual_s = next((one.step_s for one in reversed(self._past) if np.isfinite(one.step_s)), 0.5)
        interval_s = (step_s if np.isfinite(step_s) else usual_s) if self.interval_s is None else self.interval_s
        rows = np.arange(len(watched.ids))
        likely = watched.probabilities.argmax(1) if len(rows) else np.zeros(0, dtype=np.int64)
        path = watched.positions_m[rows, likely]
        whole = len(watched.lead_s) >= 4 and len(rows)
        motion = np.stack(list(motion_of(path, step_s).values())) if whole else np.full((4, *path.shape[:2]), np.nan)
        now = _Past(watched.time_s, step_s, dict(zip(watched.ids, rows.tolist(), strict=True)), path, motion)
        signals: dict[str, float] = {}
        before = self._an_interval_ago(watched.time_s, interval_s)
        if before is not None and before.step_s == step_s:
            signals |= _since(before, now, watched, likely, step_s)
        signals |= self._alone(watched, path)
        signals |= self._silent(watched)
        self._past.append(now)
        while self._past[0].time_s < watched.time_s - 2 * interval_s:
            self._past.popleft()
        return self._judged(watched, signals)

    def _an_interval_ago(self, time_s: float, interval_s: float) -> _Past | None:
        """The cycle that is nearest to an interval ago, if one is near."""
        off = [(abs(time_s - one.time_s - interval_s), number) for number, one in enumerate(self._past)]
        best = min(off, default=None)
        return None if best is None or best[0] > _NEAR * interval_s else self._past[best[1]]

    def _alone(self, watched: Watched, path: Floats) -> dict[str, float]:
        """What one cycle says by itself."""
        found: dict[str, float] = {}
        places = np.concatenate([watched.pose_world[:, None, :2], path], 1)
        known = np.isfinite(places[..., 0])
        sized = (watched.size_m > 0).all(1) & known[:, 0] & known[:, 1:].any(1)
        if sized.sum() > 1:
            boxes = slice(None) if sized.all() else sized
            ahead = places[boxes, 1:] - places[boxes, :-1]
            heading = np.arctan2(ahead[..., 1], ahead[..., 0])
            # Who does not move keeps its heading.
            moves = np.abs(ahead[..., 0]) + np.abs(ahead[..., 1]) > STANDS_M
            heading = np.where(moves, heading, watched.pose_world[boxes, None, 2])
            one = path[boxes], heading, watched.pose_world[boxes], watched.size_m[boxes]
            found["meets"] = float(overlapping(*one).mean())
        if self.on_road is not None and len(path):
            on = self.on_road(places.reshape(-1, 2)).reshape(places.shape[:2]) | ~known
            begins = on[:, 0]
            if begins.any():
                found["off_road"] = float((~on[begins]).any(1).mean())
        return found

    def _silent(self, watched: Watched) -> dict[str, float]:
        self._seen |= dict.fromkeys(watched.ids, watched.time_s)
        old = [one for one, seen_s in self._seen.items() if seen_s < watched.time_s - _MEMORY_S]
        for one in old:
            del self._seen[one]
        return {"silent": 1 - len(watched.ids) / len(self._seen)} if self._seen else {}

    def _judged(self, watched: Watched, signals: dict[str, float]) -> Finding:
        if self.thresholds is None:
            return Finding(watched.time_s, len(watched.ids), signals)
        above = tuple(name for name, value in signals.items() if value > self.thresholds.limits.get(name, np.inf))
        self._above.append(above)
        while len(self._above) > self.thresholds.of_last:
            self._above.popleft()
        alarms = tuple(name for name in SIGNALS if sum(name in one for one in self._above) >= self.thresholds.at_least)
        return Finding(watched.time_s, len(watched.ids), signals, above, alarms)


def _named(interval_s: float | None) -> str:
    return "one step of the leads" if interval_s is None else f"{interval_s:g} s"


def _step_s(lead_s: Floats) -> float:
    step_s = float(lead_s[0])
    # Not np.allclose, which takes as long as all the rest of this module.
    if not (np.abs(lead_s - step_s * np.arange(1, len(lead_s) + 1)) <= _EVEN_S + 1e-5 * lead_s).all():
        raise ValueError(f"leads of {lead_s.tolist()[:4]} s; expected even steps from the present on")
    return step_s


def _since(before: _Past, now: _Past, watched: Watched, likely: NDArray[np.int64], step_s: float) -> dict[str, float]:
    """What changed since an earlier cycle, over the agents of both, at the times of which both speak."""
    here: NDArray[np.int64] | slice
    there: NDArray[np.int64] | slice
    if now.row == before.row:  # the usual case, which copies nothing
        here = there = slice(None)
        count = len(now.row)
    else:
        both = [(row, before.row[one]) for one, row in now.row.items() if one in before.row]
        if not both:
            return {}
        here, there = np.array(both).T
        count = len(both)
    if not count:
        return {}
    steps_ago = (now.time_s - before.time_s) / step_s
    earlier = _from(np.moveaxis(before.likely_m[there], 1, -1), steps_ago)
    shared = earlier.shape[-1]
    if not shared:
        return {}
    dx, dy = np.moveaxis(now.likely_m[here, :shared], -1, 0) - np.moveaxis(earlier, 1, 0)
    away = np.hypot(dx, dy)
    known = np.isfinite(away)
    if not known.any():
        return {}
    some = known.any(1)
    found = {"overlap_m": float((np.where(known, away, 0.0).sum(1)[some] / known.sum(1)[some]).mean())}
    if known[:, -1].any():
        ends = watched.positions_m[here, :, shared - 1] - earlier[:, None, :, -1]
        others = np.where(watched.probabilities[here] > 0, np.hypot(ends[..., 0], ends[..., 1]), np.inf)
        others[np.arange(count), likely[here]] = np.inf
        flipped = (away[:, -1] > FLIP_M) & (np.fmin.reduce(others, axis=1) <= FLIP_M)
        found["flips"] = float(flipped[known[:, -1]].mean())
    changes = now.motion[:, here, :shared] - _from(before.motion[:, there], steps_ago)
    told = np.isfinite(changes)
    if not told.all():
        changes = np.where(told, changes, 0.0)
    mean_square = np.einsum("qas,qas->qa", changes, changes) / np.maximum(told.sum(-1), 1)
    judged = told.any(-1).all(0)
    if judged.any():
        found["discomfort"] = float((mean_square > _SQUARED_LIMITS).any(0)[judged].mean())
    return found


def _from(values: Floats, steps_ago: float) -> Floats:
    """(…, shared) values along the last axis from so many steps on; between two of them where the steps do not meet."""
    whole = round(steps_ago)
    if abs(steps_ago - whole) < _MEETS:
        return values[..., whole:]
    place: Floats = np.arange(values.shape[-1]) + steps_ago
    place = place[place <= values.shape[-1] - 1]
    low = place.astype(np.int64)
    share: Floats = place - low
    between: Floats = values[..., low] * (1 - share) + values[..., np.minimum(low + 1, values.shape[-1] - 1)] * share
    return between
