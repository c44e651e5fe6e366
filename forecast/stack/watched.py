"""The forecasts of one cycle as the monitor takes them: of a log's message, of rows, or of a Forecaster's answer."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.rows import ForecastRows
from forecast.core.shapes import Float64
from forecast.prediction.scene_forecast import SceneForecast
from forecast.stack.log_rows import rows_of
from forecast.stack.stack_message import PredictedPath, StackMessage, StackObject

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Watched:
    """The forecasts of one cycle. World frame, metres, seconds.

    Attributes:
        time_s: of the cycle.
        ids: (agents,) who is forecast.
        lead_s: (steps,) even steps from ``time_s`` on.
        positions_m: (agents, modes, steps, 2).
        probabilities: (agents, modes).
        pose_world: (agents, 3) x, y, heading now.
        size_m: (agents, 2) length and width; 0 where they are not known.
    """

    time_s: float
    ids: Sequence[Hashable]
    lead_s: Float64[Floats, "steps"]
    positions_m: Float64[Floats, "agents modes steps 2"]
    probabilities: Float64[Floats, "agents modes"]
    pose_world: Float64[Floats, "agents 3"]
    size_m: Float64[Floats, "agents 2"]


def of_answer(answer: SceneForecast) -> Watched:
    """A Forecaster's answer; ids are text."""
    return Watched(
        answer.time_s,
        [str(one) for one in answer.agent_ids],
        answer.lead_s,
        answer.positions_m,
        answer.probabilities,
        answer.pose_world,
        answer.size_m,
    )


def of_message(message: StackMessage) -> Watched:
    """A log's message: those of its objects that have paths, which may be none; shorter paths are NaN at the end."""
    objects = [one for one in message.objects if one.paths]
    if not objects:
        nowhere = np.zeros((0, 1, 0, 2))
        return Watched(message.time_s, [], np.zeros(0), nowhere, np.zeros((0, 1)), np.zeros((0, 3)), np.zeros((0, 2)))
    rows = rows_of([(message.time_s, one) for one in objects])
    return Watched(
        message.time_s,
        [one.track for one in objects],
        rows.lead_s,
        rows.positions_m,
        np.nan_to_num(rows.probabilities),
        np.array([(*one.position_m, one.heading_rad) for one in objects]),
        np.array([one.size_m for one in objects]),
    )


def of_rows(rows: ForecastRows) -> Iterator[Watched]:
    """Rows, cycle by cycle; where agents are now is drawn back from their paths, their sizes are not known."""
    order = np.argsort(rows.issue_time_s, kind="stable")
    starts = np.flatnonzero(np.diff(rows.issue_time_s[order], prepend=-np.inf))
    for part in np.split(order, starts[1:]):
        likely = rows.take(part).most_likely_m()
        step = likely[:, 1] - likely[:, 0] if likely.shape[1] > 1 else np.zeros_like(likely[:, 0])
        now = likely[:, 0] - step * rows.lead_s[0] / (rows.lead_s[1] - rows.lead_s[0] if likely.shape[1] > 1 else 1.0)
        yield Watched(
            float(rows.issue_time_s[part[0]]),
            rows.track[part].tolist(),
            rows.lead_s,
            rows.positions_m[part],
            np.nan_to_num(rows.probabilities[part]),
            np.c_[now, np.arctan2(step[:, 1], step[:, 0])],
            np.zeros((len(part), 2)),
        )


def message_of(answer: SceneForecast, kinds: Sequence[str] | None = None) -> StackMessage:
    """A Forecaster's answer as a message that can be written as PredictedObjects.

    Args:
        answer: of one cycle.
        kinds: (agents,) of :data:`forecast.stack.stack_message.KINDS`; default: cars.
    """
    objects = []
    for row, name in enumerate(answer.agent_ids):
        x, y, heading = answer.pose_world[row].tolist()
        likely = answer.positions_m[row, answer.most_likely[row]]
        velocity = (likely[0] - (x, y)) / answer.lead_s[0]
        paths = tuple(
            PredictedPath(float(probability), answer.lead_s, answer.positions_m[row, mode])
            for mode, probability in enumerate(answer.probabilities[row])
            if probability > 0
        )
        length, width = answer.size_m[row].tolist()
        kind = "car" if kinds is None else kinds[row]
        objects.append(
            StackObject(
                str(name), (x, y), heading, (float(velocity[0]), float(velocity[1])), (length, width), kind, paths
            )
        )
    return StackMessage(answer.time_s, f"answer at {answer.time_s:.15g} s", tuple(objects))
