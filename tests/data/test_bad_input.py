"""Whatever is wrong with a folder, one line says which file and which entry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.core.errors import DataError
from forecast.data.cache import Dataset, open_dataset
from forecast.data.nuscenes.json_rows import stream_rows
from forecast.data.nuscenes.nuscenes_tables import Annotation, SampleData

VERSION = "v1.0-mini"


def opened(root: Path) -> Dataset:
    return open_dataset(root, VERSION)


def refused(root: Path, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        opened(root).samples("mini_val")
    assert "\n" not in str(caught.value)
    assert str(root) in str(caught.value)


def edit(root: Path, table: str, change: Callable[[str], str]) -> None:
    path = root / VERSION / f"{table}.json"
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize("table", ["sample", "sample_annotation", "ego_pose", "log", "category"])
def test_missing_table(traffic: Any, table: str) -> None:
    root = traffic.write()
    (root / VERSION / f"{table}.json").unlink()
    refused(root, rf"{table}\.json: missing table")


@pytest.mark.parametrize("table", ["sample_annotation", "sample_data", "scene"])
@pytest.mark.parametrize("keep", [0.0, 0.4, 0.99])
def test_truncated(traffic: Any, table: str, keep: float) -> None:
    root = traffic.write()
    edit(root, table, lambda text: text[: int(keep * len(text))])
    refused(root, rf"{table}\.json: (truncated|empty file).*; unpack or download the file again$")


def test_broken_in_the_middle(traffic: Any) -> None:
    root = traffic.write()
    edit(root, "sample_annotation", lambda text: text.replace('"late@scene-0103/9",', '"late@scene-0103/9"', 1))
    refused(root, r"sample_annotation\.json: entry 21 \(token late@scene-0103/9\)")


def test_not_a_list(traffic: Any) -> None:
    root = traffic.write()
    edit(root, "scene", lambda _: '{"token": "x"}')
    refused(root, r"scene\.json: expected a JSON array of rows, found '.\"token\": \"x\".'$")


@pytest.mark.parametrize("value", ["NaN", "1e999", "null", '"here"'])
def test_positions_that_are_no_numbers(traffic: Any, value: str) -> None:
    root = traffic.write()

    def spoil(text: str) -> str:
        head, tail = text.split('"late@scene-0103/9"', 1)
        return head + '"late@scene-0103/9"' + tail.replace("18.0", value, 1)

    edit(root, "sample_annotation", spoil)
    refused(root, r"sample_annotation\.json: entry 21")


def test_rotation_of_no_length(traffic: Any) -> None:
    traffic.tables["sample_annotation"][4]["rotation"] = [0.0, 0.0, 0.0, 0.0]
    refused(traffic.write(), r"sample_annotation\.json: entry 4: the rotation")


def test_missing_field(traffic: Any) -> None:
    del traffic.tables["sample_annotation"][7]["translation"]
    refused(traffic.write(), r"sample_annotation\.json: entry 7 \(token steady@scene-0103/7\).*`translation`")


@pytest.mark.parametrize(
    ("table", "field", "target"),
    [
        ("sample_annotation", "sample_token", "sample"),
        ("sample_annotation", "instance_token", "instance"),
        ("sample", "scene_token", "scene"),
        ("instance", "category_token", "category"),
        ("scene", "log_token", "log"),
        ("sample_data", "sample_token", "sample"),
    ],
)
def test_reference_to_nothing(traffic: Any, table: str, field: str, target: str) -> None:
    traffic.tables[table][0][field] = "nowhere"
    refused(traffic.write(), rf"{table}\.json: entry 0.*{field} 'nowhere' is not in {target}\.json")


def test_missing_ego_pose(traffic: Any) -> None:
    traffic.tables["sample_data"][0]["ego_pose_token"] = "nowhere"
    refused(traffic.write(), r"ego_pose\.json: no pose nowhere")


@pytest.mark.parametrize("table", ["sample", "instance", "scene", "log", "category", "sample_annotation"])
def test_repeated_token(traffic: Any, table: str) -> None:
    rows = traffic.tables[table]
    rows.append(dict(rows[0], name="scene-0916") if table == "scene" else dict(rows[0]))
    refused(traffic.write(), rf"{table}\.json: entries 0 and {len(rows) - 1} have the same token")


def test_instance_twice_in_one_sample(traffic: Any) -> None:
    rows = traffic.tables["sample_annotation"]
    rows.append(dict(rows[3], token="another"))
    refused(traffic.write(), rf"entries 3 and {len(rows) - 1} annotate one instance in the same sample")


def test_two_samples_at_once(traffic: Any) -> None:
    rows = traffic.tables["sample"]
    rows[5]["timestamp"] = rows[4]["timestamp"]
    refused(traffic.write(), r"sample\.json: entries 4 and 5 .* same timestamp")


def test_instance_in_two_scenes(traffic: Any, straight_path: Any) -> None:
    traffic.scene("scene-0916", 5)
    row = dict(traffic.tables["sample_annotation"][0], token="elsewhere", sample_token="scene-0916/0")
    traffic.tables["sample_annotation"].append(row)
    refused(traffic.write(), "put one instance in two scenes .instance steady")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("steady", "expected instance_sample"),
        ("nobody_scene-0103/4", "no annotated instance 'nobody'"),
        ("steady_nowhere", "no sample 'nowhere'"),
        ("late_scene-0103/2", "no annotation at sample"),
        ("steady_scene-0103/9", "listed twice"),
    ],
)
def test_challenge_entries(traffic: Any, entry: str, message: str) -> None:
    traffic.challenge["scene-0103"].append(entry)
    refused(traffic.write(), rf"prediction_scenes\.json: scene-0103, entry 3: .*{message}")


def test_challenge_file_that_is_none(traffic: Any) -> None:
    root = traffic.write()
    (root / "maps" / "prediction" / "prediction_scenes.json").write_text("[1]")
    refused(root, r"prediction_scenes\.json: expected scene names")


def test_wrong_names(traffic: Any, tmp_path: Path) -> None:
    root = traffic.write()
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(tmp_path / "nowhere", VERSION)
    with pytest.raises(DataError, match="holds no nuScenes tables"):
        open_dataset(tmp_path, VERSION)
    with pytest.raises(DataError, match="did you mean 'mini_val'"):
        opened(root).samples("mini_vall")
    with pytest.raises(DataError, match=r"no scene of split 'mini_train'; of these it does: mini_val, val"):
        opened(root).samples("mini_train")


def test_scene_of_one_sample(hand_written: Any) -> None:
    hand_written.scene("scene-0103", 1)
    hand_written.agent("car", {0: (1.0, 2.0, 0.0)})
    dataset = opened(hand_written.write())
    assert len(dataset.samples("mini_val", dense=True)) == 0, "nobody was seen before"
    assert len(dataset.tracks.row_sample) == 2


def test_order_and_links_do_not_matter(traffic: Any) -> None:
    was = opened(traffic.write())
    rng = np.random.default_rng(0)
    for table in ("sample", "sample_annotation", "sample_data", "ego_pose"):
        rows = traffic.tables[table]
        traffic.tables[table] = [rows[i] for i in rng.permutation(len(rows))]
    now = opened(traffic.write())
    assert now.fingerprint != was.fingerprint
    for name, array in was.columns.arrays().items():
        assert np.array_equal(array, now.columns.arrays()[name], equal_nan=array.dtype.kind == "f"), name


def test_instance_without_annotations_and_empty_tables(hand_written: Any) -> None:
    hand_written.scene("scene-0103", 3)
    hand_written.agent("nobody", {})
    dataset = opened(hand_written.write())
    assert dataset.tracks.track_tokens.tolist() == ["ego-scene-0103"]


@pytest.mark.parametrize("chunk_bytes", [1, 50, 333, 1 << 20])
def test_streaming_in_pieces_of_any_size(traffic: Any, chunk_bytes: int) -> None:
    """File names here hold what looks like the boundary between two rows."""
    folder = traffic.write() / VERSION
    for table, kind in (("sample_annotation", Annotation), ("sample_data", SampleData)):
        pieces = list(stream_rows(folder / f"{table}.json", kind, chunk_bytes=chunk_bytes))
        rows = [row for _, rows in pieces for row in rows]
        assert [row.sample_token for row in rows] == [row["sample_token"] for row in traffic.tables[table]]
        assert [first for first, _ in pieces] == list(np.cumsum([0] + [len(rows) for _, rows in pieces[:-1]]))


def test_nested_boundaries(tmp_path: Path) -> None:
    path = tmp_path / "sample_data.json"
    row = {"sample_token": "a", "ego_pose_token": 'b"},{"', "calibrated_sensor_token": "c", "is_key_frame": True}
    path.write_text(json.dumps([row | {"nested": [{"x": 1}, {"x": 2}]}] * 7))
    rows = [row for _, rows in stream_rows(path, SampleData, chunk_bytes=10) for row in rows]
    assert len(rows) == 7


TEXTS = st.text(st.sampled_from('ab"\\\\},{[] \\n:é'), max_size=12)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "sample_token": TEXTS,
            "ego_pose_token": TEXTS,
            "calibrated_sensor_token": TEXTS,
            "is_key_frame": st.booleans(),
        },
        optional={
            "filename": TEXTS,
            "nested": st.lists(st.dictionaries(TEXTS, st.floats(-1, 1), max_size=2), max_size=3),
        },
    ),
    max_size=8,
)


@given(rows=ROWS, indent=st.sampled_from([None, 0, 2]), chunk_bytes=st.integers(1, 200))
@settings(max_examples=150, deadline=None)
def test_streaming_reads_what_the_standard_library_reads(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], indent: int | None, chunk_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "sample_data.json"
    path.write_text(json.dumps(rows, indent=indent))
    read = [row for _, piece in stream_rows(path, SampleData, chunk_bytes=chunk_bytes) for row in piece]
    assert [(row.sample_token, row.ego_pose_token, row.is_key_frame) for row in read] == [
        (row["sample_token"], row["ego_pose_token"], row["is_key_frame"]) for row in rows
    ]


@given(rows=ROWS.filter(bool), cut=st.floats(0, 0.999), chunk_bytes=st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_whatever_is_cut_off_is_one_line(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], cut: float, chunk_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "sample_data.json"
    whole = json.dumps(rows)
    path.write_text(whole[: int(cut * len(whole))])
    with pytest.raises(DataError) as caught:
        list(stream_rows(path, SampleData, chunk_bytes=chunk_bytes))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_version_is_a_name_not_a_path(traffic: Any, tmp_path: Path) -> None:
    root, cache = traffic.write(), tmp_path / "cache"
    with pytest.raises(DataError, match=r"version '.*': expected the name of a folder"):
        open_dataset(root, str(root / "v1.0-mini"), cache)
    assert not cache.exists()
    assert open_dataset(root, "v1.0-mini/", cache).folder == open_dataset(root, "v1.0-mini", cache).folder


@pytest.mark.parametrize("table", ["sample_annotation", "scene", "log"])
def test_bytes_that_are_no_text(traffic: Any, table: str) -> None:
    root = traffic.write()
    path = root / VERSION / f"{table}.json"
    path.write_bytes(path.read_bytes().replace(b'"token": "', b'"token": "\xff', 1))
    refused(root, rf"{table}\.json: entry 0 .*no UTF-8 text")
