"""The nuScenes devkit, unchanged, reads, queries, rasterizes and scores a synthetic town."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import Point

from forecast.data.synthetic.town_writer import write_town

CITIES = ("boston-seaport", "singapore-hollandvillage", "singapore-onenorth", "singapore-queenstown")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("worlds") / "town"
    write_town(out, scenes=4, seed=3, workers=1)
    return out


@pytest.fixture(scope="module")
def helper(root: Path):  # type: ignore[no-untyped-def]
    from nuscenes import NuScenes
    from nuscenes.prediction import PredictHelper

    return PredictHelper(NuScenes("v1.0-mini", dataroot=str(root), verbose=False))


@pytest.mark.parametrize("city", CITIES)
def test_lane_queries_follow_the_network(root: Path, city: str) -> None:
    from nuscenes.map_expansion.arcline_path_utils import discretize_lane, length_of_lane
    from nuscenes.map_expansion.map_api import NuScenesMap

    town = NuScenesMap(str(root), city)
    checked = 0
    for lane in town.lane[::7]:
        path = town.get_arcline_path(lane["token"])
        poses = np.array(discretize_lane(path, 0.5))
        middle = poses[len(poses) // 2]
        assert town.get_closest_lane(middle[0], middle[1]) == lane["token"]
        assert town.layers_on_point(middle[0], middle[1])["lane"] == lane["token"]
        assert town.layers_on_point(middle[0], middle[1])["drivable_area"]
        assert np.hypot(*np.diff(poses[:, :2], axis=0).T).max() < 0.6
        assert length_of_lane(path) == pytest.approx(np.hypot(*np.diff(poses[:, :2], axis=0).T).sum(), rel=0.02)
        for onward in town.get_outgoing_lane_ids(lane["token"]):
            assert lane["token"] in town.get_incoming_lane_ids(onward)
            first = town.get_arcline_path(onward)[0]["start_pose"]
            assert np.hypot(*(np.array(first[:2]) - path[-1]["end_pose"][:2])) < 0.01
            assert town.get_next_roads(middle[0], middle[1])["road_segment"]
            checked += 1
    assert checked > 10


@pytest.mark.parametrize("city", CITIES)
def test_masks_of_every_layer(root: Path, city: str) -> None:
    from nuscenes.map_expansion.map_api import NuScenesMap

    town = NuScenesMap(str(root), city)
    layers = [*town.non_geometric_polygon_layers, "road_divider", "lane_divider"]
    width, height = town.canvas_edge
    whole = town.get_map_mask((width / 2, height / 2, height, width), 0, layers, (300, 300))
    assert (whole.reshape(len(layers), -1).sum(axis=1) > 20).all()
    rng = np.random.default_rng(0)
    for x, y, angle in zip(*rng.uniform(100, width - 100, (2, 15)), rng.uniform(0, 360, 15), strict=True):
        assert town.get_map_mask((x, y, 60, 60), angle, layers, (100, 100)).shape == (len(layers), 100, 100)


def test_lights_stand_where_streams_cross(root: Path) -> None:
    from nuscenes.map_expansion.map_api import NuScenesMap

    town = NuScenesMap(str(root), CITIES[0])
    governed = [line for line in town.stop_line if line["stop_line_type"] == "TRAFFIC_LIGHT"]
    assert len(governed) == len(town.traffic_light) > 3
    for line in governed:
        (light,) = line["cue"]
        start, end = (town.get("node", node) for node in town.get("line", light["line_token"])["node_tokens"])
        outline = town.extract_polygon(line["polygon_token"])
        assert outline.distance(Point(start["x"], start["y"])) < 0.01
        # It points away from the junction, along the road.
        on_road = town.layers_on_point(end["x"], end["y"])["road_segment"]
        assert on_road
        assert not town.get("road_segment", on_road)["is_intersection"]


def test_prediction_path(root: Path, helper) -> None:  # type: ignore[no-untyped-def]
    from nuscenes.eval.prediction.compute_metrics import compute_metrics
    from nuscenes.eval.prediction.config import PredictionConfig
    from nuscenes.eval.prediction.metrics import MinADEK, MinFDEK, MissRateTopK, OffRoadRate, RowMean
    from nuscenes.eval.prediction.splits import get_prediction_challenge_split
    from nuscenes.prediction.models.physics import ConstantVelocityHeading

    splits = [get_prediction_challenge_split(split, str(root)) for split in ("mini_val", "mini_train")]
    assert min(map(len, splits)) > 20
    tokens = [token for split in splits for token in split]
    model = ConstantVelocityHeading(6, helper)
    metrics = [
        metric(k_to_report, [RowMean()])
        for metric, k_to_report in ((MinADEK, [1]), (MinFDEK, [1]), (MissRateTopK, [1]))
    ] + [OffRoadRate(helper, [RowMean()])]
    config = PredictionConfig(metrics, seconds=6, frequency=2)
    scores = compute_metrics([model(token).serialize() for token in tokens], helper, config)
    # Context must matter: constant velocity fails where roads bend, and leaves them.
    assert 1.0 < scores["MinADEK"]["RowMean"][0] < 15.0
    assert 0.02 < scores["OffRoadRate"]["RowMean"][0] < 0.9


def test_input_representation(root: Path, helper) -> None:  # type: ignore[no-untyped-def]
    from nuscenes.eval.prediction.splits import get_prediction_challenge_split
    from nuscenes.prediction.input_representation.agents import AgentBoxesWithFadedHistory
    from nuscenes.prediction.input_representation.combinators import Rasterizer
    from nuscenes.prediction.input_representation.interface import InputRepresentation
    from nuscenes.prediction.input_representation.static_layers import StaticLayerRasterizer

    static, agents = StaticLayerRasterizer(helper), AgentBoxesWithFadedHistory(helper, seconds_of_history=2)
    image = InputRepresentation(static, agents, Rasterizer()).make_input_representation(
        *get_prediction_challenge_split("mini_val", str(root))[0].split("_")
    )
    assert image.shape == (500, 500, 3)
    assert image.std() > 10
