"""All metrics of a file of forecasts, one value an item: columns that add up over pieces, processes and machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.eval.calibration import Calibration
from forecast.eval.consistency import SuccessiveForecasts
from forecast.eval.mergeable import add, column, concatenate, each_field, first_given, merge_results, reorder, same
from forecast.eval.results import Floats, PerItem
from forecast.eval.strata import Labels
from forecast.scoring.stability import Stability
from forecast.scoring.worst_cases import Case, worst_of


@dataclass(frozen=True)
class Scores:
    """What was measured.

    Attributes:
        name: what the forecasts are called, e.g. the file's stem.
        agent_keys: (agents,) ``track@issue time`` of each agent-sample, to pair models by.
        agent_track: (agents,) the track of each: what the bootstrap resamples as a whole.
        agents: metric → one value per agent-sample that is scored officially.
        points: metric → one value per target point.
        successive: what successive forecasts predicted for each point.
        horizon_s: (steps,) leads.
        error_ml_m: (agents, steps) distance of the most likely mode; inf where unknown.
        hardness: per agent-sample, the error of a causal Kalman filter at the last lead.
        calibration: of the mode probabilities.
        stability: how much successive forecasts differ.
        strata: kind → label of each agent-sample.
        worst: the agent-samples of largest minFDE_1, one a track, to draw.
        remark: what its writer wants every reader of the figures to know.
        gap: why no successive forecasts could be compared, where that is so.
        warnings: what the reader must know.
        notes: what is so by its nature, and no fault of these forecasts.
        coverage: counts behind the figures.
    """

    name: str = column(same)
    agent_keys: NDArray[np.str_] = column(concatenate, items="agents")
    agent_track: NDArray[np.str_] = column(concatenate, items="agents")
    agents: dict[str, PerItem] = column(concatenate, items="agents")
    points: dict[str, PerItem] = column(concatenate, items="points")
    successive: SuccessiveForecasts = column(each_field)
    horizon_s: Floats = column(same)
    error_ml_m: Floats = column(concatenate, items="agents")
    hardness: PerItem = column(concatenate, items="agents")
    calibration: Calibration = column(each_field)
    stability: Stability = column(each_field)
    strata: Labels = column(concatenate, items="agents")
    worst: list[Case] = column(worst_of)
    remark: str = column(first_given, default="")
    gap: str = column(first_given, default="")
    warnings: list[str] = column(concatenate, default_factory=list)
    notes: list[str] = column(concatenate, default_factory=list)
    coverage: dict[str, float] = column(add, default_factory=dict)


def issue_times_s(agent_keys: NDArray[np.str_]) -> Floats:
    """(agents,) seconds: when each agent-sample was forecast, by its key ``track@issue time``."""
    return np.array([float(key.rpartition("@")[2]) for key in agent_keys.tolist()])


def merged(parts: Sequence[Scores]) -> Scores:
    """The scores of a whole file, given those of its parts, each holding whole tracks, in the order of tracks' names.

    Parts may come from pieces of a file, from processes or from machines. The order of the names is that of a file
    sorted by track, whatever the order of the parts.
    """
    whole = merge_results(parts)
    names = {
        "agents": whole.agent_track,
        "points": whole.successive.track,
        "pairs": whole.stability.pair_track,
        "tracks": whole.stability.tracks,
    }
    return reorder(whole, {items: np.argsort(track, kind="stable") for items, track in names.items()})
