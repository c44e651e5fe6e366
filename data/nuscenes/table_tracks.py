"""Builds tracks, sorted and checked, from a nuScenes folder's tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import EGO_CATEGORY, agent_type
from forecast.core.errors import DataError
from forecast.core.tracks import Strings, Tracks
from forecast.data.clock import check_microseconds
from forecast.data.nuscenes.annotations import Boxes, joined, read_boxes
from forecast.data.nuscenes.ego import read_ego
from forecast.data.nuscenes.nuscenes_tables import (
    Instance,
    Log,
    Named,
    Sample,
    SceneRow,
    index_by_token,
    read_table,
    resolve,
)
from forecast.data.nuscenes.nuscenes_tables import table_path as path_of
from forecast.data.nuscenes.reading import Reading, check_categories
from forecast.data.track_columns import TrackColumns


def read_columns(folder: Path, reading: Reading = Reading()) -> tuple[TrackColumns, str]:  # noqa: B008 - frozen
    """Read all that a version's tables say about scenes, key frames and tracks.

    Every instance is a track, and so is the ego vehicle in every scene (``vehicle.ego``, token ``ego-<scene name>``).
    Tracks are ordered by the time stamps of their key frames alone, in whatever order the tables list them.

    Args:
        folder: the version's folder.
        reading: what its user says about it.

    Returns:
        The columns, and the sensor whose poses are the ego's; ``""`` where there is none.

    Raises:
        DataError: one line naming the file and the entry.
    """
    scenes = _read_scenes(folder)
    samples = _read_samples(folder, scenes)
    instances = read_table(folder, "instance", Instance)
    attributes = read_table(folder, "attribute", Named)
    boxes = read_boxes(
        folder,
        index_by_token(instances, path_of(folder, "instance")),
        samples.by_token,
        index_by_token(attributes, path_of(folder, "attribute")),
    )
    categories = _categories(folder, instances, reading)
    _check_boxes(folder, boxes, samples.scene, instances)
    ego, channel = read_ego(folder, samples.by_token, reading.ego_channel)
    tokens = [row.token for row in instances] + [f"ego-{name}" for name in scenes.names]
    categories += [EGO_CATEGORY] * len(scenes.names)
    ego = replace(ego, track=samples.scene[ego.sample].astype(np.int64) + len(instances))
    merged = joined([boxes, ego])
    return _columns(scenes, samples, tokens, categories, merged, [row.name for row in attributes], reading), channel


class _Scenes(NamedTuple):
    names: list[str]
    maps: list[str]
    by_token: dict[str, int]


class _Samples(NamedTuple):
    tokens: list[str]
    time_us: NDArray[np.int64]
    scene: NDArray[np.int32]
    by_token: dict[str, int]


def _read_scenes(folder: Path) -> _Scenes:
    logs = read_table(folder, "log", Log)
    log_index = index_by_token(logs, path_of(folder, "log"))
    path = path_of(folder, "scene")
    scenes = read_table(folder, "scene", SceneRow)
    if not scenes:
        raise DataError(f"{path}: no scenes")
    names = [scene.name for scene in scenes]
    for number, name in enumerate(names):
        if names.index(name) != number:
            raise DataError(f"{path}: entries {names.index(name)} and {number} have the same name {name}")
    maps = [
        logs[
            resolve(log_index, scene.log_token, where=f"{path}: entry {number}", field="log_token", target="log")
        ].location
        for number, scene in enumerate(scenes)
    ]
    return _Scenes(names, maps, index_by_token(scenes, path))


def _read_samples(folder: Path, scenes: _Scenes) -> _Samples:
    path = path_of(folder, "sample")
    rows = read_table(folder, "sample", Sample)
    index_by_token(rows, path)
    scene = np.array(
        [
            resolve(scenes.by_token, row.scene_token, where=f"{path}: entry {i}", field="scene_token", target="scene")
            for i, row in enumerate(rows)
        ],
        np.int32,
    )
    for number, row in enumerate(rows):
        if not abs(row.timestamp) < 2**62:
            raise DataError(f"{path}: entry {number}: timestamp {row.timestamp}; expected microseconds")
    time_us = np.array([row.timestamp for row in rows], np.int64)
    order = np.lexsort((time_us, scene))
    same = (np.diff(time_us[order]) == 0) & (np.diff(scene[order]) == 0)
    if same.any():
        one, other = order[same.argmax()], order[same.argmax() + 1]
        raise DataError(
            f"{path}: entries {one} and {other} are of one scene and have the same timestamp; expected microseconds"
        )
    check_microseconds(path, scenes.names, scene[order], time_us[order])
    tokens = [rows[number].token for number in order]
    return _Samples(tokens, time_us[order], scene[order], {token: i for i, token in enumerate(tokens)})


def _categories(folder: Path, instances: list[Instance], reading: Reading) -> list[str]:
    categories = read_table(folder, "category", Named)
    check_categories(reading, (row.name for row in categories), folder)
    index = index_by_token(categories, path_of(folder, "category"))
    path = path_of(folder, "instance")
    return [
        categories[
            resolve(index, row.category_token, where=f"{path}: entry {i}", field="category_token", target="category")
        ].name
        for i, row in enumerate(instances)
    ]


def _check_boxes(folder: Path, boxes: Boxes, sample_scene: NDArray[np.int32], instances: list[Instance]) -> None:
    """Refuse an instance that is annotated twice in one key frame, or in two scenes."""
    path = path_of(folder, "sample_annotation")
    order = np.lexsort((boxes.sample, boxes.track))
    track, sample = boxes.track[order], boxes.sample[order]
    same_track = track[1:] == track[:-1]
    twice = same_track & (sample[1:] == sample[:-1])
    apart = same_track & (sample_scene[sample[1:]] != sample_scene[sample[:-1]])
    for wrong, what in ((twice, "annotate one instance in the same sample"), (apart, "put one instance in two scenes")):
        if wrong.any():
            at = int(wrong.argmax())
            one, other = sorted((int(order[at]), int(order[at + 1])))
            raise DataError(f"{path}: entries {one} and {other} {what} (instance {instances[track[at]].token})")


def _columns(
    scenes: _Scenes,
    samples: _Samples,
    tokens: list[str],
    categories: list[str],
    boxes: Boxes,
    attributes: list[str],
    reading: Reading,
) -> TrackColumns:
    order = np.lexsort((boxes.sample, boxes.track))
    row_track, row_sample = boxes.track[order].astype(np.int32), boxes.sample[order].astype(np.int32)
    counts = np.bincount(row_track, minlength=len(tokens))
    kept = np.flatnonzero(counts)  # an instance without annotations is no track
    first_row = np.concatenate([[0], np.cumsum(counts[kept])]).astype(np.int64)
    names = np.array(categories, np.str_)[kept]
    kinds = {name: _type_of(name, reading) for name in np.unique(names).tolist()}
    tracks = Tracks(
        scene_names=np.array(scenes.names, np.str_),
        scene_maps=np.array(scenes.maps, np.str_),
        sample_tokens=_strings(samples.tokens),
        sample_time_us=samples.time_us,
        sample_scene=samples.scene,
        track_tokens=np.array(tokens, np.str_)[kept],
        track_categories=names,
        track_types=np.array([kinds[name] for name in names.tolist()], np.int8),
        track_scene=samples.scene[row_sample[first_row[:-1]]],
        first_row=first_row,
        row_sample=row_sample,
        row_position_m=boxes.position_m[order],
        row_heading_rad=boxes.heading_rad[order],
        row_size_m=boxes.size_m[order],
    )
    return TrackColumns.of(tracks, boxes.attribute[order], _strings(attributes))


def _type_of(category: str, reading: Reading) -> int:
    said = reading.agent_type(category)
    return int(agent_type(category) if said is None else said)


def _strings(values: list[str]) -> Strings:
    return np.array(values, np.str_)
