"""Whether forecasts leave the road: on the maps of a data set, or on a map file of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.data.maps.layers import load_map
from forecast.data.maps.sources import from_geojson
from forecast.eval.displacement import likeliest
from forecast.eval.drivable import DrivableArea
from forecast.eval.offroad import drivable_union, off_road, off_road_exact
from forecast.eval.results import Bools, Floats, PerItem, per_item

if TYPE_CHECKING:
    from forecast.data.cache import Dataset
    from forecast.report.join import Joined
    from forecast.report.scores import Scores

ROAD = "drivable_area"
#: Keys of the rates in report.json: of all modes, of the most likely one, of samples of the full distribution.
Rule = Literal["devkit", "exact"]
KEYS: dict[Rule, tuple[str, str, str]] = {
    "devkit": ("off_road_rate", "off_road_ml", "off_road_f"),
    "exact": ("off_road_exact_rate", "off_road_exact_ml", "off_road_exact_f"),
}


@dataclass(frozen=True)
class Road:
    """A drivable area and the rule to judge by.

    Attributes:
        source: the map, with a layer ``drivable_area``.
        rule: ``"devkit"``, its raster and spline, for nuScenes maps; ``"exact"``, the polyline against the polygons.
        judge: (agents, modes, steps, 2) world frame → off and valid, (agents, modes) each.
    """

    source: MapSource
    rule: Rule
    judge: Callable[[Any], tuple[Bools, Bools]]

    def rates(self, modes_m: Floats, probabilities: Floats) -> dict[str, PerItem]:
        """Share of each agent's modes that leave the road, and whether the most likely one does."""
        off, valid = self.judge(modes_m)
        every, most_likely, _ = KEYS[self.rule]
        each, chosen = np.arange(len(off)), likeliest(probabilities)
        share = off.sum(1, where=valid) / np.maximum(valid.sum(1), 1)
        return {
            every: per_item(share, valid.any(1)),
            most_likely: per_item(off[each, chosen], valid[each, chosen]),
        }

    def samples(self, samples_m: Floats) -> dict[str, PerItem]:
        """Share of each agent's samples of the full distribution that leave the road: OffR-f."""
        off, valid = self.judge(samples_m)
        share = off.sum(1, where=valid) / np.maximum(valid.sum(1), 1)
        return {KEYS[self.rule][2]: per_item(share, valid.any(1))}


def road_of(source: MapSource, rule: Rule) -> Road:
    """Open the drivable area of a map.

    Raises:
        DataError: the map has no drivable area.
    """
    if ROAD not in source.layers:
        raise DataError(f"map {source.name}: no layer {ROAD}; it holds {', '.join(source.layers) or 'none'}")
    if rule == "devkit":
        area = DrivableArea.of(source)
        return Road(source, rule, lambda modes_m: off_road(modes_m, area))
    union = drivable_union(source.geometries(ROAD))
    return Road(source, rule, lambda modes_m: off_road_exact(modes_m, union))


def open_road(path: Path | str) -> Road:
    """Open a map file: a nuScenes map expansion (``.json``, by the devkit's rule) or GeoJSON in metres (exactly).

    Raises:
        DataError: in one line, what is wrong with it.
    """
    if Path(path).suffix.lower() == ".geojson":
        return road_of(from_geojson(path), "exact")
    return road_of(load_map(path), "devkit")


def add_off_road(scores: Scores, joined: Joined, dataset: Dataset, rule: Rule = "devkit") -> None:
    """Add whether modes leave the drivable area: the share of all, and of the most likely one.

    Where the data set holds no map, the agent-samples there do not count and a warning says so.
    """
    agents = len(joined.official)
    found = {name: (np.full(agents, np.nan), np.zeros(agents, dtype=bool)) for name in KEYS[rule][:2]}
    locations = joined.locations[joined.official]
    for name in np.unique(locations).tolist():
        here = np.flatnonzero(locations == name)
        try:
            road = road_of(load_map(dataset.map_expansion_path(name), only=(ROAD,)), rule)
        except DataError as reason:
            scores.warnings.append(f"off-road rate: {len(here)} agent-samples on {name} do not count: {reason}")
            continue
        entries = joined.official[here]
        rates = road.rates(joined.submission.positions_m[entries], joined.submission.probabilities[entries])
        for key, part in rates.items():
            found[key][0][here], found[key][1][here] = part.values, part.valid
    scores.agents.update({key: per_item(values, valid) for key, (values, valid) in found.items()})
