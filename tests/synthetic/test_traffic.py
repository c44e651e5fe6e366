"""Properties of simulated traffic: nobody touches anybody, nobody runs a red light, people who cross are yielded to."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapely
from shapely import STRtree
from shapely.geometry import LineString

from forecast.data.synthetic.crossings import Gates
from forecast.data.synthetic.nuscenes_writer import CITIES
from forecast.data.synthetic.pedestrians import Pedestrians
from forecast.data.synthetic.signals import Signals
from forecast.data.synthetic.simulated_scene import SimulatedAgent, outlines
from forecast.data.synthetic.town_scene import build_city
from forecast.data.synthetic.town_writer import FRAMES, record_scene
from forecast.data.synthetic.traffic import STEP_S, Traffic

FEW, MANY = [5], range(100, 120)
seeds = pytest.mark.parametrize("seed", [*FEW, *(pytest.param(s, marks=pytest.mark.slow) for s in MANY)])
STEPS = 160


def simulated(seed: int) -> tuple[Traffic, Pedestrians]:
    city, rng = build_city(seed, CITIES[seed % 4]), np.random.default_rng(seed)
    traffic = Traffic(city.network, Gates(city.network, city.surfaces.crossings), rng, spacing_m=(60.0, 60.0))
    return traffic, Pedestrians(city.pavement, rng, spacing_m=12.0)


@seeds
def test_nobody_touches_anybody(seed: int) -> None:
    """Before anyone is left out, before noise: vehicles keep clear of each other and of those who cross."""
    traffic, people = simulated(seed)
    yielded = crossings_used = 0
    speeds: dict[int, float] = {}
    for _ in range(STEPS):
        people.advance(traffic)
        traffic.step()
        bodies = [SimulatedAgent(v.category, v.size_m, 0, np.array([traffic.pose(v)])) for v in traffic.vehicles]
        # A long vehicle's corner swings out in turns and may brush another's box; nobody comes nearer than that.
        boxes = [outlines(body)[0].buffer(-0.06) for body in bodies]
        first, second = STRtree(boxes).query(boxes, predicate="intersects")
        assert (first == second).all()
        on_road = people.present(traffic.time_s)[[walker.crossing for walker in people.walkers]]
        feet = np.array([shapely.Point(place).buffer(0.3) for place in on_road[:, :2]], dtype=object)
        assert not STRtree(boxes).query(feet, predicate="intersects").size
        crossings_used += len(on_road)
        for queue in traffic.on_lane:
            for vehicle in queue:
                before = speeds.get(vehicle.number, vehicle.v_mps)
                assert -4.6 < (vehicle.v_mps - before) / STEP_S < 2.6
                speeds[vehicle.number] = vehicle.v_mps
                yielded += vehicle.v_mps < 0.1 and bool(traffic.gates.closed(vehicle.lane))
    assert crossings_used > 20
    assert yielded > 0


@seeds
def test_no_two_crossing_streams_have_green(seed: int) -> None:
    network = build_city(seed, CITIES[seed % 4]).network
    signals = Signals(network, np.random.default_rng(seed))
    checked = 0
    for junction in network.junctions:
        straight = [i for i in junction.connectors if signals.has(i) and abs(network.lanes[i].turn_rad) < 0.5]
        for one, other in itertools.combinations(straight, 2):
            lines = [LineString(network.lanes[i].centre.points_m) for i in (one, other)]
            roads = {network.lanes[network.lanes[i].predecessors[0]].road for i in (one, other)}
            if lines[0].crosses(lines[1]) and len(roads) == 2:
                checked += 1
                both = [t for t in np.arange(0, 200, 0.5) if signals.green(one, t) and signals.green(other, t)]
                assert not both
                assert any(signals.green(one, t) for t in np.arange(0, 200, 0.5))
    assert checked


@seeds
def test_red_lights_hold(seed: int) -> None:
    traffic, people = simulated(seed)
    signals, places = traffic.right_of_way.signals, {}
    entered = 0
    for _ in range(STEPS):
        granted = {v.number: v.reserved for v in traffic.vehicles}
        people.advance(traffic)
        traffic.step()
        for vehicle in traffic.vehicles:
            lane = traffic.lanes[vehicle.lane]
            if lane.is_connector and places.get(vehicle.number) not in (None, vehicle.lane) and signals.has(lane.index):
                # Whoever enters holds a reservation, which is given by green light alone.
                assert granted[vehicle.number] or signals.green(lane.index, traffic.time_s - STEP_S)
                entered += 1
            places[vehicle.number] = vehicle.lane
    assert entered > 3


@seeds
def test_a_recorded_scene(seed: int) -> None:
    scene = record_scene(seed, seed, "scene-0061")
    surfaces = build_city(seed, scene.city).surfaces
    may_drive = shapely.union_all([*surfaces.drivable, *surfaces.carparks]).buffer(0.3)
    may_walk = shapely.union_all(
        [surfaces.drivable[0].buffer(3.6).difference(surfaces.drivable[0]).buffer(0.1)]
        + [shapely.Polygon(crossing.outline_m).buffer(0.5) for crossing in surfaces.crossings]
    )
    everyone = [*scene.agents, SimulatedAgent("vehicle.ego", (1.9, 4.6, 1.6), 0, scene.ego)]
    for frame in range(FRAMES):
        here = [a for a in everyone if a.first_frame <= frame < a.first_frame + len(a.poses)]
        # Annotation noise may move two touching boxes towards each other by some centimetres.
        solid = [outlines(a)[frame - a.first_frame].buffer(-0.15) for a in here]
        first, second = STRtree(solid).query(solid, predicate="intersects")
        assert (first == second).all()
        for agent in here:
            ground = may_drive if agent.category.startswith("vehicle") else may_walk
            assert ground.distance(shapely.Point(agent.poses[frame - agent.first_frame, :2])) < 0.3
    for agent in everyone:
        steps = np.hypot(*np.diff(agent.poses[:, :2], axis=0).T) / 0.5
        assert (steps < (21.0 if agent.category.startswith("vehicle") else 3.0)).all()
