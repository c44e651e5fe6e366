"""What every kind of data set that is registered must keep, whoever brings it.

A kind that is added gets a writer here: it writes a small data set whose agents are moved, after time 0, by as much as
is asked for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.core.agents import AgentType
from forecast.core.batch import AgentBatch
from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.data.cache import Dataset, open_dataset
from forecast.data.dataset import AgentDataset
from forecast.data.samples import Samples
from forecast.data.source_registry import source_named, source_names

TABLES = ("attribute", "calibrated_sensor", "category", "ego_pose", "instance", "log", "map", "sample")
TABLES += ("sample_annotation", "sample_data", "scene", "sensor")
#: Key frame of nuScenes that is time 0, of 20.
FRAME = 9


def nuscenes(root: Path, after: float, twin: Callable[..., Any]) -> None:
    """One scene of 20 key frames: two cars and a pedestrian."""
    turned = [math.cos(0.1), 0.0, 0.0, math.sin(0.1)]
    place = {"translation": [0.0, 50.0, 0.0], "rotation": turned}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    rows["category"] = [{"token": name, "name": name} for name in ("vehicle.car", "human.pedestrian.adult")]
    rows["log"] = [{"token": "log", "location": "boston-seaport"}]
    rows["scene"] = [{"token": "s", "name": "scene-0103", "log_token": "log"}]
    rows["sensor"] = [{"token": "lidar", "channel": "LIDAR_TOP"}]
    rows["calibrated_sensor"] = [{"token": "cal", "sensor_token": "lidar"}]
    for k in range(20):
        rows["sample"].append({"token": f"k{k}", "timestamp": 10**12 + 500_000 * k, "scene_token": "s"})
        rows["ego_pose"].append(place | {"token": f"pose{k}"})
        reading = {"sample_token": f"k{k}", "ego_pose_token": f"pose{k}", "calibrated_sensor_token": "cal"}
        rows["sample_data"].append(reading | {"is_key_frame": True})
    for number, speed_mps in enumerate((6.0, 9.0, 1.0)):
        category = "vehicle.car" if number < 2 else "human.pedestrian.adult"
        rows["instance"].append({"token": f"i{number}", "category_token": category})
        for k in range(20):
            place_m = [0.5 * speed_mps * k, 3.0 * number + (after * (k - FRAME) if k > FRAME else 0.0), 0.0]
            rows["sample_annotation"].append(
                {
                    "token": f"i{number}@{k}",
                    "sample_token": f"k{k}",
                    "instance_token": f"i{number}",
                    "attribute_tokens": [],
                    "translation": place_m,
                    "size": [2.0, 4.5, 1.5],
                    "rotation": turned,
                }
            )
    (root / "v1.0-mini").mkdir(parents=True)
    for name, table in rows.items():
        (root / "v1.0-mini" / f"{name}.json").write_text(json.dumps(table))
    lists = root / "maps" / "prediction" / "prediction_scenes.json"
    lists.parent.mkdir(parents=True)
    lists.write_text(json.dumps({"scene-0103": [f"i0_k{FRAME}", f"i1_k{FRAME}"]}))
    layers = {"version": "1.3", "node": [], "polygon": [], "line": [], "drivable_area": []}
    expansion = root / "maps" / "expansion" / "boston-seaport.json"
    expansion.parent.mkdir(parents=True)
    expansion.write_text(json.dumps(layers))


def argoverse2(root: Path, after: float, twin: Callable[..., Any]) -> None:
    twin("one", future=lambda step: after * (step - 49)).write(root)


WRITERS = {"nuscenes": nuscenes, "argoverse2": argoverse2}


@pytest.fixture(params=source_names())
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def written(kind: str, tmp_path: Path, twin: Callable[..., Any]) -> Callable[..., Dataset]:
    """Writes a data set of the kind and opens it."""

    def write(after: float = 0.0) -> Dataset:
        root = tmp_path / f"set{after:g}"
        if not root.exists():
            WRITERS[kind](root, after, twin)
        return open_dataset(root)

    return write


def test_every_kind_has_a_writer() -> None:
    assert set(source_names()) == set(WRITERS), "a kind that is registered is held to this contract by a writer"


def everybody(dataset: Dataset) -> AgentBatch:
    """All who are seen at time 0 of the first listed agent-sample."""
    row = dataset.samples(dataset.splits[0]).rows[0]
    return AgentDataset.of(dataset, Samples(np.flatnonzero(row_sample(dataset) == row_sample(dataset)[row]))).batch(
        range(int((row_sample(dataset) == row_sample(dataset)[row]).sum()))
    )


def row_sample(dataset: Dataset) -> Any:
    return dataset.tracks.row_sample


def test_no_input_knows_the_future(written: Callable[..., Dataset]) -> None:
    one, other = everybody(written(0.0)), everybody(written(0.25))
    tensors, changed = one.tensors(), other.tensors()
    for name in tensors.keys() - {"future", "future_valid"}:
        assert tensors[name].numpy().tobytes() == changed[name].numpy().tobytes(), name
    assert not np.array_equal(tensors["future"], changed["future"]), "or this test shows nothing"


def test_a_folder_is_recognised_by_its_own_kind_alone(kind: str, written: Callable[..., Dataset]) -> None:
    dataset = written()
    assert [name for name in source_names() if source_named(name).recognises(dataset.dataroot)] == [kind]
    assert open_dataset(dataset.dataroot, source=kind).fingerprint == dataset.fingerprint


def test_ids_are_unique_and_found_again(written: Callable[..., Dataset]) -> None:
    dataset = written()
    tracks = dataset.tracks
    assert len(set(tracks.track_tokens.tolist())) == len(tracks.track_tokens)
    assert len(set(tracks.sample_tokens.tolist())) == len(tracks.sample_tokens)
    samples = dataset.samples(dataset.splits[0], dense=True, types=tuple(AgentType)[1:], ego=True)
    pairs = zip(samples.track_tokens(tracks), samples.sample_tokens(tracks), strict=True)
    assert [dataset.locate(*pair) for pair in pairs] == samples.rows.tolist()
    with pytest.raises(DataError, match="nobody"):
        dataset.locate("nobody", str(tracks.sample_tokens[0]))


def test_columns_agree_with_each_other(written: Callable[..., Dataset]) -> None:
    columns = written().columns
    tracks = columns.tracks
    assert (columns.row_track == tracks.row_track).all()
    assert (tracks.sample_scene[tracks.row_sample] == tracks.track_scene[tracks.row_track]).all()
    same = tracks.row_track[1:] == tracks.row_track[:-1]
    assert (np.diff(tracks.row_sample)[same] > 0).all()
    for sample in range(len(tracks.sample_tokens)):
        listed = columns.sample_rows[columns.sample_first[sample] : columns.sample_first[sample + 1]]
        assert listed.tolist() == np.flatnonzero(tracks.row_sample == sample).tolist()


def test_truth_holds_all_that_the_key_frames_do(written: Callable[..., Dataset]) -> None:
    dataset = written()
    tracks, truth = dataset.tracks, dataset.truth()
    known = {
        (track, round(time * 1e6)): place
        for track, time, place in zip(truth.track.tolist(), truth.time_s.tolist(), truth.positions_m, strict=True)
    }
    for row in range(len(tracks.row_sample)):
        at = str(tracks.track_tokens[tracks.row_track[row]]), int(tracks.row_time_us[row])
        assert (known[at] == tracks.row_position_m[row]).all()


def test_maps_and_splits(written: Callable[..., Dataset]) -> None:
    dataset = written()
    for name in dataset.map_names:
        source = dataset.load_map(name)
        assert isinstance(source, MapSource)
        assert source.name == name
        assert set(dataset.load_map(name, only=("drivable_area",)).layers) <= {"drivable_area"}
    assert [dataset.map_names[index] for index in dataset.scene_map] == dataset.tracks.scene_maps.tolist()
    with pytest.raises(DataError, match="no map 'nowhere'"):
        dataset.load_map("nowhere")
    for split in dataset.splits:
        listed = dataset.samples(split)
        scenes = dataset.tracks.scene_names[dataset.tracks.sample_scene[row_sample(dataset)[listed.rows]]]
        assert set(scenes.tolist()) <= set(dataset.scenes_of(split))
