"""Writes a scene as the page reads it: names as JSON, numbers packed. ``script/scene.js`` reads the same order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.rows import ForecastRows
from forecast.view.attention_packing import attention_layout, pack_attention
from forecast.view.model_in_scene import nearest_frame
from forecast.view.packing import Pack
from forecast.view.points_so_far import PointsSoFar
from forecast.view.view_scene import ViewAgents, ViewForecasts, ViewScene

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Units of what is packed: half of one is the largest error. Metres, seconds, radians, shares of 1.
GROUND_M, AGENT_M, FORECAST_M, FIGURE_M = 0.1, 0.02, 0.05, 0.001
METRIC_M, CLOCK_S, TURN_RAD, SHARE = 1e-6, 0.001, 0.005, 0.001
#: Modes less probable than this are left out, save the likeliest; so are others that stay within ``STANDS_M``.
LEAST_SHARE, STANDS_M = 0.02, 1.0


def encoded(scene: ViewScene) -> dict[str, Any]:
    """A scene as JSON.

    Positions are packed relative to an origin of whole metres near the agents.
    """
    pack, agents = Pack(), scene.agents
    origin = _origin(scene)
    pack.measured(scene.time_s, CLOCK_S, order=1)
    _pack_agents(pack, agents, origin)
    layers = list(scene.ground)
    for layer in layers:
        _pack_shapes(pack, [np.asarray(shape) - origin for shape in scene.ground[layer]])
    for found in scene.forecasts:
        _pack_forecasts(pack, found, agents, origin)
        _pack_points(pack, found.points, found, scene.time_s, origin)
    return {
        "name": scene.name,
        "place": scene.place,
        "origin": origin.tolist(),
        "frames": len(scene.time_s),
        "names": list(agents.names),
        "categories": list(agents.categories),
        "kinds": agents.kinds.tolist(),
        "ego": np.flatnonzero(agents.ego).tolist(),
        "layers": layers,
        "steps": [_steps_of(found) for found in scene.forecasts],
        "packed": pack.text(),
    }


def _steps_of(found: ViewForecasts) -> dict[str, Any]:
    said = found.points.said
    return {
        "leads": found.rows.positions_m.shape[2],
        "points": said.valid.shape[1],
        "step_s": said.step_s if len(said) else 0.0,
        "gap": found.points.gap,
        "attention": None if found.attention is None else attention_layout(found.attention),
    }


def _origin(scene: ViewScene) -> Floats:
    places = [scene.agents.pose_world[:, :2], *(one.rows.positions_m.reshape(-1, 2) for one in scene.forecasts)]
    known = np.concatenate(places)
    known = known[np.isfinite(known).all(1)]
    origin: Floats = np.floor(np.median(known, axis=0)) if len(known) else np.zeros(2)
    return origin


def _pack_agents(pack: Pack, agents: ViewAgents, origin: Floats) -> None:
    pack.measured(agents.size_m[:, 0], AGENT_M)
    pack.measured(agents.size_m[:, 1], AGENT_M)
    pack.whole(agents.agent, order=1)
    pack.whole(agents.frame, order=1)
    for column in (agents.pose_world[:, :2] - origin).T:
        pack.measured(column, AGENT_M, order=2)
    heading = agents.pose_world[:, 2]
    unbroken = np.unwrap(np.nan_to_num(heading))  # no jump from π to −π between two frames
    pack.measured(np.where(np.isnan(heading), np.nan, unbroken), TURN_RAD, order=1)


def _pack_shapes(pack: Pack, shapes: list[Floats]) -> None:
    pack.whole([len(shape) for shape in shapes])
    for column in np.concatenate(shapes).T:
        pack.measured(column, GROUND_M, order=1)


def _pack_forecasts(pack: Pack, found: ViewForecasts, agents: ViewAgents, origin: Floats) -> None:
    order = np.lexsort((found.frame, found.agent))
    rows, agent, frame = found.rows.take(order), found.agent[order], found.frame[order]
    share, kept = shown_modes(rows)
    row, mode = np.nonzero(kept)
    path = rows.positions_m[row, mode] - origin - starts_of_rows(agents, agent, frame, origin)[row, None]
    pack.measured(rows.lead_s, CLOCK_S, order=1)
    pack.whole(agent, order=1)
    pack.whole(frame, order=1)
    error = found.error_m
    pack.measured(np.where(error.valid, error.values, np.nan)[order], FIGURE_M)
    pack.whole(kept.sum(1))
    pack.measured(share[row, mode], SHARE)
    for axis in range(2):
        pack.measured(path[..., axis], FORECAST_M, order=2)
    if found.attention is not None:
        pack_attention(pack, found.attention.take(order))


def shown_modes(rows: ForecastRows) -> tuple[Floats, NDArray[np.bool_]]:
    """Shares of the modes (rows, modes), summing to 1 in a row, and which of them are shown."""
    given = np.nan_to_num(rows.probabilities)
    total = given.sum(1, keepdims=True)
    share: Floats = given / np.where(total > 0, total, 1.0)
    low, high = np.nan_to_num(rows.positions_m, nan=np.inf), np.nan_to_num(rows.positions_m, nan=-np.inf)
    reach = (high.max(2, initial=-np.inf) - low.min(2, initial=np.inf)).max(-1)
    present = np.isfinite(rows.positions_m).all(-1).any(-1) & np.isfinite(rows.probabilities)
    likeliest = np.argmax(np.where(np.isnan(rows.probabilities), -np.inf, rows.probabilities), 1)
    first = np.arange(rows.probabilities.shape[1]) == likeliest[:, None]
    return share, present & (first | ((share >= LEAST_SHARE) & (reach >= STANDS_M)))


def starts_of_rows(agents: ViewAgents, agent: Integers, frame: Integers, origin: Floats) -> Floats:
    """(rows, 2) where each agent was seen at a frame, from the origin, metres; the origin where it was not."""
    seen = {key: at for at, key in enumerate(zip(agents.agent.tolist(), agents.frame.tolist(), strict=True))}
    at = np.array([seen.get(key, -1) for key in zip(agent.tolist(), frame.tolist(), strict=True)], dtype=np.int64)
    where = np.zeros((len(at), 2))
    place = agents.pose_world[at[at >= 0], :2] - origin
    where[at >= 0] = np.rint(place / AGENT_M) * AGENT_M
    return where


def _pack_points(pack: Pack, points: PointsSoFar, found: ViewForecasts, time_s: Floats, origin: Floats) -> None:
    said = points.said
    number = dict(zip(found.rows.track.tolist(), found.agent.tolist(), strict=True))
    agent = np.array([number[name] for name in said.track.tolist()], dtype=np.int64)
    order = np.lexsort((said.time_s, agent))
    pack.whole(agent[order], order=1)
    pack.whole(nearest_frame(said.time_s[order], time_s), order=1)
    pack.measured(said.time_s[order], CLOCK_S, order=1)
    for column in (said.truth_m[order] - origin).T:
        pack.measured(column, AGENT_M, order=2)
    off_m = said.predicted_m[order] - said.truth_m[order, None]
    for axis in range(2):
        pack.measured(off_m[..., axis], FORECAST_M, order=1)
    pack.measured(points.dispersion_m[order], FIGURE_M, order=1)
    pack.measured(points.dispersion_m[order, :1].T, METRIC_M)  # finer, so that means of it are exact as shown
    pack.measured(points.convergence_s[order], CLOCK_S, order=1)
    pack.whole(points.complete[order])
