"""What the player shows of one scene, whatever it came from: everybody over time, the ground, the forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.results import PerItem
from forecast.view.attention_shares import AttentionShares
from forecast.view.points_so_far import PointsSoFar

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Kind of an agent of which no type is known; all others are :class:`~forecast.core.agents.AgentType`.
UNKNOWN_KIND = 4


@dataclass(frozen=True)
class ViewAgents:
    """Who is in a scene, and where at each frame. World frame, metres, radians.

    Attributes:
        names: (agents,) names of the tracks.
        categories: (agents,) what each is, in the data's own words; empty where nothing is known.
        kinds: (agents,) :class:`~forecast.core.agents.AgentType`, or ``UNKNOWN_KIND``.
        ego: (agents,) which one is the recording vehicle.
        agent: (observations,) whose each is; sorted by agent, then frame.
        frame: (observations,) at which frame.
        pose_world: (observations, 3) x, y, heading; a heading that nobody knows is NaN.
        size_m: (agents, 2) length and width; NaN where nobody measured them.
    """

    names: Sequence[str]
    categories: Sequence[str]
    kinds: Integers
    ego: NDArray[np.bool_]
    agent: Integers
    frame: Integers
    pose_world: Floats
    size_m: Floats


@dataclass(frozen=True)
class ViewForecasts:
    """The forecasts of one model in a scene.

    Attributes:
        rows: all of them; their tracks are names of agents, their times those of the scene's clock, seconds.
        agent: (rows,) whose.
        frame: (rows,) issued at which frame.
        error_m: FDE of the likeliest mode of each.
        points: what was said of each point of the tracks.
        attention: where each of the rows looks; None where nobody asked.
    """

    rows: ForecastRows
    agent: Integers
    frame: Integers
    error_m: PerItem
    points: PointsSoFar
    attention: AttentionShares | None = None


@dataclass(frozen=True)
class ViewScene:
    """A scene.

    Attributes:
        name: of the scene.
        place: name of its map; empty where there is none.
        time_s: (frames,) the scene's clock at its frames, from 0.
        agents: everybody.
        truth: the same on the scene's clock, as the metrics take it.
        ground: by layer, outlines of areas and lines, (points, 2) each, world frame, metres.
        forecasts: one entry a model.
    """

    name: str
    place: str
    time_s: Floats
    agents: ViewAgents
    truth: TruthRows
    ground: Mapping[str, Sequence[Floats]] = field(default_factory=dict)
    forecasts: tuple[ViewForecasts, ...] = ()
