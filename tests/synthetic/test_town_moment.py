"""Towns driven on from a moment: as they were without a change, and by their own rules after one."""

from pathlib import Path

import numpy as np
import pytest

from forecast.data.synthetic.chance import Replayed, WrittenDown
from forecast.data.synthetic.town_changes import ArmClosed, CarAdded, VehicleGone, VehicleMoved, WalkerGone
from forecast.data.synthetic.town_moment import TownMoment, moment_of
from forecast.data.synthetic.town_scene import TownScene
from forecast.data.synthetic.traffic import Traffic

SEED, NUMBER, FRAME = 3, 1, 5


@pytest.fixture(scope="module")
def moment() -> TownMoment:
    return TownMoment(SEED, NUMBER, FRAME)


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    """The traffic at the moment itself."""
    scene = TownScene(SEED, NUMBER)
    scene.go_to(FRAME)
    return scene.traffic


def way_m(poses: np.ndarray) -> float:
    return float(np.hypot(*np.diff(poses[:, :2], axis=0).T).sum())


def test_without_a_change_everybody_does_what_was_simulated(moment: TownMoment) -> None:
    scene = TownScene(SEED, NUMBER)
    scene.go_to(FRAME)
    vehicles = list(scene.traffic.vehicles)
    simulated: dict[int, list[tuple[float, float, float]]] = {vehicle.number: [] for vehicle in vehicles}
    for frame in range(FRAME + 1, FRAME + 13):
        scene.go_to(frame)
        for vehicle in scene.traffic.vehicles:
            if vehicle.number in simulated:
                simulated[vehicle.number].append(scene.traffic.pose(vehicle))
    for number, poses in list(simulated.items())[::8]:
        driven = moment.drive(number)
        assert driven is not None
        assert len(driven) == 12
        np.testing.assert_array_equal(driven[: len(poses)], np.array(poses).reshape(-1, 3))


def test_to_be_asked_twice_changes_nothing(moment: TownMoment, traffic: Traffic) -> None:
    target = traffic.vehicles[0].number
    first = moment.drive(target)
    moment.drive(target, [VehicleGone(traffic.vehicles[1].number)])
    np.testing.assert_array_equal(moment.drive(target), first)


def test_who_follows_drives_further_without_a_leader_and_less_far_behind_one_that_stands(
    moment: TownMoment, traffic: Traffic
) -> None:
    further = shorter = 0
    pairs = [
        (queue[1], queue[0]) for queue in traffic.on_lane if len(queue) > 1 and 5 < queue[0].s_m - queue[1].s_m < 40
    ]
    assert len(pairs) > 5
    for target, leader in pairs:
        usual, free, blocked = (
            way_m(moment.drive(target.number, changes))
            for changes in ([], [VehicleGone(leader.number)], [VehicleMoved(leader.number, (0.0, 0.0), 0.0, True)])
        )
        # Others may come from the side into a junction that the leader kept to itself.
        assert free > usual - 8.0
        further += free > usual + 1.0
        shorter += blocked < usual - 1.0
        assert blocked < usual + 1.0
    assert further > 2
    assert shorter > 2


def test_it_stops_before_a_car_that_is_put_ahead(moment: TownMoment, traffic: Traffic) -> None:
    seen = 0
    for queue in traffic.on_lane:
        target = queue[0] if queue else None
        if target is None or traffic.lengths_m[target.lane] - target.s_m < 60 or target.v_mps < 3:
            continue
        place, heading = traffic.lanes[target.lane].centre.at(target.s_m + 45.0)
        driven = moment.drive(target.number, [CarAdded((*place.tolist(), float(heading)))])
        gap_m = np.hypot(*(driven[:, :2] - place).T) - target.half_m - 2.3
        assert gap_m.min() > 0.3
        seen += 1
    assert seen > 2


def test_a_car_beside_the_road_is_nobody_s_matter(moment: TownMoment, traffic: Traffic) -> None:
    target = max(traffic.vehicles, key=lambda one: one.v_mps)
    x, y, heading = traffic.pose(target)
    aside = x + 60 * np.sin(heading) * 10, y - 60 * np.cos(heading) * 10
    np.testing.assert_array_equal(
        moment.drive(target.number, [CarAdded((*aside, heading))]), moment.drive(target.number)
    )


def test_who_wanted_into_a_closed_arm_takes_another(moment: TownMoment, traffic: Traffic) -> None:
    other_way = 0
    for target in traffic.vehicles:
        lane = traffic.lanes[target.lane]
        if lane.is_connector or target.following is None or len(lane.successors) < 2:
            continue
        beyond = traffic.lanes[traffic.lanes[target.following].successors[0]]
        usual = moment.drive(target.number)
        reached = np.hypot(*(beyond.centre.points_m[0] - usual[:, None, :2][:, 0]).T).min() < 4.0
        if not reached:
            continue
        road = traffic.network.roads[beyond.road]
        fork = tuple(traffic.lanes[target.following].centre.points_m[0].tolist())
        far_end = tuple(road.reference.at(min(30.0, road.reference.length_m / 2))[0].tolist())
        if beyond.index not in road.forward:
            far_end = tuple(
                road.reference.at(max(road.reference.length_m - 30, road.reference.length_m / 2))[0].tolist()
            )
        driven = moment.drive(target.number, [ArmClosed(fork, far_end)])
        away = np.hypot(*(beyond.centre.points_m[:, None] - driven[None, :, :2]).transpose(2, 0, 1)).min()
        assert away > 1.5
        other_way += way_m(driven) > 5
    assert other_way > 0


def test_without_those_who_cross_nobody_waits() -> None:
    for frame in range(0, 28, 4):
        moment, scene = TownMoment(5, 5, frame), TownScene(5, 5)
        scene.go_to(frame)
        everybody = [WalkerGone(walker) for walker in range(len(scene.people.walkers))]
        waiting = [
            vehicle
            for queue in scene.traffic.on_lane
            for vehicle in queue[:1]
            if scene.traffic.gates.closed(vehicle.lane) and vehicle.v_mps < 0.1
        ]
        for vehicle in waiting:
            free, usual = way_m(moment.drive(vehicle.number, everybody)), way_m(moment.drive(vehicle.number))
            if free > usual + 2.0:
                return
    pytest.fail("in no scene did anybody wait for people alone")


def test_who_is_at_a_place(moment: TownMoment, traffic: Traffic) -> None:
    for vehicle in traffic.vehicles[:10]:
        x, y, _ = traffic.pose(vehicle)
        assert moment.vehicle_at(x + 0.3, y - 0.3) == vehicle.number
    assert moment.vehicle_at(-1e4, 0.0) is None
    assert moment.walker_at(-1e4, 0.0) is None


def test_a_folder_that_is_no_town_has_no_moments(tmp_path: Path) -> None:
    assert moment_of(tmp_path, "scene-0061", 0) is None
    (tmp_path / "town.json").write_text('{"world": "junction"}')
    assert moment_of(tmp_path, "scene-0061", 0) is None


def test_chance_is_replayed_by_name_and_what_is_new_depends_on_its_name_alone() -> None:
    written = WrittenDown(np.random.default_rng(0))
    drawn = [written.draw(("unrest", who, 0.25), lambda rng: rng.normal()) for who in range(3)]
    one, other = Replayed(written.drawn, 1), Replayed(written.drawn, 1)
    assert [one.draw(("unrest", who, 0.25), lambda rng: rng.normal()) for who in (2, 0, 1)] == [
        drawn[i] for i in (2, 0, 1)
    ]
    new = one.draw(("unrest", 7, 0.5), lambda rng: rng.normal())
    other.draw(("unrest", 8, 0.5), lambda rng: rng.normal())
    assert other.draw(("unrest", 7, 0.5), lambda rng: rng.normal()) == new
    assert Replayed(written.drawn, 2).draw(("unrest", 7, 0.5), lambda rng: rng.normal()) != new
