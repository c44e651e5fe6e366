"""What a metric of the report is measured from: arrays of one kind of item, and the work that several metrics share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from forecast.core.rows import ForecastRows
from forecast.eval.consistency import SuccessiveForecasts, Window
from forecast.eval.displacement import Displacements, displacements
from forecast.eval.metric_spec import Source
from forecast.eval.overlap import SuccessivePairs
from forecast.eval.results import Bools, Floats, PerItem


@dataclass(frozen=True)
class AgentEvidence:
    """Forecasts beside what happened, one agent-sample a row. World frame.

    Attributes:
        modes_m: (agents, modes, steps, 2) metres; NaN in absent modes, and at leads that a mode does not reach.
        probabilities: (agents, modes), not necessarily normalised; NaN in absent modes.
        truth_m: (agents, steps, 2) metres; NaN where unknown.
        valid: (agents, steps), True where the truth is known; None: where ``truth_m`` is finite.
        covariances_m2: (agents, modes, steps, 2, 2) square metres, or None.
    """

    modes_m: Floats
    probabilities: Floats
    truth_m: Floats
    valid: Bools | None = None
    covariances_m2: Floats | None = None

    @cached_property
    def displacements(self) -> Displacements:
        """Distances of all modes to the truth, worked out once."""
        return displacements(self.modes_m, self.probabilities, self.truth_m, self.valid)


@dataclass(frozen=True)
class SampleEvidence:
    """Draws of the full distribution beside what happened, one agent-sample a row. World frame.

    Attributes:
        samples_m: (agents, samples, steps, 2) metres; NaN where an agent has fewer samples, or one ends early.
        truth_m: (agents, steps, 2) metres; NaN where unknown.
    """

    samples_m: Floats
    truth_m: Floats


@dataclass(frozen=True)
class RoadEvidence:
    """Which trajectories leave the drivable area, one agent-sample a row.

    Attributes:
        off: (agents, trajectories) True where one leaves it: modes, or samples of the full distribution.
        valid: (agents, trajectories) True where there is a trajectory.
        probabilities: (agents, trajectories) of modes; None for samples.
    """

    off: Bools
    valid: Bools
    probabilities: Floats | None = None


@dataclass(frozen=True)
class PointEvidence:
    """What successive forecasts predicted for each target point, by one choice of mode.

    Attributes:
        points: the target points.
        window, minimum: which of them count, see :func:`forecast.eval.consistency.dispersion_of`.
    """

    points: SuccessiveForecasts
    window: Window = "full"
    minimum: int | None = None


@dataclass(frozen=True)
class PairEvidence:
    """Successive forecasts of the same track.

    Attributes:
        forecasts: world frame.
        pairs: of them, issued one interval apart.
        present_m: (rows, 2) metres, where each agent was when it was forecast; NaN where unknown.
    """

    forecasts: ForecastRows
    pairs: SuccessivePairs
    present_m: Floats


@dataclass(frozen=True)
class RevisionEvidence:
    """How the forecasts of all tracks were revised.

    Attributes:
        by_track_m2: (tracks, 3) sums of :func:`forecast.eval.revisions.revisions_by_track`.
    """

    by_track_m2: Floats


@dataclass(frozen=True)
class HardnessEvidence:
    """A metric of agent-samples, and how hard each of these is.

    Attributes:
        metric: one value an agent-sample.
        hardness: the same agent-samples, see :func:`forecast.eval.hardest.difficulty`.
    """

    metric: PerItem
    hardness: PerItem


def items_of(source: Source, evidence: Any) -> int:
    """How many items a metric of this source has a value for.

    Args:
        source: see :class:`~forecast.eval.metric_spec.MetricSpec`.
        evidence: of the class of this source.
    """
    if isinstance(evidence, PairEvidence):
        track = evidence.forecasts.track
        return len(np.unique(track)) if source == "tracks" else len(evidence.pairs.earlier)
    if isinstance(evidence, PointEvidence):
        return len(evidence.points)
    if isinstance(evidence, HardnessEvidence):
        return int(evidence.hardness.valid.size)
    return len(evidence.off if isinstance(evidence, RoadEvidence) else evidence.truth_m)
