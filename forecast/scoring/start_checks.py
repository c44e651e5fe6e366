"""Whether forecasts begin where their agents are: a wrong frame or order of axes is reported."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecast.core.rows import ForecastRows
from forecast.eval.displacement import likeliest
from forecast.eval.results import Bools, Floats
from forecast.scoring.motion_checks import FASTEST_MPS, UNCERTAIN_M

#: Another reading of the numbers is believed if it is this many times nearer to the truth.
_BETTER = 5.0
#: Share of the forecasts from which on it is said.
_SHARE = 0.01
_KEYS = (
    "begin_far_from_their_agents",
    "fit_with_x_and_y_swapped",
    "fit_with_y_negated",
    "fit_as_relative_to_their_agents",
    "move_at_the_first_lead",
    "fit_a_lead_earlier",
    "fit_a_lead_later",
)
#: Agents that come less far in a lead tell nothing of a shift by one, m.
_MOVES_M = 0.5
#: Fewer moving agents than this tell nothing of it either.
_TELLING = 10


def count_beginnings(forecasts: ForecastRows, truth_m: Floats, present_m: Floats) -> dict[str, int]:
    """Count forecasts whose first point cannot be where it says.

    Args:
        forecasts: (rows) world frame.
        truth_m: (rows, steps, 2) at their leads, NaN where unknown.
        present_m: (rows, 2) at their issue, NaN where unknown.

    Returns:
        Keys of the report's ``coverage``: forecasts whose most likely mode begins farther from its agent than any road
        user gets; those, far or not, that would begin at least five times nearer (and within reach) were x and y
        swapped, y negated, or the positions relative to the agent; those whose agent moves; and those of them that are
        at least five times nearer to the truth if their points are those of the lead before, or after.
    """
    if not len(forecasts):
        return dict.fromkeys(_KEYS, 0)
    first = forecasts.positions_m[np.arange(len(forecasts)), likeliest(forecasts.probabilities), 0]
    known = np.isfinite(truth_m[:, 0]).all(-1)
    there = np.where(known[:, None], truth_m[:, 0], present_m)
    reach_m = UNCERTAIN_M + FASTEST_MPS * float(forecasts.lead_s[0])  # nobody gets farther before the first lead
    with np.errstate(invalid="ignore"):
        off_m = np.linalg.norm(first - there, axis=-1)
        negated_m = np.linalg.norm(first * (1, -1) - there, axis=-1)
        swapped_m = np.linalg.norm(first[:, ::-1] - there, axis=-1)
        # Turned as the agent is or not, a first point relative to it lies this far from the agent's next place.
        relative_m = np.abs(np.linalg.norm(first, axis=-1) - np.linalg.norm(there - present_m, axis=-1))
    far: Bools = off_m > reach_m
    better = [
        (off_m > UNCERTAIN_M / 2) & (other_m < np.minimum(off_m / _BETTER, reach_m))
        for other_m in (swapped_m, negated_m, relative_m)
    ]
    shifted = _shifted(forecasts, truth_m, present_m)
    return dict(zip(_KEYS, (int(which.sum()) for which in (far, *better, *shifted)), strict=True))


def _shifted(forecasts: ForecastRows, truth_m: Floats, present_m: Floats) -> tuple[Bools, Bools, Bools]:
    """Whose agent moves; whose first two points are nearer to the truth one lead earlier; and one later."""
    none = np.zeros(len(forecasts), dtype=bool)
    if truth_m.shape[1] < 3:
        return none, none, none
    said = forecasts.positions_m[np.arange(len(forecasts)), likeliest(forecasts.probabilities), :2]
    at = np.concatenate([present_m[:, None], truth_m[:, :3]], 1)  # at the issue, and one to three leads later

    def off_m(shift: int) -> Floats:
        apart: Floats = np.linalg.norm(said - at[:, 1 + shift : 3 + shift], axis=-1).max(-1)
        return apart

    with np.errstate(invalid="ignore"):
        moves = np.linalg.norm(at[:, 1] - at[:, 0], axis=-1) > _MOVES_M
        right_m = off_m(0)
        return moves, moves & (off_m(-1) * _BETTER < right_m), moves & (off_m(1) * _BETTER < right_m)


def about_beginnings(coverage: Mapping[str, float]) -> list[str]:
    """A line where forecasts begin far from their agents, with what they would fit as; and one on a shift by a lead."""
    agents = int(coverage["agent_samples"])
    far, swapped, negated, relative, moving, earlier, later = (int(coverage[key]) for key in _KEYS)
    most, said = max(agents // 2, 1), list[str]()
    readings = {
        "with x and y swapped": swapped,
        "with y negated": negated,
        "as positions relative to their agents": relative,
    }
    hint = " or ".join(reading for reading, count in readings.items() if count >= most)
    if far >= max(1, _SHARE * agents) or hint:
        what = f"{far} of {agents} forecasts begin farther from their agents than any road user gets" * (far > 0)
        fits = f"most of {agents} forecasts begin nearer to their agents if read {hint}" * bool(hint)
        whole = "; ".join(part for part in (what, fits) if part)
        said.append(f"{whole}: expected the truth's world frame, x before y, metres")
    for count, where, why in (
        (earlier, "earlier", "is the present counted as the first lead?"),
        (later, "later", "is the first lead left out, or the clock a lead behind?"),
    ):
        if moving >= _TELLING and 2 * count >= moving:
            said.append(
                f"{count} of {moving} forecasts of moving agents fit the truth one lead {where} far better than at "
                f"their own times: {why}"
            )
    return said
