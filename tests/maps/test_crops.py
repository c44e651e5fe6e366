import math
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Polygon, affinity

from forecast.core.crops import CropSpec
from forecast.core.errors import DataError
from forecast.data.maps.bake import bake_for
from forecast.data.maps.crop import Cropper
from forecast.data.maps.expansion_map import load_map
from forecast.data.maps.patches import PatchSampler
from forecast.data.maps.sampler import Sampler
from forecast.data.maps.sources import PolygonMap

ENGINES = ["baked", "exact"]


def spec_of(*channels, **extent):
    sides = {"ahead_m": 6.0, "behind_m": 2.0, "left_m": 4.0, "right_m": 4.0, "px_per_m": 1.0}
    return CropSpec(channels=channels, **(sides | extent))


def crop_of(source, spec, pose, tmp_path, engine="baked", **options):
    cropper = Cropper({source.name: source}, (source.name,), spec, engine, tmp_path, **options)
    return cropper(torch.tensor([pose], dtype=torch.float64), torch.zeros(1, dtype=torch.long))[0]


def as_grid(channel):
    """Rows from the front to the rear and columns from left to right, as a driver sees it."""
    return ["".join("#" if value > 0.5 else "." for value in row) for row in channel.flip(0, 1).tolist()]


@pytest.fixture
def hook():
    """An L at (100, 200): 4 m along +x, then 3 m towards +y; each leg 1 m wide, edges on whole metres."""
    outline = [(100, 200), (104, 200), (104, 204), (103, 204), (103, 201), (100, 201)]
    return PolygonMap("hook", {"lane": [Polygon(outline)]})


@pytest.mark.parametrize("engine", ENGINES)
def test_golden_forward_is_up_and_left_is_left(hook, tmp_path, engine):
    facing_east = crop_of(hook, spec_of(("lane",)), (100.0, 200.0, 0.0), tmp_path, engine)[0]
    assert as_grid(facing_east) == [
        "........",
        "........",
        "####....",
        "...#....",
        "...#....",
        "...#....",
        "........",
        "........",
    ]
    facing_north = crop_of(hook, spec_of(("lane",)), (100.0, 200.0, math.pi / 2), tmp_path, engine)[0]
    assert as_grid(facing_north) == [
        "........",
        "........",
        ".......#",
        ".......#",
        ".......#",
        "....####",
        "........",
        "........",
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_golden_hole_and_two_parts_in_one_window(tmp_path, engine):
    ring = Polygon([(0, -3), (4, -3), (4, 3), (0, 3)], [[(1, -2), (3, -2), (3, 2), (1, 2)]])
    snake = LineString([(5.5, -5), (5.5, 20), (-1.5, 20), (-1.5, -5)])
    belt = snake.buffer(0.5, cap_style="flat", join_style="mitre")  # leaves the window, and comes back
    source = PolygonMap("ring", {"walkway": [ring], "lane": [belt]})
    crop = crop_of(source, spec_of(("walkway", "lane")), (0.0, 0.0, 0.0), tmp_path, engine)[0]
    assert as_grid(crop) == [
        "########",
        "........",
        ".######.",
        ".#....#.",
        ".#....#.",
        ".######.",
        "........",
        "########",
    ]


def test_partial_coverage_is_a_grey(tmp_path):
    source = PolygonMap("half", {"lane": [Polygon([(-10, -10), (0.5, -10), (0.5, 10), (-10, 10)])]})
    row = crop_of(source, spec_of(("lane",)), (0.0, 0.0, 0.0), tmp_path, "exact")[0, 2]
    assert row.numpy() == pytest.approx(0.5, abs=0.13)


@settings(max_examples=15, deadline=None)
@given(
    x=st.floats(-3000, 3000),
    y=st.floats(-3000, 3000),
    turn=st.floats(-math.pi, math.pi),
    heading=st.floats(-math.pi, math.pi),
)
@pytest.mark.parametrize(("engine", "tolerance"), [("exact", 0.01), ("baked", 0.04)])
def test_move_the_world_and_the_crop_stays(tmp_path_factory, engine, tolerance, x, y, turn, heading):
    road = Polygon([(-20, -3), (30, -3), (30, 4), (-20, 4)], [[(4, -1), (9, -1), (9, 2), (4, 2)]])
    side = LineString([(0, -20), (6, -5), (8, 20)])
    spec = spec_of(("drivable_area",), ("road_divider",), ahead_m=20.0, left_m=14.0, right_m=14.0, px_per_m=2.0)
    here = PolygonMap("here", {"drivable_area": [road], "road_divider": [side]})

    def moved(shape):
        return affinity.translate(affinity.rotate(shape, turn, origin=(0, 0), use_radians=True), x, y)

    there = PolygonMap("there", {"drivable_area": [moved(road)], "road_divider": [moved(side)]})
    cache = tmp_path_factory.mktemp("cache")
    before = crop_of(here, spec, (1.0, 0.5, heading), cache, engine)
    cos, sin = math.cos(turn), math.sin(turn)
    pose = (cos * 1.0 - sin * 0.5 + x, sin * 1.0 + cos * 0.5 + y, heading + turn)
    after = crop_of(there, spec, pose, cache, engine)
    assert before.mean() > 0.05
    assert (before - after).abs().mean() < tolerance


@pytest.mark.parametrize("px_per_m", [1.25, 4.0, 10.0])
def test_engines_agree(small_map, tmp_path, px_per_m):
    spec = CropSpec((("drivable_area", "road_segment"), ("lane_divider",)), 24, 8, 16, 16, px_per_m)
    source = load_map(small_map)
    generator = np.random.default_rng(0)
    for pose in generator.uniform((5, 35, -3), (60, 65, 3), (10, 3)):
        baked = crop_of(source, spec, tuple(pose), tmp_path, "baked")
        exact = crop_of(source, spec, tuple(pose), tmp_path, "exact")
        assert (baked - exact).abs().mean() < 0.015
        assert float(baked[0].mean()) == pytest.approx(float(exact[0].mean()), abs=0.01)


def test_a_thin_line_survives_coarse_pixels(small_map, tmp_path):
    spec = CropSpec((("lane_divider",),), 15, 5, 16, 16, 1.25)
    for heading in np.linspace(0, 3, 7):
        crop = crop_of(load_map(small_map), spec, (10.0, 48.0, heading), tmp_path)[0]
        assert crop.sum() / spec.px_per_m**2 == pytest.approx(0.6 * 20, rel=0.25)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "pose", [(1e7, 50.0, 0.3), (-500.0, -500.0, 0.0), (math.nan, 50.0, 0.0), (50.0, 50.0, math.nan)]
)
def test_off_the_map_is_blank(small_map, tmp_path, engine, pose):
    crop = crop_of(load_map(small_map), spec_of(("drivable_area",)), pose, tmp_path, engine)
    assert not crop.any()


@pytest.mark.parametrize("engine", ENGINES)
def test_empty_and_absent_layers_are_blank(small_map, tmp_path, engine):
    source = load_map(small_map)
    assert not crop_of(source, spec_of(("carpark_area",)), (50.0, 50.0, 0.0), tmp_path, engine).any()
    bare = PolygonMap("bare", {})
    assert not crop_of(bare, spec_of(("lane",), ("road_divider",)), (0.0, 0.0, 0.0), tmp_path, engine).any()


def test_batch_of_several_maps_in_any_order(small_map, hook, tmp_path):
    maps = {"smallville": load_map(small_map), "hook": hook}
    spec = spec_of(("drivable_area", "lane"))
    cropper = Cropper(maps, ("smallville", "hook"), spec, "baked", tmp_path)
    poses = torch.tensor([[100.0, 200.0, 0.0], [50.0, 50.0, 1.0], [101.0, 200.0, 0.0]], dtype=torch.float64)
    index = torch.tensor([1, 0, 1])
    together = cropper(poses, index)
    for one in range(3):
        assert torch.equal(together[one], cropper(poses[one : one + 1], index[one : one + 1])[0])
    assert not cropper(poses[:1], torch.tensor([-1])).any()


def test_more_channels_than_fit_in_a_byte(small_map, tmp_path):
    source = load_map(small_map)
    layers = ("drivable_area", "road_segment", "walkway", "lane_divider", "stop_line", "lane_centre", "lane")
    pose = (25.0, 52.0, 0.4)
    together = crop_of(source, spec_of(*((layer,) for layer in layers)), pose, tmp_path)
    for channel, layer in zip(together, layers, strict=True):
        alone = crop_of(source, spec_of((layer,)), pose, tmp_path)[0]
        assert torch.allclose(channel, alone, atol=0.11)


def test_unknown_maps_and_layers(hook, tmp_path):
    spec, pose, index = spec_of(("lane",)), torch.zeros(1, 3, dtype=torch.float64), torch.zeros(1, dtype=torch.long)
    with pytest.raises(DataError, match="no map 'hok': did you mean 'hook'"):
        Cropper({"hook": hook}, ("hok",), spec, cache=tmp_path)(pose, index)
    with pytest.raises(DataError, match="did you mean 'lane'"):
        Cropper({"hook": hook}, ("hook",), spec_of(("lnae",)), cache=tmp_path)(pose, index)
    lenient = Cropper({"hook": hook}, ("hok",), spec, cache=tmp_path, missing="blank")
    with pytest.warns(UserWarning, match="stay blank") as caught:
        crops = torch.cat([lenient(pose, index), lenient(pose, index)])
    assert not crops.any()
    assert len(caught) == 1


def test_damaged_cache_is_made_anew(hook, tmp_path):
    arguments = hook, spec_of(("lane",)), (100.0, 200.0, 0.2), tmp_path
    before = crop_of(*arguments)
    (tiles,) = tmp_path.glob("maps/*/tiles.npy")
    whole = tiles.read_bytes()
    for damage in (whole[:-100], whole[:-1] + b"\xff", b""):
        tiles.write_bytes(damage)
        assert torch.equal(crop_of(*arguments), before)
        assert tiles.read_bytes() == whole


def test_another_map_of_the_same_name_is_not_taken_from_the_cache(hook, tmp_path):
    crop_of(hook, spec_of(("lane",)), (100.0, 200.0, 0.0), tmp_path)
    other = PolygonMap("hook", {"lane": [Polygon([(100, 200), (102, 200), (102, 203)])]})
    changed = crop_of(other, spec_of(("lane",)), (100.0, 200.0, 0.0), tmp_path)
    assert torch.equal(changed, crop_of(other, spec_of(("lane",)), (100.0, 200.0, 0.0), tmp_path / "fresh"))


def _mean_of_a_crop(path, cache):
    return float(crop_of(load_map(path), spec_of(("drivable_area",)), (25.0, 50.0, 0.0), cache).mean())


def test_processes_and_threads_at_once(small_map, tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        means = list(pool.map(_mean_of_a_crop, [small_map] * 4, [tmp_path] * 4))
    cropper = Cropper(load_map, (str(small_map),), spec_of(("drivable_area",)), "exact")
    poses = torch.tensor([[25.0, 50.0, 0.1]], dtype=torch.float64).repeat(20, 1)
    crops = []
    threads = [
        threading.Thread(target=lambda: crops.append(cropper(poses, torch.zeros(20, dtype=torch.long))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(means)) == 1
    assert len(list(tmp_path.glob("maps/smallville-*"))) == 1
    assert len(crops) == 4
    assert all(torch.equal(crop, crops[0]) for crop in crops)


@pytest.mark.parametrize("devkit_compatible", [False, True])
@pytest.mark.parametrize("px_per_m", [1.25, 3.0])
def test_cpu_and_device_samplers_agree(small_map, devkit_compatible, px_per_m):
    """A pixel whose centre lies on the edge of two cells may take either; a batch is taken in threads."""
    extents = (8, 32, 20, 20) if devkit_compatible else (16, 8, 12, 8)  # the devkit's pixels lie 24 m ahead of ours
    spec = CropSpec((("drivable_area", "road_segment"), ("walkway",)), *extents, px_per_m)
    baked = bake_for(load_map(small_map), spec)
    places = np.random.default_rng(0).uniform((-20, -20, -4), (130, 130, 4), (70, 3))
    poses = torch.from_numpy(np.concatenate([places, [[math.nan, 0, 0], [50, 50, math.inf], [1e9, 0, 0]]]))
    crops = [torch.full((len(poses), *spec.shape), 7.0) for _ in range(2)]
    PatchSampler(baked, spec, devkit_compatible=devkit_compatible).crop(poses, crops[0])
    Sampler(baked, spec, torch.device("cpu"), devkit_compatible=devkit_compatible).crop(poses, crops[1])
    assert crops[0].mean() > 0.05
    assert not crops[0][-3:].any()
    assert (crops[0] != crops[1]).float().mean() < 1e-3
    chosen = torch.tensor([3, 1])
    for sampler in (PatchSampler(baked, spec), Sampler(baked, spec, torch.device("cpu"))):
        out = torch.zeros((4, *spec.shape))
        sampler.crop(poses[:2], out, chosen)
        again = torch.zeros((2, *spec.shape))
        sampler.crop(poses[:2], again)
        assert torch.equal(out[chosen], again)
        assert not out[[0, 2]].any()
