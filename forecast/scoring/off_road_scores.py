"""Whether forecasts leave the road: on the maps of a data set, or on a map file of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely

from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.data.maps.layers import did_you_mean
from forecast.data.maps.repair import check_metres
from forecast.data.maps.sources import is_geojson, open_map
from forecast.eval.displacement import likeliest
from forecast.eval.drivable import DrivableArea
from forecast.eval.offroad import HAIRLINE_M, drivable_union, off_road, off_road_exact
from forecast.eval.results import Bools, Floats, PerItem, per_item

if TYPE_CHECKING:
    from forecast.data.cache import Dataset
    from forecast.scoring.dataset_join import Joined
    from forecast.scoring.scores import Scores

ROAD = "drivable_area"
#: Forecasts that begin further from the road than this are not on its map.
NEAR_M = 50.0
#: Counts of a report's coverage.
ON, NEAR = "begin_on_the_road", f"begin_within_{NEAR_M:.0f}_m_of_the_road"
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

    def begin_near(self, modes_m: Floats) -> dict[str, int]:
        """How many forecasts begin on the drivable area, and how many on it or within ``NEAR_M`` of it.

        Args:
            modes_m: (agents, modes, steps, 2) world frame, NaN where absent.
        """
        on, near = near_road(self.source, starts_of(modes_m))
        return {ON: int(on.sum()), NEAR: int(near.sum())}

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


def starts_of(modes_m: Floats) -> Floats:
    """(agents, 2) the first point of each agent's first mode that has one; NaN where none has."""
    points = np.asarray(modes_m, dtype=np.float64).reshape(len(modes_m), -1, 2)
    first = np.isfinite(points).all(-1).argmax(1)
    return points[np.arange(len(points)), first] if points.shape[1] else np.full((len(points), 2), np.nan)


def near_road(source: MapSource, points_m: Floats) -> tuple[Bools, Bools]:
    """Which points (points, 2), world frame, lie on a map's drivable area, and which on it or within ``NEAR_M``."""
    tree, places = shapely.STRtree(source.geometries(ROAD)), shapely.points(points_m)
    places[~np.isfinite(points_m).all(-1)] = None
    found = []
    for distance_m in (HAIRLINE_M, NEAR_M):
        near = np.zeros(len(points_m), dtype=bool)
        near[tree.query(places, predicate="dwithin", distance=distance_m)[0]] = True
        found.append(near)
    return found[0], found[1]


def misfit(source: MapSource, what: str, count: int, on: int, near: int) -> tuple[str, bool]:
    """What to say of a map that does not fit what is judged by it, and whether nothing at all lies near it.

    Args:
        source: the map.
        what: e.g. ``forecasts begin``.
        count, on, near: of these; of :func:`near_road`.
    """
    if not count or (near == count and 2 * on >= count):
        return "", False
    x0, y0, x1, y1 = shapely.total_bounds(np.array(source.geometries(ROAD), dtype=object)).tolist()
    reach = f"which spans ({x0:,.1f}, {y0:,.1f}) to ({x1:,.1f}, {y1:,.1f}) m"
    if near < count:
        said = f"{near or 'none'} of {count} {what} on or within {NEAR_M:g} m of the road of map {source.name}, {reach}"
    else:
        said = f"only {on} of {count} {what} on the road of map {source.name}, {reach}"
    return f"{said}; expected the agents' own frame, metres", near == 0


def road_of(source: MapSource, rule: Rule) -> Road:
    """Open the drivable area of a map.

    Raises:
        DataError: the map has no drivable area, or what it calls so is not made of areas in metres.
    """
    if ROAD not in source.layers:
        raise DataError(
            f"map {source.name}: no layer {ROAD}; it holds {', '.join(source.layers[:20]) or 'none'}"
            f"{did_you_mean(source.layers, [ROAD])}"
        )
    for number, geometry in enumerate(source.geometries(ROAD)):
        if geometry.geom_type not in ("Polygon", "MultiPolygon"):
            raise DataError(
                f"map {source.name}: layer {ROAD}, geometry {number} is a {geometry.geom_type}; expected polygons"
            )
    check_metres(f"map {source.name}", {ROAD: source.geometries(ROAD)})
    if not len(source.geometries(ROAD)):
        raise DataError(f"map {source.name}: its layer {ROAD} is empty; expected polygons")
    if rule == "devkit":
        area = DrivableArea.of(source)
        return Road(source, rule, lambda modes_m: off_road(modes_m, area))
    union = drivable_union(source.geometries(ROAD))
    return Road(source, rule, lambda modes_m: off_road_exact(modes_m, union))


def open_road(path: Path | str) -> Road:
    """Open a map file: a nuScenes map expansion (by the devkit's rule) or GeoJSON in metres (exactly).

    Which it is, its content tells, whatever its name.

    Raises:
        DataError: in one line, what is wrong with it.
    """
    return road_of(open_map(path), "exact" if is_geojson(path) else "devkit")


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
            road = road_of(dataset.load_map(name, only=(ROAD,)), rule)
        except DataError as reason:
            scores.warnings.append(f"off-road rate: {len(here)} agent-samples on {name} do not count: {reason}")
            continue
        entries = joined.official[here]
        begin = road.begin_near(joined.submission.positions_m[entries])
        said, nowhere = misfit(road.source, "forecasts begin", len(here), begin[ON], begin[NEAR])
        if nowhere:
            scores.warnings.append(f"off-road rate: {len(here)} agent-samples on {name} do not count: {said}")
            continue
        if said and rule == "devkit":  # once
            scores.warnings.append(f"off-road rate: {said}")
        rates = road.rates(joined.submission.positions_m[entries], joined.submission.probabilities[entries])
        for key, part in rates.items():
            found[key][0][here], found[key][1][here] = part.values, part.valid
    scores.agents.update({key: per_item(values, valid) for key, (values, valid) in found.items()})
