"""Off-road rates of forecasts of a data set, on its own maps."""

from __future__ import annotations

import numpy as np

from forecast.core.errors import DataError
from forecast.data.prepared import Dataset
from forecast.eval.metric_list import metrics_of
from forecast.eval.metric_spec import MetricSpec
from forecast.eval.results import per_item
from forecast.scoring.dataset_join import Joined
from forecast.scoring.map_fit import NEAR, ON, ROAD, misfit
from forecast.scoring.road_rules import SOURCES, Rule, road_of
from forecast.scoring.scores import Scores


def add_off_road(
    scores: Scores, joined: Joined, dataset: Dataset, rule: Rule = "devkit", extra: tuple[MetricSpec, ...] = ()
) -> None:
    """Add whether modes leave the drivable area: the share of all, and of the most likely one.

    Where the data set holds no map, the agent-samples there do not count and a warning says so.
    """
    agents = len(joined.official)
    specs = metrics_of(SOURCES[rule][0], extra=extra)
    found = {spec.key: (np.full(agents, np.nan), np.zeros(agents, dtype=bool)) for spec in specs}
    locations = joined.locations[joined.official]
    for name in np.unique(locations).tolist():
        here = np.flatnonzero(locations == name)
        try:
            road = road_of(dataset.load_map(name, only=(ROAD,)), rule)
        except DataError as reason:
            scores.warnings.append(f"off-road rate: {len(here)} agent-samples on {name} do not count: {reason}")
            continue
        entries = joined.official[here]
        begin = road.begin_near(joined.forecasts.positions_m[entries])
        said, nowhere = misfit(road.source, "forecasts begin", len(here), begin[ON], begin[NEAR])
        if nowhere:
            scores.warnings.append(f"off-road rate: {len(here)} agent-samples on {name} do not count: {said}")
            continue
        if said and rule == "devkit":  # once
            scores.warnings.append(f"off-road rate: {said}")
        rates = road.rates(joined.forecasts.positions_m[entries], joined.forecasts.probabilities[entries], extra)
        for key, part in rates.items():
            found[key][0][here], found[key][1][here] = part.values, part.valid
    scores.agents.update({key: per_item(values, valid) for key, (values, valid) in found.items()})
