"""Properties of towns' streets: valid shapes, a connected lane graph, all kinds of roads, traffic on its side."""

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import Polygon

from forecast.data.synthetic.nuscenes_writer import CITIES
from forecast.data.synthetic.town_scene import City, build_city

FEW, MANY = [5], range(100, 120)
seeds = pytest.mark.parametrize("seed", [*FEW, *(pytest.param(s, marks=pytest.mark.slow) for s in MANY)])


@seeds
def test_shapes_are_valid_and_lanes_lead_on(seed: int) -> None:
    city = build_city(seed, CITIES[seed % 4])
    lanes, surfaces = city.network.lanes, city.surfaces
    assert len(surfaces.drivable) == 1
    shapes = [*surfaces.drivable, *surfaces.walkways, *surfaces.carparks]
    shapes += [Polygon(np.round(lane.outline_m, 3)) for lane in lanes]
    shapes += [Polygon(np.round(crossing.outline_m, 3)) for crossing in surfaces.crossings]
    assert all(shape.is_valid for shape in shapes)
    assert not any(surfaces.drivable[0].intersection(walkway).area > 0.01 for walkway in surfaces.walkways)
    for lane in lanes:
        # Lanes begin and end at the town's edge or at another lane, pose to pose.
        assert lane.successors or lane.junction_ahead is not None
        for onward in lane.successors:
            there = lanes[onward].centre
            assert np.hypot(*(there.points_m[0] - lane.centre.points_m[-1])) < 1e-6
            assert np.cos(there.headings_rad[0] - lane.centre.headings_rad[-1]) > 0.9999
    reached, frontier = set(), {lane.index for lane in lanes if not lane.predecessors}
    while frontier:
        reached |= frontier
        frontier = {onward for index in frontier for onward in lanes[index].successors} - reached
    assert reached == {lane.index for lane in lanes}


@seeds
def test_traffic_keeps_to_its_side(seed: int) -> None:
    for name in CITIES[:2]:
        network = build_city(seed, name).network
        assert network.drive_right == name.startswith("boston")
        for road in network.roads:
            if road.backward:
                middle = network.lanes[road.forward[0]].centre.at(network.lanes[road.forward[0]].centre.length_m / 2)[0]
                near = np.argmin(np.hypot(*(road.reference.points_m - middle).T))
                heading = road.reference.headings_rad[near]
                left = np.dot(middle - road.reference.points_m[near], [-np.sin(heading), np.cos(heading)])
                assert left < -1 if network.drive_right else left > 1


def kinds(city: City) -> set[str]:
    """What a city has of what a city may have."""
    network, surfaces = city.network, city.surfaces
    found = {f"{len(junction.arms)}-way" for junction in network.junctions}
    found |= {f"{len(lanes)} lanes" for road in network.roads for lanes in (road.forward, road.backward)}
    found |= {"one-way" for road in network.roads if not road.backward}
    found |= {"lights" for junction in network.junctions if junction.signals}
    turns = [np.ptp(road.reference.headings_rad) for road in network.roads]
    found |= {"curved" for turn in turns if turn > np.radians(20)} | {"straight" for turn in turns if turn < 0.05}
    found |= {"holes"} if len(surfaces.drivable[0].interiors) >= 3 else set()
    layers = ("walkways", "carparks", "crossings", "stop_lines", "road_dividers", "lane_dividers", "bays")
    return found | {layer for layer in layers if getattr(surfaces, layer)}


@seeds
def test_a_world_has_everything(seed: int) -> None:
    found = [kinds(build_city(seed, name)) for name in CITIES]
    everywhere = {"3-way", "4-way", "1 lanes", "2 lanes", "curved", "lights", "holes", "walkways", "carparks"}
    everywhere |= {"crossings", "stop_lines", "road_dividers", "lane_dividers"}
    for one in found:
        assert everywhere <= one
    # Within the four cities of one world there are three lanes a direction, one-way streets and car parks, too.
    assert {"3 lanes", "one-way", "bays"} <= set.union(*found)


@seeds
def test_curvature_is_continuous(seed: int) -> None:
    for lane in build_city(seed, CITIES[seed % 4]).network.lanes:
        curvature = np.diff(lane.centre.headings_rad) / np.diff(lane.centre.arc_m)
        # Points lie 1–2 m apart; where an arc met a straight line, curvature would rise to its maximum in one step.
        assert np.abs(np.diff(curvature)).max() < 0.6 * np.abs(curvature).max() + 0.005
        assert np.abs(curvature).max() < 1 / 2.0
