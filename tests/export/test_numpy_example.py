"""The example on ONNX Runtime and NumPy alone: it runs where torch is not, and makes what this package makes."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from shapely import box

from forecast.core.agents import AgentType
from forecast.core.crops import CropSpec
from forecast.data.cache import open_dataset
from forecast.data.dataset import AgentDataset
from forecast.data.maps.crop import Cropper
from forecast.data.maps.sources import PolygonMap
from forecast.data.samples import Samples
from forecast.data.synthetic.town_writer import write_town
from forecast.prediction.predictor import Predictor

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnx_numpy.py"
BLOCKED = """
import runpy, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'torch', 'forecast', 'shapely', 'onnx', 'pandas'}:
            raise ModuleNotFoundError(f'{name} is blocked')
sys.meta_path.insert(0, Block())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLE))


def test_it_runs_where_neither_torch_nor_this_package_is(exported) -> None:
    command = [sys.executable, "-c", BLOCKED, str(EXAMPLE), str(exported.onnx)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["agent 0", "agent 1", "agent 2"]
    assert "in 6 s most likely" in lines[0]
    assert "nan" not in done.stdout


def test_its_crop_is_the_package_s(example) -> None:
    spec = CropSpec(ahead_m=30, behind_m=10, left_m=20, right_m=16, px_per_m=2.0)
    road = [box(996, 1800, 1004, 2200), box(800, 1996, 1200, 2004)]
    middle = [(800, 1999.7, 996, 2000.3), (1004, 1999.7, 1200, 2000.3), (999.7, 1800, 1000.3, 1996)]
    middle.append((999.7, 2004, 1000.3, 2200))
    layers = {"drivable_area": road, "road_segment": [], "lane": road, "lane_divider": []}
    source = PolygonMap("crossroads", {**layers, "road_divider": [box(*edges) for edges in middle]})
    cropper = Cropper({"crossroads": source}, ("crossroads",), spec, "exact")
    pose = np.array([985.0, 1998.0, 0.4])
    ours = cropper(torch.from_numpy(pose[None]), torch.zeros(1, dtype=torch.int64))[0].numpy()
    described = {**vars(spec), "shape": spec.shape}
    theirs = example["crop"](pose, example["crossroads"](), described)
    assert theirs.shape == ours.shape
    assert theirs[0].mean() > 0.2
    assert np.abs(theirs - ours).mean() < 0.01
    assert np.abs(theirs - ours).max() < 0.5


def test_its_inputs_and_forecasts_are_the_package_s(exported, example, tmp_path: Path) -> None:
    write_town(tmp_path / "town", scenes=2, seed=4, workers=1)
    dataset = open_dataset(tmp_path / "town", "v1.0-mini")
    tracks = dataset.tracks
    now = int(np.flatnonzero(tracks.sample_scene == tracks.sample_scene[0])[8])
    seen = np.flatnonzero((tracks.row_sample == now) & (tracks.track_types[tracks.row_track] <= AgentType.PEDESTRIAN))
    frames = np.arange(now - 7, now + 1)
    given = np.full((len(seen), len(frames), 3), np.nan)
    for place, row in enumerate(seen):
        mine = np.flatnonzero((tracks.row_track == tracks.row_track[row]) & np.isin(tracks.row_sample, frames))
        at = tracks.row_sample[mine] - frames[0]
        given[place, at] = np.c_[tracks.row_position_m[mine], tracks.row_heading_rad[mine]]
    types = tracks.track_types[tracks.row_track[seen]]
    vehicles = seen[types == AgentType.VEHICLE]
    assert len(vehicles) > 3

    session = onnxruntime.InferenceSession(str(exported.onnx), providers=["CPUExecutionProvider"])
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["cab-forecast"])
    times_s = tracks.sample_time_us[frames] * 1e-6
    arrays, targets, poses = example["network_inputs"](times_s, list(given), types, {}, metadata)
    np.testing.assert_array_equal(seen[targets], vehicles)
    batch = AgentDataset.of(dataset, Samples(vehicles)).batch(range(len(vehicles)))
    np.testing.assert_allclose(arrays["history"], batch.history, atol=1e-4)
    np.testing.assert_array_equal(arrays["history_valid"], batch.history_valid)

    crops = torch.from_numpy(arrays["crop"]) if "crop" in arrays else None
    expected = Predictor.load(exported.checkpoint).predict(type(batch)(**batch.tensors(), crop=crops))
    positions_m, probabilities = example["forecast"](session, arrays, poses)
    np.testing.assert_allclose(positions_m, expected.to_world(batch.pose_world).positions_m, atol=1e-3)
    np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-4)
