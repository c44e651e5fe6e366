"""Direction of traffic as two channels: where lanes lead, as the agent sees it."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from shapely import LineString, Polygon

from forecast.core.crops import CropSpec
from forecast.core.errors import DataError
from forecast.data.maps.bake import bake_for
from forecast.data.maps.crop import Cropper
from forecast.data.maps.expansion_map import load_map
from forecast.data.maps.layers import mirrored_signs
from forecast.data.maps.sampler import Sampler
from forecast.data.maps.sources import PolygonMap

AHEAD, LEFT = ("lane_direction_ahead",), ("lane_direction_left",)
ENGINES = ["baked", "exact"]


def spec_of(*channels, px_per_m=1.0):
    return CropSpec(channels, 12.0, 4.0, 8.0, 8.0, px_per_m)


def crop_of(source, spec, pose, cache, engine):
    cropper = Cropper({source.name: source}, (source.name,), spec, engine, cache)
    return cropper(torch.tensor([pose], dtype=torch.float64), torch.zeros(1, dtype=torch.long))[0]


@pytest.fixture
def streets():
    """Along +x through the origin, and back 8 m to its left; nothing leads elsewhere."""
    lanes = [LineString([(-40, 0), (40, 0)]), LineString([(40, 8), (-40, 8)])]
    return PolygonMap("streets", {"lane_centre": lanes, "lane": [Polygon([(-40, -2), (40, -2), (40, 10), (-40, 10)])]})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("heading", [0.0, 0.7, math.pi / 2, -2.5])
def test_components_turn_with_the_agent(streets, tmp_path, engine, heading):
    spec = spec_of(("lane",), AHEAD, LEFT)
    crop = crop_of(streets, spec, (0.0, 0.0, heading), tmp_path, engine)
    mine = crop[1:, 4, 8]  # under the agent: its own lane leads along +x of the world
    assert mine.tolist() == pytest.approx([math.cos(heading), -math.sin(heading)], abs=0.02)
    assert crop[0, 4, 8] > 0.9
    other = crop_of(streets, spec, (0.0, 8.0, heading), tmp_path, engine)[1:, 4, 8]
    assert other.tolist() == pytest.approx([-math.cos(heading), math.sin(heading)], abs=0.02)
    between = crop_of(streets, spec, (0.0, 4.0, heading), tmp_path, engine)
    assert between[1:, 3:5, 7:9].abs().max() < 0.02
    assert crop.abs().max() <= 1.001


@pytest.mark.parametrize("px_per_m", [1.25, 3.0, 10.0])
def test_engines_agree(small_map, tmp_path, px_per_m):
    """``small_map`` holds one lane: a quarter of a circle."""
    source = load_map(small_map)
    spec = CropSpec((AHEAD, LEFT, ("drivable_area",), ("walkway",)), 12, 12, 12, 12, px_per_m)
    for pose in np.random.default_rng(0).uniform((10, 45, -3), (20, 55, 3), (5, 3)):
        baked, exact = (crop_of(source, spec, tuple(pose), tmp_path, engine) for engine in ENGINES)
        assert exact[:2].abs().mean() > 0.01
        assert (baked - exact)[:2].abs().mean() < 0.15 * exact[:2].abs().mean()
        assert torch.hypot(*exact[:2]).max() == pytest.approx(1, abs=1e-3)


def test_a_bend_turns_left(small_map, tmp_path):
    crop = crop_of(load_map(small_map), spec_of(AHEAD, LEFT, px_per_m=2.0), (10.0, 45.0, 0.0), tmp_path, "exact")
    assert crop[:, 8, 16].tolist() == pytest.approx([1, 0], abs=0.06)
    # Half way round, 7 m ahead and 3 m to the left, the lane leads to the left and ahead alike.
    assert crop[:, 8 + 14, 16 + 6].tolist() == pytest.approx([math.sqrt(0.5)] * 2, abs=0.1)


def test_device_and_cpu_samplers_agree(streets, tmp_path, monkeypatch):
    spec = spec_of(("lane",), AHEAD, LEFT)
    here = crop_of(streets, spec, (3.3, 1.1, 0.4), tmp_path, "baked")
    monkeypatch.setattr("forecast.data.maps.crop.PatchSampler", lambda *args, **options: torch_sampler(*args))

    def torch_sampler(baked, spec):
        return Sampler(baked, spec, torch.device("cpu"))

    there = crop_of(streets, spec, (3.3, 1.1, 0.4), tmp_path, "baked")
    assert ((here - there).abs() > 1e-5).float().mean() < 0.01


@pytest.mark.parametrize("engine", ENGINES)
def test_no_lanes_and_no_pose_are_blank(tmp_path, engine):
    bare = PolygonMap("bare", {"lane": [Polygon([(0, 0), (1, 0), (1, 1)])]})
    assert not crop_of(bare, spec_of(AHEAD, LEFT), (0.0, 0.0, 0.0), tmp_path, engine).any()
    lane = PolygonMap("lane", {"lane_centre": [LineString([(-9, 0), (9, 0)])]})
    assert not crop_of(lane, spec_of(AHEAD, LEFT), (0.0, 0.0, math.nan), tmp_path, engine).any()


def test_changed_lanes_are_baked_anew(tmp_path):
    spec = spec_of(AHEAD, LEFT)
    for end, value in ((9, 1), (-9, -1)):
        lane = PolygonMap("lane", {"lane_centre": [LineString([(-end, 0), (end, 0)])]})
        assert crop_of(lane, spec, (0.0, 0.0, 0.0), tmp_path, "baked")[0, 4, 8] == pytest.approx(value, abs=0.02)


@pytest.mark.parametrize("channels", [(AHEAD,), (LEFT, AHEAD), (AHEAD, ("lane",), LEFT), ((*AHEAD, "lane"), LEFT)])
def test_a_direction_takes_two_channels_of_its_own(streets, channels):
    with pytest.raises(DataError, match="a direction takes two channels of its own") as caught:
        Cropper({"streets": streets}, ("streets",), spec_of(*channels))
    assert "\n" not in str(caught.value)


def test_without_opencv_it_is_one_line(streets, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DataError, match="pip install opencv-python-headless"):
        bake_for(streets, spec_of(AHEAD, LEFT))


def test_the_devkit_has_none(streets):
    with pytest.raises(DataError, match="the devkit draws no direction"):
        Cropper({"streets": streets}, ("streets",), spec_of(AHEAD, LEFT), devkit_compatible=True)


def test_left_is_negated_in_a_mirror():
    assert mirrored_signs((("lane",), AHEAD, LEFT)) == [1, 1, -1]
