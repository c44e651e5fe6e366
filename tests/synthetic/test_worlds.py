"""Properties of the synthetic worlds: equal bytes, valid streets, bodies that never overlap, truths that come true."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path

import numpy as np
import pytest
from shapely import STRtree
from shapely.geometry import Point, Polygon

from forecast.core.errors import ConfigError, DataError
from forecast.data.synthetic.junctions import Truth
from forecast.data.synthetic.recording import Agent
from forecast.data.synthetic.scene_names import scene_names
from forecast.data.synthetic.town import build_city, record_scene, write_town

FEW, MANY = [5], range(100, 120)
seeds = pytest.mark.parametrize("seed", [*FEW, *(pytest.param(s, marks=pytest.mark.slow) for s in MANY)])


def outline(pose: np.ndarray, size: tuple[float, float, float]) -> Polygon:
    """A box on the ground."""
    forward = np.array([np.cos(pose[2]), np.sin(pose[2])]) * size[1] / 2
    left = np.array([-np.sin(pose[2]), np.cos(pose[2])]) * size[0] / 2
    return Polygon([pose[:2] + a * forward + b * left for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))])


@seeds
def test_streets(seed: int) -> None:
    city = build_city(seed, "boston-seaport")
    lanes = city.network.lanes
    assert len(city.surfaces.drivable) == 1
    shapes = [*city.surfaces.drivable, *city.surfaces.walkways, *(Polygon(np.round(x.outline_m, 3)) for x in lanes)]
    assert all(shape.is_valid for shape in shapes)
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
def test_traffic(seed: int) -> None:
    scene = record_scene(seed, seed, "scene-0061")
    drivable = build_city(seed, scene.city).surfaces.drivable[0].buffer(0.1)
    bodies = [a for a in scene.agents if a.category.startswith("vehicle")]
    bodies.append(Agent("vehicle.ego", (1.9, 4.6, 1.6), 0, scene.ego))
    for frame in range(len(scene.ego)):
        here = [a for a in bodies if a.first_frame <= frame < a.first_frame + len(a.poses)]
        boxes = [outline(a.poses[frame - a.first_frame], a.size_m) for a in here]
        # Annotation noise may move two touching boxes towards each other by a few centimetres.
        solid = [box.buffer(-0.06) for box in boxes]
        first, second = STRtree(solid).query(solid, predicate="intersects")
        assert (first == second).all()
        assert all(drivable.contains(Point(a.poses[frame - a.first_frame, :2])) for a in here)
    for agent in bodies:
        if not agent.parked and len(agent.poses) > 2:
            speed = np.hypot(*np.diff(agent.poses[:, :2], axis=0).T) / 0.5
            assert speed.max() < 20
            assert np.abs(np.diff(speed) / 0.5).max() < 6.5


@pytest.mark.parametrize("world", ["town", "junction"])
def test_equal_seeds_give_equal_bytes(tmp_path: Path, world: str) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        write_town(tmp_path / name, scenes=4, seed=9, world=world, workers=workers, samples_per_scene=4)
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.suffix in (".json", ".png")]
    assert len(files) == 13 + 4 + 4 + 2
    assert filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", files, shallow=False)[0] == files
    if world == "junction":
        one, two = (Truth.read(tmp_path / name / "truth.npz") for name in ("one", "two"))
        np.testing.assert_array_equal(one.means_m, two.means_m)


def test_junction_truth_describes_the_tables(tmp_path: Path) -> None:
    write_town(tmp_path / "j", scenes=4, seed=1, world="junction", samples_per_scene=20)
    truth = Truth.read(tmp_path / "j" / "truth.npz")
    listed = json.loads((tmp_path / "j/maps/prediction/prediction_scenes.json").read_text())
    assert sorted(truth.tokens) == sorted(token for scene in listed.values() for token in scene)
    tables = tmp_path / "j" / "v1.0-mini"
    samples = {s["token"]: s["timestamp"] for s in json.loads((tables / "sample.json").read_text())}
    tracks: dict[str, list[tuple[int, list[float]]]] = {}
    for row in json.loads((tables / "sample_annotation.json").read_text()):
        place = samples[row["sample_token"]], row["translation"][:2]
        tracks.setdefault(row["instance_token"], []).append(place)
    residuals, pasts = [], {}
    for i, entry in enumerate(truth.tokens):
        instance, sample = entry.split("_")
        track = sorted(tracks[instance])
        now = [time for time, _ in track].index(samples[sample])
        x, y, heading = truth.pose_world[i]
        turn = np.array([[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]])
        local = (np.array([p for _, p in track]) - [x, y]) @ turn
        residuals.append((local[now + 1 :] - truth.means_m[i, truth.outcome[i]]) / truth.noise_m[:, None])
        if truth.blind_class[i] >= 0:
            pasts.setdefault(int(truth.blind_class[i]), []).append(local[: now + 1])
    assert np.std(residuals) == pytest.approx(1.0, abs=0.06)
    for same in pasts.values():
        # The same history, whatever the map, the neighbours and the future hold.
        assert np.ptp(np.stack(same), axis=0).max() < 1e-3


def test_names_and_refusals(tmp_path: Path) -> None:
    assert len(scene_names("v1.0-mini", 10)) == 10
    assert {"scene-0061", "scene-0103"} == set(scene_names("v1.0-mini", 2))
    assert len(set(scene_names("v1.0-trainval", 850))) == 850
    with pytest.raises(ConfigError, match=r"v1\.0-trainval has names for up to 850"):
        scene_names("v1.0-mini", 11)
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(DataError, match=r"holds no town\.json"):
        write_town(tmp_path)
    with pytest.raises(ConfigError, match="share maps"):
        write_town(tmp_path / "new", world="junction", shares={"maps": 1.0})
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
