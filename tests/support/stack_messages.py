"""Small made-up logs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forecast.stack.stack_message import PredictedPath, StackMessage, StackObject

#: A UUID, and a name that is none.
CAR, WALKER = "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "9b2d3c54-1111-4222-8333-0123456789ab"
LEADS_S = 0.5 * np.arange(1, 7)


def drive(messages: int = 20, step_s: float = 0.5, start_s: float = 1_600_000_000.25) -> Iterator[StackMessage]:
    """A car at 8 m/s and somebody who walks; two futures of the car, one of the other; the last ones without any."""
    for number in range(messages):
        time_s, x = start_s + number * step_s, 8.0 * number * step_s
        ahead = np.stack([x + 8.0 * LEADS_S, 0 * LEADS_S], -1)
        aside = np.stack([x + 7.0 * LEADS_S, 0.4 * LEADS_S**2], -1)
        paths = (PredictedPath(0.75, LEADS_S, ahead), PredictedPath(0.25, LEADS_S, aside))
        up = np.stack([np.full(4, 30.0), 1.2 * (number * step_s + LEADS_S[:4])], -1)
        yield StackMessage(
            time_s,
            f"made up, message {number}",
            (
                StackObject(CAR, (x, 0.0), 0.0, (8.0, 0.0), (4.5, 1.9), "car", paths),
                StackObject(
                    WALKER, (30.0, 1.2 * number * step_s), np.pi / 2, (0.0, 1.2), (0.6, 0.6), "pedestrian",
                    (PredictedPath(1.0, LEADS_S[:4], up),) if number < messages - 2 else (),
                ),
            ),
        )  # fmt: skip
