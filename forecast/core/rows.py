"""The one form in which forecasts and truth are scored: rows in the world frame, whatever they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Strings = NDArray[np.str_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ForecastRows:
    """Forecasts of any model, one row for each time that one track was forecast. World frame, float64.

    Attributes:
        track: (rows,) name of the track that is forecast.
        issue_time_s: (rows,) when the forecast was issued, seconds on the truth's clock.
        lead_s: (steps,) seconds from issue to each forecast point, positive and increasing.
        positions_m: (rows, modes, steps, 2); NaN in a mode that a row does not have, and at leads it does not reach.
        probabilities: (rows, modes); NaN in a mode that a row does not have.
        covariances_m2: (rows, modes, steps, 2, 2) or None.
        samples_m: (rows, samples, steps, 2) draws of the full distribution, or None.
    """

    track: Strings
    issue_time_s: Floats
    lead_s: Floats
    positions_m: Floats
    probabilities: Floats
    covariances_m2: Floats | None = None
    samples_m: Floats | None = None

    def __post_init__(self) -> None:
        rows, steps = len(self.track), len(self.lead_s)
        modes = self.positions_m.shape[1] if self.positions_m.ndim > 1 else -1
        samples = self.samples_m.shape[1] if self.samples_m is not None and self.samples_m.ndim > 1 else -1
        expected = {
            "issue_time_s": (rows,),
            "positions_m": (rows, modes, steps, 2),
            "probabilities": (rows, modes),
            "covariances_m2": (rows, modes, steps, 2, 2),
            "samples_m": (rows, samples, steps, 2),
        }
        for name, shape in expected.items():
            found: NDArray[Any] | None = getattr(self, name)
            if found is not None and found.shape != shape:
                raise ValueError(f"ForecastRows.{name}: expected shape {shape}, got {found.shape}")

    def __len__(self) -> int:
        return len(self.track)


@dataclass(frozen=True)
class TruthRows:
    """Where the tracks really were: one row an observation. World frame, float64.

    Attributes:
        track: (rows,) names, as in :class:`ForecastRows`.
        time_s: (rows,) seconds, on the same clock as the forecasts' issue times.
        positions_m: (rows, 2).
    """

    track: Strings
    time_s: Floats
    positions_m: Floats

    def __post_init__(self) -> None:
        for name, shape in {"time_s": (len(self.track),), "positions_m": (len(self.track), 2)}.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"TruthRows.{name}: expected shape {shape}, got {getattr(self, name).shape}")

    def __len__(self) -> int:
        return len(self.track)
