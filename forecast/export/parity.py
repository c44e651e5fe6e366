"""Compares an exported file with the model it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.core.frames import wrap_angle

#: An export is accepted up to these differences, over all modes and steps.
POSITION_BAR_M, PROBABILITY_BAR = 1e-3, 1e-4
#: Where two modes are apart by just the radius of merging, rounding decides; in so few samples it may decide otherwise.
MERGED_OTHERWISE_BAR = 0.005
#: Batches of these sizes in turn: the number of agents, and with them of neighbours, must really be free.
_BATCH_SIZES = (1, 3, 64, 256)


class _Predictor(Protocol):
    def predict(self, batch: AgentBatch) -> Forecast: ...


@dataclass(frozen=True)
class Parity:
    """Largest differences over all samples, modes and steps, agent frame.

    Attributes:
        samples: agents compared.
        on: what they are.
        position_m, probability, heading_rad: largest absolute differences.
        covariance: largest difference of a covariance's entry, relative to the covariance's trace.
        merged_otherwise: samples whose modes were merged otherwise, and which probability and covariance leave out:
            their most different probability is beyond the bar, their positions are not.
    """

    samples: int
    on: str
    position_m: float
    probability: float
    heading_rad: float
    covariance: float
    merged_otherwise: int = 0

    @property
    def accepted(self) -> bool:
        """Whether positions and probabilities are within the bars (a NaN is not)."""
        few = self.merged_otherwise <= MERGED_OTHERWISE_BAR * self.samples
        return self.position_m <= POSITION_BAR_M and self.probability <= PROBABILITY_BAR and few

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, with the bars."""
        return {
            **asdict(self),
            "accepted": self.accepted,
            "bars": {
                "position_m": POSITION_BAR_M,
                "probability": PROBABILITY_BAR,
                "merged_otherwise": MERGED_OTHERWISE_BAR,
            },
        }

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"parity over {self.samples:,} {self.on}, largest differences in the agent frame:",
            f"  positions      {self.position_m:.1e} m    (at most {POSITION_BAR_M:.0e})",
            f"  probabilities  {self.probability:.1e}      (at most {PROBABILITY_BAR:.0e})",
            f"  headings       {self.heading_rad:.1e} rad",
            f"  covariances    {self.covariance:.1e} of the trace",
            f"  merged otherwise, by rounding: {self.merged_otherwise} samples (at most {MERGED_OTHERWISE_BAR:.1%})",
        ]


def compare(reference: _Predictor, exported: _Predictor, batches: Iterable[AgentBatch], on: str) -> Parity:
    """Forecast the same batches with both.

    Args:
        reference: the model itself.
        exported: what was made of it.
        batches: with crops where the model reads the map.
        on: what the samples are, for the report.
    """
    samples, otherwise, worst = 0, 0, np.zeros(4)
    for batch in batches:
        samples += len(batch)
        found = _differences(reference.predict(batch), exported.predict(batch))
        apart = (found[:, 1] > PROBABILITY_BAR) & (found[:, 0] <= POSITION_BAR_M)
        otherwise += int(apart.sum())
        found[apart, 1], found[apart, 3] = 0.0, 0.0
        worst = np.maximum(worst, found.max(0, initial=0.0))
    position_m, probability, heading_rad, covariance = (float(value) for value in worst)
    return Parity(samples, on, position_m, probability, heading_rad, covariance, otherwise)


def _differences(one: Forecast, other: Forecast) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(samples, 4) largest of each sample, in the order of :class:`Parity`."""

    def arrays(forecast: Forecast) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
        assert forecast.headings_rad is not None
        assert forecast.covariances_m2 is not None
        parts = (forecast.positions_m, forecast.probabilities, forecast.headings_rad, forecast.covariances_m2)
        return [part.cpu().double().numpy() for part in parts]

    first, second = arrays(one), arrays(other)
    between = [np.abs(b - a) for a, b in zip(first, second, strict=True)]
    between[0] = np.linalg.norm(second[0] - first[0], axis=-1)
    between[2] = np.abs(wrap_angle(second[2] - first[2]))
    between[3] = between[3] / np.trace(first[3], axis1=-2, axis2=-1)[..., None, None]
    return np.stack([part.reshape(len(part), -1).max(1, initial=0.0) for part in between], 1)


def varied_batches(size: int, samples: int, take: Callable[[list[int]], AgentBatch]) -> Iterator[AgentBatch]:
    """Batches of several sizes over ``samples`` of ``size`` agent-samples at even distances (all, if there are fewer).

    Args:
        size: of the source.
        samples: how many to take.
        take: gives a batch by indices.
    """
    chosen = np.unique(np.linspace(0, size - 1, min(samples, size)).round().astype(int)).tolist()
    turn = 0
    while chosen:
        length = _BATCH_SIZES[turn % len(_BATCH_SIZES)]
        yield take(chosen[:length])
        chosen, turn = chosen[length:], turn + 1
