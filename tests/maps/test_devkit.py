"""Agreement with the devkit, on real data where there is some."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch

from forecast.core.crops import CropSpec
from forecast.data.maps.crop import Cropper
from forecast.data.maps.layers import load_map

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


@pytest.mark.parametrize(("engine", "bars"), [("exact", (0.999, 0.998, 0.985)), ("baked", (0.99, 0.96, 0.96))])
def test_masks_agree_with_the_devkit(dataroot, tmp_path, engine, bars):
    from nuscenes.map_expansion.map_api import NuScenesMap

    name = "singapore-queenstown"
    source = load_map(f"{dataroot}/maps/expansion/{name}.json")
    theirs = NuScenesMap(dataroot, name)
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
