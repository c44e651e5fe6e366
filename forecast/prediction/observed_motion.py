"""How agents moved when each was observed, and how they can move at all."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.core.horizon import Horizon
from forecast.prediction.readings import named
from forecast.prediction.resample import Integers, Observed, rates

Mask = NDArray[np.bool_]

#: Faster than this is no motion, by :class:`~forecast.core.agents.AgentType`: 80 m/s are 288 km/h.
FASTEST_MPS = np.array([80.0, 20.0, 40.0, 80.0])
#: Two places of one agent may differ by this at any time: two sensors, two corners of a box.
SAME_PLACE_M = 2.0
#: Reversing is slower than this, by type; what walks backwards is not looked at.
FASTEST_REVERSE_MPS = np.array([4.0, 4.0, 1.0, 4.0])
#: Over less there is no direction for motion that must overrule a heading (nobody rides a bicycle backwards).
_SURE_M = np.array([1.5, 1.5, 0.75, 1.5])
#: Slow motion says something over this distance.
SLOW_M = 1.5


class ObservedMotion:
    """Velocity at each observation, from the positions until then, where these say one; else as given."""

    def __init__(self, seen: Observed, agent_types: Integers, horizon: Horizon) -> None:
        rows = np.arange(len(seen.time_us))
        found = rates(seen, rows, horizon, given=False)
        given = found.elapsed_s == 0
        velocity = np.where(given[:, None], seen.velocity_world_mps, found.rate[:, :2])
        self.seen, self.given, self.velocity_mps = seen, given, velocity
        self.known = np.isfinite(velocity).all(1)
        self.velocity_mps[~self.known] = 0.0
        self.speed_mps = np.hypot(velocity[:, 0], velocity[:, 1])
        self.elapsed_s = found.elapsed_s
        self.moved_m = np.where(given, np.inf, self.speed_mps * found.elapsed_s)
        self.direction_rad = np.arctan2(velocity[:, 1], velocity[:, 0])
        self.agent = seen.row_agent
        self.kind = agent_types[self.agent]

    @property
    def forwards(self) -> Mask:
        """Where it can only be forwards."""
        fast = self.speed_mps > FASTEST_REVERSE_MPS[self.kind]
        sure: Mask = self.known & fast & (self.moved_m > _SURE_M[self.kind])
        return sure


def names_of(agent_ids: Sequence[Hashable], agents: Integers) -> str:
    """Names of agents, each once, in the order of the scene."""
    return named(agent_ids[number] for number in np.unique(agents).tolist())
