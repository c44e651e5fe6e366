"""Agreement with the devkit, on real data where there is some."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch

from forecast.core.crops import CropSpec
from forecast.data.maps.crop import Cropper
from forecast.data.maps.expansion_map import load_map

LAYERS = ("drivable_area", "walkway", "ped_crossing")
SPEC = CropSpec(tuple((layer,) for layer in LAYERS), 25.0, 25.0, 25.0, 25.0, 10.0)
#: Centres of lanes are where agents are.
POSES = 8


@pytest.fixture(scope="module")
def dataroot():
    folder = os.environ.get("NUSCENES_DATAROOT")
    if not folder:
        pytest.skip("NUSCENES_DATAROOT is not set")
    return folder


@pytest.fixture(scope="module")
def queenstown(dataroot):
    """Name, our map and the devkit's."""
    from nuscenes.map_expansion.map_api import NuScenesMap

    name = "singapore-queenstown"
    return name, load_map(f"{dataroot}/maps/expansion/{name}.json"), NuScenesMap(dataroot, name)


@pytest.mark.parametrize(("engine", "bars"), [("exact", (0.999, 0.998, 0.985)), ("baked", (0.99, 0.96, 0.96))])
def test_masks_agree_with_the_devkit(queenstown, tmp_path, engine, bars):
    name, source, theirs = queenstown
    crossings = source.geometries("ped_crossing")
    generator = np.random.default_rng(0)
    cropper = Cropper({name: source}, (name,), SPEC, engine, tmp_path, devkit_compatible=True)
    agreement = {layer: [] for layer in LAYERS}
    for number in generator.choice(len(crossings), POSES, replace=False):
        middle, heading = crossings[number].centroid, generator.uniform(-math.pi, math.pi)
        box = (middle.x, middle.y, 50.0, 50.0)
        masks = theirs.get_map_mask(box, math.degrees(heading) - 90, list(LAYERS), (500, 500))[:, :, ::-1] > 0
        pose = torch.tensor([[middle.x, middle.y, heading]], dtype=torch.float64)
        ours = cropper(pose, torch.zeros(1, dtype=torch.long))[0].numpy() > 0.5
        for layer, one, other in zip(LAYERS, masks, ours, strict=True):
            if one.any():
                agreement[layer].append((one & other).sum() / (one | other).sum())
    for layer, bar in zip(LAYERS, bars, strict=True):
        assert len(agreement[layer]) >= POSES // 2
        assert np.mean(agreement[layer]) >= bar, layer


def rasterized(theirs, pose, spec):
    """The masks that the devkit's ``StaticLayerRasterizer`` colours, in our axes: rows forward, columns to the left."""
    from nuscenes.prediction.input_representation.static_layers import angle_of_rotation, correct_yaw, get_patchbox
    from nuscenes.prediction.input_representation.utils import get_crops

    extents = (spec.ahead_m, spec.behind_m, spec.left_m, spec.right_m)
    side_m, resolution = 2 * max(extents), 1 / spec.px_per_m
    side_px = int(side_m / resolution)
    angle = math.degrees(angle_of_rotation(correct_yaw(pose[2])))
    masks = theirs.get_map_mask(get_patchbox(*pose[:2], side_m), angle, list(LAYERS), (side_px, side_px))
    rows, columns = get_crops(*extents, resolution, side_px)
    return masks[:, ::-1][:, rows, columns][:, ::-1, ::-1] > 0


@pytest.mark.parametrize(
    "extents",
    [
        (40.1, 9.7, 25.05, 25.05, 1 / 0.3),  # 267.33 pixels: the devkit draws 267, a little smaller
        (33.4, 8.1, 20.75, 20.75, 2.0),  # 133.6 pixels: the devkit draws 133
        (30.0, 10.0, 30.5, 9.5, 5.0),  # the sides differ, and one of them is the longest
        (10.0, 40.0, 25.0, 25.0, 4.0),  # looks back: the devkit shows what lies 40 m to 10 m *behind* its front
    ],
)
def test_other_sides_and_resolutions_as_the_devkit_rasterizes_them(queenstown, extents):
    name, source, theirs = queenstown
    spec = CropSpec(tuple((layer,) for layer in LAYERS), *extents)
    crossings = source.geometries("ped_crossing")
    generator = np.random.default_rng(1)
    cropper = Cropper({name: source}, (name,), spec, "exact", devkit_compatible=True)
    right = Cropper({name: source}, (name,), spec, "exact")
    agreement, shifted = [], []
    for number in generator.choice(len(crossings), 5, replace=False):
        middle = crossings[number].centroid
        pose = [middle.x, middle.y, generator.uniform(-math.pi, math.pi)]
        expected = rasterized(theirs, pose, spec)
        batch = torch.tensor([pose], dtype=torch.float64), torch.zeros(1, dtype=torch.long)
        for crops, found in ((cropper(*batch), agreement), (right(*batch), shifted)):
            ours = crops[0].numpy() > 0.5
            assert ours.shape == expected.shape
            found.append((ours & expected).sum() / (ours | expected).sum())
    assert np.mean(agreement) > 0.999
    assert np.mean(shifted) < 0.99


def test_the_baked_engine_follows_the_devkit_aside(small_map, tmp_path):
    """Where the devkit shifts a crop, both engines shift it."""
    spec = CropSpec((("drivable_area",), ("walkway",)), 10.0, 40.0, 25.0, 25.0, 4.0)
    source = load_map(small_map)
    pose, index = torch.tensor([[20.0, 50.0, 0.4]], dtype=torch.float64), torch.zeros(1, dtype=torch.long)
    exact, baked = (
        Cropper({"small": source}, ("small",), spec, engine, tmp_path, devkit_compatible=True)(pose, index) > 0.5
        for engine in ("exact", "baked")
    )
    assert exact.float().mean() > 0.05
    assert (exact & baked).sum() / (exact | baked).sum() > 0.95


def test_centre_lines_agree_with_the_devkit(dataroot):
    from nuscenes.map_expansion.arcline_path_utils import discretize_lane
    from nuscenes.map_expansion.map_api import NuScenesMap
    from shapely import LineString

    theirs = NuScenesMap(dataroot, "singapore-onenorth")
    ours = load_map(f"{dataroot}/maps/expansion/singapore-onenorth.json").geometries("lane_centre")
    paths = list(theirs.arcline_path_3.values())
    assert len(ours) == len(paths)
    for line, path in list(zip(ours, paths, strict=True))[::20]:
        points = np.array(discretize_lane(path, 0.5))[:, :2]
        assert line.hausdorff_distance(LineString(points)) < 0.6
