"""The off-road rate of joined forecasts, on the maps that the data set holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.core.errors import DataError
from forecast.data.maps.layers import load_map
from forecast.eval.displacement import likeliest
from forecast.eval.drivable import DrivableArea
from forecast.eval.offroad import off_road
from forecast.eval.results import per_item
from forecast.report.join import Joined
from forecast.report.scores import Scores

if TYPE_CHECKING:
    from forecast.data.cache import Dataset


def add_off_road(scores: Scores, joined: Joined, dataset: Dataset) -> None:
    """Add whether modes leave the drivable area: the share of all, and of the most likely one.

    Where the data set holds no map, the agent-samples there do not count and a warning says so.
    """
    share, most_likely = np.full((2, len(joined.official)), np.nan)
    chosen = likeliest(joined.submission.probabilities[joined.official])
    locations = joined.locations[joined.official]
    for name in np.unique(locations).tolist():
        here = np.flatnonzero(locations == name)
        try:
            area = DrivableArea.of(load_map(dataset.map_expansion_path(name), only=("drivable_area",)))
        except (DataError, KeyError) as reason:
            scores.warnings.append(f"off-road rate: {len(here)} agent-samples on {name} do not count: {reason}")
            continue
        off, valid = off_road(joined.submission.positions_m[joined.official[here]], area)
        each = np.arange(len(here))
        most_likely[here] = np.where(valid, off, np.nan)[each, chosen[here]]
        share[here] = (off & valid).sum(1) / np.maximum(valid.sum(1), 1)
    scores.agents["off_road_rate"] = per_item(share, np.isfinite(share))
    scores.agents["off_road_ml"] = per_item(most_likely, np.isfinite(most_likely))
