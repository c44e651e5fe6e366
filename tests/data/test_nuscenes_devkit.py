"""Equality with the devkit on real data, agent by agent, wherever the devkit is causal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.data.cache import Dataset, open_dataset
from forecast.data.dataset import AgentDataset
from forecast.data.nuscenes.splits import SPLITS, official_scenes

VERSION = "v1.0-mini"


@pytest.fixture(scope="module")
def helper(nuscenes_dataroot: Path) -> Any:
    from nuscenes import NuScenes
    from nuscenes.prediction import PredictHelper

    return PredictHelper(NuScenes(VERSION, str(nuscenes_dataroot), verbose=False))


@pytest.fixture(scope="module")
def dataset(nuscenes_dataroot: Path) -> Dataset:
    return open_dataset(nuscenes_dataroot, VERSION)


@pytest.mark.parametrize("split", SPLITS)
def test_splits(nuscenes_dataroot: Path, dataset: Dataset, split: str) -> None:
    from nuscenes.eval.prediction.splits import get_prediction_challenge_split

    expected = get_prediction_challenge_split(split, str(nuscenes_dataroot))
    assert dataset.samples(split).tokens(dataset.tracks) == expected


def test_known_sizes(dataset: Dataset) -> None:
    assert len(dataset.samples("mini_val")) == 61
    assert len(dataset.samples("mini_train")) == 780


def test_every_annotation(helper: Any, dataset: Dataset) -> None:
    annotations = helper.data.sample_annotation
    tracks = dataset.tracks
    rows = [dataset.locate(record["instance_token"], record["sample_token"]) for record in annotations]
    assert len(set(rows)) == len(rows) == len(tracks.row_sample) - len(tracks.sample_tokens)
    assert np.array_equal(tracks.row_position_m[rows], [record["translation"][:2] for record in annotations])
    lengths = [[record["size"][1], record["size"][0]] for record in annotations]
    assert np.allclose(tracks.row_size_m[rows], lengths, atol=1e-6)
    categories = tracks.track_categories[dataset.columns.row_track[rows]]
    assert categories.tolist() == [record["category_name"] for record in annotations]
    attributes = [record["attribute_tokens"] for record in annotations]
    names = [helper.data.get("attribute", one[0])["name"] if one else None for one in attributes]
    columns = dataset.columns
    ours = [columns.attribute_names[index] if index >= 0 else None for index in columns.row_attribute[rows]]
    assert ours == names


def test_rates_of_every_annotation(helper: Any, dataset: Dataset) -> None:
    """Speed, change of speed and heading change rate are the devkit's, NaN for NaN.

    The devkit subtracts seconds since 1970 in float64, which are good to 2.4e-7 s; ours subtracts microseconds.
    """
    from nuscenes.eval.common.utils import quaternion_yaw
    from pyquaternion import Quaternion

    tracks, motion = dataset.tracks, dataset.columns.row_motion
    speed = np.linalg.norm(motion[:, :2], axis=1)
    time_s = tracks.row_time_us * 1e-6
    for record in helper.data.sample_annotation[::3]:
        tokens = record["instance_token"], record["sample_token"]
        row = dataset.locate(*tokens)
        yaw = quaternion_yaw(Quaternion(record["rotation"]))
        assert tracks.row_heading_rad[row] == pytest.approx(yaw, abs=1e-9)
        assert speed[row] == pytest.approx(helper.get_velocity_for_agent(*tokens), rel=2e-6, abs=1e-9, nan_ok=True)
        turning = helper.get_heading_change_rate_for_agent(*tokens)
        assert motion[row, 4] == pytest.approx(turning, rel=2e-6, abs=1e-9, nan_ok=True)
        if np.isfinite(motion[row, 2]):
            faster = (speed[row] - speed[row - 1]) / (time_s[row] - time_s[row - 1])
            assert faster == pytest.approx(helper.get_acceleration_for_agent(*tokens), rel=1e-5, abs=1e-4)
        else:
            assert np.isnan(helper.get_acceleration_for_agent(*tokens))


def test_past_future_and_everyone_around(helper: Any, nuscenes_dataroot: Path) -> None:
    """The devkit's agent frame has y ahead; ours has x ahead: its (x, y) are our (−y, x)."""
    data = AgentDataset(nuscenes_dataroot, VERSION, "mini_train")
    step = 3
    batch = data.batch(range(0, len(data), step))
    for i, (instance, sample) in enumerate(zip(batch.track_tokens, batch.sample_tokens, strict=True)):
        future = helper.get_future_for_agent(instance, sample, seconds=6, in_agent_frame=True)
        ours = batch.future[i][batch.future_valid[i]].numpy()
        assert np.allclose(ours, np.stack([future[:, 1], -future[:, 0]], 1), atol=2e-5)
        past = helper.get_past_for_agent(instance, sample, seconds=2, in_agent_frame=True)
        ours = batch.history[i, :-1][batch.history_valid[i, :-1]].numpy()[::-1, :2]
        assert np.allclose(ours, np.stack([past[:, 1], -past[:, 0]], 1), atol=2e-5)
        assert helper.get_map_name_from_sample_token(sample) == batch.map_names[batch.map_index[i]]


def test_annotations_in_a_frame(helper: Any, dataset: Dataset) -> None:
    columns, tracks = dataset.columns, dataset.tracks
    for index in range(0, len(tracks.sample_tokens), 5):
        rows = columns.sample_rows[columns.sample_first[index] : columns.sample_first[index + 1]]
        seen = set(tracks.track_tokens[columns.row_track[rows]].tolist())
        expected = helper.get_annotations_for_sample(tracks.sample_tokens[index])
        assert {token for token in seen if not token.startswith("ego-")} == {one["instance_token"] for one in expected}
        assert sum(token.startswith("ego-") for token in seen) == 1


def test_ego_poses(helper: Any, dataset: Dataset) -> None:
    """The ego's rear axle is where the devkit has it."""
    from forecast.data.nuscenes.ego import EGO_CENTRE_AHEAD_M

    tracks = dataset.tracks
    for index, sample in enumerate(tracks.sample_tokens.tolist()):
        lidar = helper.data.get("sample_data", helper.data.get("sample", sample)["data"]["LIDAR_TOP"])
        pose = helper.data.get("ego_pose", lidar["ego_pose_token"])
        scene = tracks.scene_names[tracks.sample_scene[index]]
        row = dataset.locate(f"ego-{scene}", sample)
        heading = tracks.row_heading_rad[row]
        axle = tracks.row_position_m[row] - EGO_CENTRE_AHEAD_M * np.array([np.cos(heading), np.sin(heading)])
        assert np.allclose(axle, pose["translation"][:2], atol=1e-6)


def test_scene_lists_are_the_official_ones() -> None:
    from nuscenes.eval.prediction.splits import NUM_IN_TRAIN_VAL
    from nuscenes.utils.splits import create_splits_scenes

    official = create_splits_scenes()
    ours = official_scenes()
    assert {name: ours[name] for name in ("mini_train", "mini_val", "val")} == {
        name: official[name] for name in ("mini_train", "mini_val", "val")
    }
    assert ours["train_val"] == official["train"][:NUM_IN_TRAIN_VAL]
    assert ours["train"] == official["train"][NUM_IN_TRAIN_VAL:]
    assert tuple(ours) == SPLITS
