"""Off-road against the devkit's own path and drawing, and exactly against polygons."""

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st
from shapely.geometry import LineString, MultiPolygon, Polygon, box

from forecast.eval.distribution import sample_off_road
from forecast.eval.drivable import NUSCENES_SIZES_M, DrivableArea
from forecast.eval.offroad import (
    HAIRLINE_M,
    devkit_path,
    drivable_union,
    off_road,
    off_road_exact,
    off_road_ml,
    off_road_rate,
)
from forecast.eval.paint import RasterPainter

SIZE_M = (220.0, 180.0)


def streets(seed):
    """Crooked streets, a square with an island, and a sliver at the map's edge."""
    random = np.random.default_rng(seed)
    lines = [LineString(random.uniform(5, 175, (4, 2))).buffer(random.uniform(3, 6)) for _ in range(5)]
    square = Polygon(box(60, 60, 110, 100).exterior.coords, [box(80.03, 75.55, 86, 82).exterior.coords])
    return [*lines, square, box(200, 100, 219.96, 130)]


def drawn(polygons):
    """The whole map at once, by the devkit's own drawing."""
    from nuscenes.map_expansion.map_api import NuScenesMapExplorer
    from shapely import affinity
    from shapely.geometry import MultiPolygon

    mask = np.zeros((round(SIZE_M[1] * 10), round(SIZE_M[0] * 10)), np.uint8)
    for polygon in polygons:
        scaled = affinity.scale(polygon, 10, 10, origin=(0, 0))
        mask = NuScenesMapExplorer.mask_for_polygons(MultiPolygon([scaled]), mask)
    return mask.astype(bool)


def modes_about(random, agents, modes, noise_m):
    """Turning trajectories in 12 steps of 0.5 s, with noise of the given size."""
    start = random.uniform(0, [SIZE_M[0], SIZE_M[1]], (agents, 1, 2))
    angle = random.uniform(0, 6.3, (agents, 1, 1)) + random.normal(0, 0.15, (agents, modes, 1)) * np.arange(12)
    speed = random.uniform(0, 8, (agents, 1, 1))
    moves = 0.5 * speed[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    return start[:, None] + np.cumsum(moves, 2) + random.normal(0, 1, (agents, modes, 12, 2)) * noise_m


@pytest.mark.parametrize("seed", range(3))
def test_tiles_are_the_map_drawn_at_once(seed):
    polygons = streets(seed)
    whole = drawn(polygons)
    column, row = np.meshgrid(np.arange(whole.shape[1]), np.arange(whole.shape[0]))
    np.testing.assert_array_equal(DrivableArea(polygons, SIZE_M).contains(column, row), whole)


@pytest.mark.parametrize("seed", range(3))
def test_any_window_is_a_part_of_the_whole(seed):
    polygons, random = streets(seed), np.random.default_rng(seed)
    whole, painter = drawn(polygons), RasterPainter.of(polygons, 10)
    height, width = whole.shape
    for _ in range(60):
        left, right = np.sort(random.choice(width, 2, replace=False))
        top, bottom = np.sort(random.choice(height, 2, replace=False))
        window = np.array([left, top, right, bottom], dtype=np.int32)
        around = window + np.array([-7, -3, 90, 40], dtype=np.int32)
        for found in (painter.draw(window), painter.within(around).draw(window)):
            np.testing.assert_array_equal(found, whole[top:bottom, left:right])


@pytest.mark.parametrize("noise_m", [0.0, 0.03, 0.3, 2.0])
def test_equals_the_devkit_mode_by_mode(noise_m):
    from nuscenes.eval.prediction.metrics import OffRoadRate

    polygons, random = streets(0), np.random.default_rng(1)
    mask = drawn(polygons)
    modes = modes_about(random, 60, 5, noise_m)
    modes[0] = modes[0, :, :1]  # standing still
    modes[1, :, 4:] = modes[1, :, 3:4]  # comes to a stop
    modes[2, :, 6:] = modes[2, :, 5::-1]  # goes back the way it came
    found, valid = off_road(modes, DrivableArea(polygons, SIZE_M))
    assert valid.all()
    for agent in range(60):
        for mode in range(5):
            x, y = OffRoadRate.interpolate_path(modes[agent, mode], 200)
            row, column = (y * 10).astype("int"), (x * 10).astype("int")
            inside = (row >= 0) & (row < mask.shape[0]) & (column >= 0) & (column < mask.shape[1])
            assert found[agent, mode] == (not inside.all() or not mask[row, column].all())
    assert 0.05 < found.mean() < 1


def test_absent_modes_do_not_count():
    area = DrivableArea([box(0, 0, 50, 50)], (60.0, 60.0))
    straight = np.stack([np.linspace(5, 45, 12), np.full(12, 20.0)], -1)
    modes = np.stack([straight, straight + np.array([10, 0]), np.full((12, 2), np.nan)])[None]
    assert off_road_rate(modes, area).values == pytest.approx([0.5])
    assert off_road_ml(modes, [[0.6, 0.4, np.nan]], area).values == pytest.approx([0.0])
    assert off_road_ml(modes, [[0.4, 0.6, np.nan]], area).values == pytest.approx([1.0])
    assert sample_off_road(modes[:, :2], area).values == pytest.approx([0.5])
    assert off_road_rate(np.full((1, 2, 12, 2), np.nan), area).mean.count == 0


def test_outside_the_map_is_off():
    area = DrivableArea([box(-50, -50, 500, 500)], (60.0, 60.0))
    for x, y in ((-3.0, 20.0), (20.0, -3.0), (70.0, 20.0), (20.0, 70.0)):
        assert off_road(np.full((1, 1, 12, 2), (x, y)), area)[0].all()
    assert not off_road(np.full((1, 1, 12, 2), (20.0, 20.0)), area)[0].any()


def test_three_points_stay_raw():
    path = devkit_path(np.array([[0.0, 0], [0, 0], [5, 5], [9, 0], [5, 5]]))
    np.testing.assert_array_equal(path, [[0, 0], [5, 5], [9, 0]])
    assert devkit_path(np.arange(8.0).reshape(4, 2)).shape == (200, 2)


def test_exactly_against_polygons():
    island = Polygon(box(0, 0, 40, 40).exterior.coords, [box(18, 18, 22, 22).exterior.coords])
    polygons = [island, box(40, 0, 60, 40)]  # two that share an edge: crossing it stays on the road
    modes = np.array(
        [
            [[5.0, 5.0], [55.0, 5.0]],
            [[5.0, 20.0], [35.0, 20.0]],  # over the island, though both ends are on the road
            [[0.0, 0.0], [0.0, 40.0]],  # along the outline
            [[20.0, 20.0], [20.0, 20.0]],  # standing on the island
            [[5.0, 5.0], [5.0, 40.001]],
            [[np.nan, np.nan], [1.0, 1.0]],
        ]
    )[None]
    off, valid = off_road_exact(modes, polygons)
    np.testing.assert_array_equal(off[0], [False, True, False, True, True, False])
    np.testing.assert_array_equal(valid[0], [True, True, True, True, True, False])


@pytest.mark.parametrize("place", [(0.0, 0.0), (-300.0, -40.0), (4_512_000.0, -5_403_000.0)])
@pytest.mark.parametrize("gap", [0.0, 1e-9, 1e-6, 1e-3, 0.009])
def test_a_hairline_between_polygons_is_no_gap(gap, place):
    x, y = place
    road = [box(x, y, x + 50, y + 10), box(x + 50 + gap, y, x + 99, y + 10)]
    # A third one above both, whose corner leaves a sliver, and a hole between three.
    road += [box(x + 20, y + 10 + gap, x + 50, y + 20), box(x + 50 + gap, y + 10 + gap, x + 99, y + 20)]
    modes = np.array([[[10, 5], [90, 5]], [[40, 5], [40, 15]], [[45, 5], [55, 15]], [[0, 0], [99, 0]]], float) + place
    assert not off_road_exact(modes[:, None], road)[0].any()
    assert not off_road_exact(modes[:, None], MultiPolygon(road))[0].any()


def test_a_real_gap_and_the_outline_stay_where_they_are():
    road = [box(0, 0, 50, 10), box(50.02, 0, 99, 10), Polygon([(0, 20), (40, 20), (0, 21)])]
    modes = [[[10, 5], [90, 5]], [[10, 5], [10, 10.001]], [[10, 5], [10, -0.001]], [[0.5, 20.5], [39.99, 20.0001]]]
    np.testing.assert_array_equal(off_road_exact(np.array(modes, float)[:, None], road)[0][:, 0], [1, 1, 1, 0])


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=8))
@example([(7e-113, 0.0), (0.0, 0.0), (0.0, 1.0), (-1.0, 1.0)])
def test_closing_hairlines_moves_no_outline(points):
    area = shapely.make_valid(Polygon(points))
    polygons = [part for part in shapely.get_parts(area) if part.geom_type == "Polygon"]
    union = drivable_union(polygons)
    rounded = [shapely.make_valid(shapely.transform(part, lambda xy: np.round(xy, 9))) for part in polygons]
    plain = shapely.union_all(rounded)
    assert plain.difference(union.buffer(1e-6)).area == pytest.approx(0, abs=1e-6)
    # What is added lies in notches no wider than a hairline, and at the tips of needles.
    assert union.difference(plain.buffer(3 * HAIRLINE_M)).area == pytest.approx(0, abs=1e-6)


def test_only_the_tiles_needed_are_drawn(monkeypatch):
    calls = []
    original = cv2.fillPoly
    monkeypatch.setattr(cv2, "fillPoly", lambda *args: calls.append(1) or original(*args))
    area = DrivableArea([box(0, 0, 3000, 3000)], (3000.0, 3000.0))
    off_road(np.full((1, 1, 12, 2), 1000.0), area)
    once = len(calls)
    assert 1 <= once <= 2  # one look whether the block holds any road, one tile
    off_road(np.full((1, 1, 12, 2), 1000.0), area)
    assert len(calls) == once


def test_equals_the_devkit_on_a_real_city(nuscenes_dataroot):
    from nuscenes.eval.prediction.metrics import OffRoadRate
    from nuscenes.map_expansion.map_api import NuScenesMap

    city = "singapore-onenorth"
    nusc_map = NuScenesMap(str(nuscenes_dataroot), city)
    mask = nusc_map.get_map_mask(None, 0, ["drivable_area"], None)[0].astype(bool)
    polygons = [nusc_map.extract_polygon(t) for record in nusc_map.drivable_area for t in record["polygon_tokens"]]
    random = np.random.default_rng(0)
    row, column = np.nonzero(mask[::9, ::9])
    chosen = random.choice(len(row), 100)
    start = np.stack([column[chosen], row[chosen]], -1) * 0.9
    modes = modes_about(random, 100, 4, 0.05)
    modes += (start - modes[:, 0, 0])[:, None, None] + random.uniform(-2, 2, (100, 4, 1, 2))
    found, _ = off_road(modes, DrivableArea(polygons, NUSCENES_SIZES_M[city]))
    paths = [OffRoadRate.interpolate_path(mode, 200) for mode in modes.reshape(-1, 12, 2)]
    expected = [not mask[(y * 10).astype("int"), (x * 10).astype("int")].all() for x, y in paths]
    np.testing.assert_array_equal(found.ravel(), expected)
    assert 0.1 < found.mean() < 0.9
