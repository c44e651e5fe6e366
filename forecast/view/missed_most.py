"""The forecasts that missed by most, by model: where the player jumps to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forecast.view.view_scene import ViewScene

#: So many a model.
LISTED = 20


def missed_most(scenes: Sequence[ViewScene], model: int, listed: int = LISTED) -> list[dict[str, Any]]:
    """The largest FDE of the likeliest mode, one entry an agent and scene, largest first.

    Args:
        scenes: all that are shown.
        model: which one.
        listed: at most so many.

    Returns:
        Of each: indices ``scene``, ``agent`` and ``frame``, ``time_s`` on the scene's clock, ``what`` the agent is, and
        ``error_m``.
    """
    worst: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes):
        found = scene.forecasts[model]
        error = np.where(found.error_m.valid, found.error_m.values, -np.inf)
        for agent in np.unique(found.agent[found.error_m.valid]).tolist():
            row = int(np.argmax(np.where(found.agent == agent, error, -np.inf)))
            worst.append(
                {
                    "scene": number,
                    "agent": agent,
                    "frame": int(found.frame[row]),
                    "time_s": round(float(scene.time_s[found.frame[row]]), 3),
                    "what": scene.agents.categories[agent] or scene.agents.names[agent],
                    "error_m": round(float(error[row]), 3),
                }
            )
    return sorted(worst, key=lambda case: (-case["error_m"], case["scene"], case["agent"]))[:listed]
