"""A small model with weights that react to everything, a town, and scenes made of lines and circles."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch

from forecast.core.crops import CropSpec
from forecast.data.cache import Dataset, open_dataset
from forecast.data.maps.sources import PolygonMap
from forecast.data.synthetic.town_writer import write_town
from forecast.model.cvae_config import CVAEConfig, MapEncoderConfig
from forecast.model.network_config import NetworkConfig
from forecast.model.network_registry import make_network
from forecast.model.query.query_config import QueryConfig
from forecast.model.trunks.trunk_config import TrunkConfig
from forecast.prediction.checkpoint import save_checkpoint
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.scene import AgentTrack, Scene
from forecast.prediction.scene_forecast import SceneForecast

VERSION = "v1.0-mini"


CROP = CropSpec(ahead_m=32.0, behind_m=16.0, left_m=16.0, right_m=16.0, px_per_m=1.25)
CONFIGS: dict[str, NetworkConfig] = {
    "cvae": CVAEConfig(
        modes=5,
        decoder_size=16,
        crop=CROP,
        map_encoder=MapEncoderConfig(channels=(4, 8), kernels=(5, 3), strides=(3, 3)),
    ),
    "query": QueryConfig(modes=7, medoids=5, size=16, heads=2, crop=CROP, trunk=TrunkConfig(width=8)),
}


@pytest.fixture(scope="session", params=["cvae", pytest.param("query", marks=pytest.mark.slow)])
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a model that never learnt, with weights large enough for every input to show in its answers."""
    torch.manual_seed(4)
    model = make_network(CONFIGS[request.param])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_checkpoint(path, model, {})
    return path


@pytest.fixture(scope="session")
def crossroads() -> PolygonMap:
    """Two roads that cross at (100, 200)."""
    roads = [shapely.box(0, 194, 200, 206), shapely.box(94, 100, 106, 300)]
    return PolygonMap(
        "crossroads", {"drivable_area": roads, "lane_divider": [shapely.LineString([(0, 200), (200, 200)])]}
    )


@pytest.fixture
def forecaster(weights: Path, crossroads: PolygonMap) -> Forecaster:
    return Forecaster.load(weights, {"crossroads": crossroads})


@pytest.fixture(scope="session")
def traffic() -> Callable[..., Scene]:
    """Makes scenes of agents on random circles, seen at some rate over some seconds until now."""

    def make(
        agents: int, *, now_s: float = 50.0, rate_hz: float = 2.0, past_s: float = 8.0, seed: int = 0,
        spread_m: float = 60.0, map_name: str | None = "crossroads",
    ) -> Scene:  # fmt: skip
        random = np.random.default_rng(seed)
        times = now_s - np.arange(round(past_s * rate_hz) + 1)[::-1] / rate_hz
        tracks = []
        for number in range(agents):
            here = random.uniform(-spread_m, spread_m, 2) + np.array([100, 200])
            speed, yaw_rate, heading = random.uniform(0, 12), random.uniform(-0.3, 0.3) or 0.1, random.uniform(-3, 3)
            angle = heading + yaw_rate * (times - now_s)
            radius = speed / yaw_rate
            place = here + radius * np.stack([np.sin(angle) - np.sin(heading), np.cos(heading) - np.cos(angle)], 1)
            kind = random.choice(["vehicle", "vehicle", "pedestrian", "cyclist"])
            tracks.append(AgentTrack(f"a{number}", str(kind), times, np.c_[place, angle], random.uniform(1, 5, 2)))
        return Scene.of(now_s, tracks, map_name)

    return make


@pytest.fixture(scope="session")
def equal() -> Callable[[SceneForecast, SceneForecast], bool]:
    """Whether two answers are the same to the last bit."""
    arrays = ("positions_m", "headings_rad", "covariances_m2", "probabilities", "most_likely", "pose_world", "silent_s")

    def same(one: SceneForecast, other: SceneForecast) -> bool:
        return one.agent_ids == other.agent_ids and all(
            np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays
        )

    return same


@dataclass(frozen=True)
class World:
    """A data set on disk and open."""

    root: Path
    dataset: Dataset


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("prediction") / "town"
    write_town(root, scenes=2, seed=5, workers=1)
    return World(root, open_dataset(root, VERSION))


@pytest.fixture
def world(request: pytest.FixtureRequest, town: World) -> World:
    """The town, and real data where there is any (parametrize indirectly)."""
    if request.param == "town":
        return town
    root = os.environ.get("NUSCENES_DATAROOT")
    if not root:
        pytest.skip("NUSCENES_DATAROOT is not set: no real nuScenes data to test on")
    return World(Path(root), open_dataset(root, VERSION))
