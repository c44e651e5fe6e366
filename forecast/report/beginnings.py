"""Whether forecasts begin where their agents are: another frame or order of axes is told, not just scored."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecast.core.rows import ForecastRows
from forecast.eval.displacement import likeliest
from forecast.eval.results import Bools, Floats

#: No agent gets farther than this before the first lead: a stated distance, and a speed that no road user has.
_NEAR_M, _FASTEST_MPS = 10.0, 100.0
#: Another reading of the numbers is believed if it is this many times nearer to the truth.
_BETTER = 5.0
#: Share of the forecasts from which on it is said.
_SHARE = 0.01
_KEYS = ("begin_far_from_their_agents", "fit_with_x_and_y_swapped", "fit_as_relative_to_their_agents")


def count_beginnings(forecasts: ForecastRows, truth_m: Floats, present_m: Floats) -> dict[str, int]:
    """Count forecasts whose first point cannot be where it says.

    Args:
        forecasts: (rows) world frame.
        truth_m: (rows, steps, 2) at their leads, NaN where unknown.
        present_m: (rows, 2) at their issue, NaN where unknown.

    Returns:
        Keys of the report's ``coverage``: forecasts whose most likely mode begins farther from its agent than any road
        user gets; and those, far or not, that would begin at least five times nearer (and within reach) were x and y
        swapped, or were the positions relative to the agent.
    """
    if not len(forecasts):
        return dict.fromkeys(_KEYS, 0)
    first = forecasts.positions_m[np.arange(len(forecasts)), likeliest(forecasts.probabilities), 0]
    known = np.isfinite(truth_m[:, 0]).all(-1)
    there = np.where(known[:, None], truth_m[:, 0], present_m)
    reach_m = _NEAR_M + _FASTEST_MPS * float(forecasts.lead_s[0])
    with np.errstate(invalid="ignore"):
        off_m = np.linalg.norm(first - there, axis=-1)
        swapped_m = np.linalg.norm(first[:, ::-1] - there, axis=-1)
        # Turned as the agent is or not, a first point relative to it lies this far from the agent's next place.
        relative_m = np.abs(np.linalg.norm(first, axis=-1) - np.linalg.norm(there - present_m, axis=-1))
    far: Bools = off_m > reach_m
    better = [
        (off_m > _NEAR_M / 2) & (other_m < np.minimum(off_m / _BETTER, reach_m)) for other_m in (swapped_m, relative_m)
    ]
    return dict(zip(_KEYS, (int(which.sum()) for which in (far, *better)), strict=True))


def about_beginnings(coverage: Mapping[str, float]) -> list[str]:
    """One line where forecasts begin far from their agents, with what they would fit as."""
    agents = int(coverage["agent_samples"])
    far, swapped, relative = (int(coverage[key]) for key in _KEYS)
    most = max(agents // 2, 1)
    if far < max(1, _SHARE * agents) and max(swapped, relative) < most:
        return []
    hints = ["with x and y swapped" * (swapped >= most), "as positions relative to their agents" * (relative >= most)]
    hint = " or ".join(hint for hint in hints if hint)
    what = f"{far} of {agents} forecasts begin farther from their agents than any road user gets" * (far > 0)
    fits = f"most of {agents} forecasts begin nearer to their agents if read {hint}" * bool(hint)
    return [f"{'; '.join(part for part in (what, fits) if part)}: expected the truth's world frame, x before y, metres"]
