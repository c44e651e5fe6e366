"""What the forecaster returns: all predicted futures of each agent, in the world frame, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.prediction.collisions import overlapping

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SceneForecast:
    """Forecasts of the agents of one scene. World frame, metres, radians, seconds, float64.

    Attributes:
        time_s: when the forecasts were made for: their time 0.
        lead_s: (steps,) seconds from ``time_s`` to each forecast point.
        agent_ids: (agents,) who is forecast, in the scene's order.
        positions_m: (agents, modes, steps, 2).
        headings_rad: (agents, modes, steps) direction of travel, not wrapped.
        covariances_m2: (agents, modes, steps, 2, 2) of the positions.
        probabilities: (agents, modes), summing to 1; 0 in a mode that another, near-equal one stands for.
        most_likely: (agents,) index of the most probable mode, the lowest among equals.
        pose_world: (agents, 3) x, y, heading at ``time_s``: as observed, or extrapolated where an agent is silent.
        silent_s: (agents,) seconds since each agent was last observed; 0 where it was seen at ``time_s``.
        size_m: (agents, 2) length and width, as given.
        unanswered: ids of agents that were not forecast: never observed by now, or silent for too long.
        notes: one line each on what was left out, put right or not known on the way here; empty where nothing was.
    """

    time_s: float
    lead_s: Floats
    agent_ids: tuple[Hashable, ...]
    positions_m: Floats
    headings_rad: Floats
    covariances_m2: Floats
    probabilities: Floats
    most_likely: NDArray[np.int64]
    pose_world: Floats
    silent_s: Floats
    size_m: Floats
    unanswered: tuple[Hashable, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """In short: the arrays of a scene would fill pages."""
        modes, leads = self.positions_m.shape[1], len(self.lead_s)
        until = f" to {self.lead_s[-1]:g} s" if leads else ""
        return (
            f"SceneForecast(time_s={self.time_s!r}, {len(self)} agents, {modes} modes, {leads} leads{until}, "
            f"{len(self.unanswered)} unanswered, {len(self.notes)} notes)"
        )

    def __len__(self) -> int:
        return len(self.agent_ids)

    def most_likely_m(self) -> Floats:
        """(agents, steps, 2) positions of each agent's most probable mode."""
        path_m: Floats = self.positions_m[np.arange(len(self)), self.most_likely]
        return path_m

    def overlapping(self) -> NDArray[np.bool_]:
        """(agents,) whose most likely future runs into another's; see :mod:`forecast.prediction.collisions`."""
        heading_rad = self.headings_rad[np.arange(len(self)), self.most_likely]
        return overlapping(self.most_likely_m(), heading_rad, self.pose_world, self.size_m)

    def overlap_rate(self) -> float:
        """Share of agents whose most likely future runs into another's, 0 to 1."""
        hit = self.overlapping()
        return float(hit.mean()) if len(hit) else 0.0
