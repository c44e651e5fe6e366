"""A drivable area and the rule to judge by: on the maps of a data set, or on a map file of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.data.maps.layers import did_you_mean
from forecast.data.maps.repair import check_metres
from forecast.data.maps.sources import is_geojson, open_map
from forecast.eval.drivable import DrivableArea
from forecast.eval.evidence import RoadEvidence
from forecast.eval.metric_list import metrics_of
from forecast.eval.metric_spec import MetricSpec, Source
from forecast.eval.offroad import drivable_union, off_road, off_road_exact
from forecast.eval.results import Bools, Floats, PerItem
from forecast.scoring.map_fit import NEAR, ON, ROAD, near_road, starts_of

Rule = Literal["devkit", "exact"]
#: What the metrics of modes, and of samples, are measured from.
SOURCES: dict[Rule, tuple[Source, Source]] = {
    "devkit": ("road", "road samples"),
    "exact": ("polygons", "polygon samples"),
}


@dataclass(frozen=True)
class Road:
    """A drivable area and the rule to judge by.

    Attributes:
        source: the map, with a layer ``drivable_area``.
        rule: ``"devkit"``, its raster and spline, for nuScenes maps; ``"exact"``, the polyline against the polygons.
        judge: (agents, modes, steps, 2) world frame, metres → off and valid, (agents, modes) each.
    """

    source: MapSource
    rule: Rule
    judge: Callable[[Any], tuple[Bools, Bools]]

    def begin_near(self, modes_m: Floats) -> dict[str, int]:
        """How many forecasts begin on the drivable area, and how many on it or within ``NEAR_M`` of it.

        Args:
            modes_m: (agents, modes, steps, 2) world frame, metres; NaN where absent.
        """
        on, near = near_road(self.source, starts_of(modes_m))
        return {ON: int(on.sum()), NEAR: int(near.sum())}

    def rates(self, modes_m: Floats, probabilities: Floats, extra: tuple[MetricSpec, ...] = ()) -> dict[str, PerItem]:
        """Share of each agent's modes that leave the road, and whether the most likely one does.

        Args:
            modes_m: (agents, modes, steps, 2) world frame, metres; NaN where absent.
            probabilities: (agents, modes); NaN where absent.
            extra: metrics from outside the list.
        """
        evidence = RoadEvidence(*self.judge(modes_m), probabilities)
        return {spec.key: spec.measure(evidence) for spec in metrics_of(SOURCES[self.rule][0], extra=extra)}

    def samples(self, samples_m: Floats, extra: tuple[MetricSpec, ...] = ()) -> dict[str, PerItem]:
        """Share of each agent's samples of the full distribution that leave the road: OffR-f.

        Args:
            samples_m: (agents, samples, steps, 2) world frame, metres; NaN where absent.
            extra: metrics from outside the list.
        """
        evidence = RoadEvidence(*self.judge(samples_m))
        return {spec.key: spec.measure(evidence) for spec in metrics_of(SOURCES[self.rule][1], extra=extra)}


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
