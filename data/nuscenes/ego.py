"""The ego vehicle's own track: one pose for each key frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import DataError, one_of
from forecast.data.nuscenes.annotations import Boxes, check_pose, yaw_of
from forecast.data.nuscenes.json_rows import stream_rows
from forecast.data.nuscenes.nuscenes_tables import CalibratedSensor, EgoPose, SampleData, Sensor, read_table, table_path

#: The sensor whose key frames set the time stamps of the samples, so that its poses are those of the samples.
EGO_CHANNEL = "LIDAR_TOP"

#: Length and width of the recording car, a Renault Zoe, metres.
EGO_SIZE_M = (4.084, 1.73)

#: As published for that car, metres; they add up to its length. Wheelbase and length are certain, how the rest is
#: shared between front and rear to a few centimetres.
_WHEELBASE_M, _FRONT_OVERHANG_M, _REAR_OVERHANG_M = 2.588, 0.839, 0.657

#: From the middle of the rear axle on the ground, where the ego's poses are (issues 108 and 161 of nuscenes-devkit), to
#: the centre of the car's outline, metres: half way between its front end and its rear end.
EGO_CENTRE_AHEAD_M = (_WHEELBASE_M + _FRONT_OVERHANG_M - _REAR_OVERHANG_M) / 2


def read_ego(folder: Path, samples: Mapping[str, int], channel: str | None = None) -> tuple[Boxes, str]:
    """Read the ego's box at every key frame; ``track`` is 0 throughout: the caller knows the scenes.

    Of millions of sensor readings and poses only those of one sensor's key frames are kept, at no time all at once.

    Args:
        folder: the version's folder.
        samples: token → index.
        channel: the sensor; by default :data:`EGO_CHANNEL`, or where that has no key frames, the one that covers most
            of them. Another sensor's poses are right to within a frame's time.

    Returns:
        The boxes, and the channel taken; ``""`` where no sensor has key frames.

    Raises:
        DataError: a table is damaged, or refers to a pose that does not exist, or there is no such channel.
    """
    sensors = _channels(folder)
    if channel is not None and channel not in sensors.values():
        path = table_path(folder, "sensor")
        raise DataError(f"{path}: no channel {channel!r} for the ego's poses; {one_of(set(sensors.values()), channel)}")
    taken = EGO_CHANNEL if channel is None else channel
    wanted = _key_frame_poses(folder, samples, sensors, taken)
    if not wanted and channel is None:
        taken = _fullest_channel(folder, samples, sensors)
        wanted = _key_frame_poses(folder, samples, sensors, taken)
    path = table_path(folder, "ego_pose")
    sample: list[int] = []
    poses: list[tuple[float, ...]] = []
    seen: set[str] = set()
    for first, rows in stream_rows(path, EgoPose):
        for number, row in enumerate(rows, first):
            if row.token not in wanted:
                continue
            if row.token in seen:
                raise DataError(f"{path}: entry {number} repeats the token {row.token}")
            seen.add(row.token)
            numbers = np.array([row.translation + row.rotation])
            check_pose(path, number, numbers[:, :3], numbers[:, 3:])
            for index in wanted[row.token]:
                sample.append(index)
                poses.append(row.translation + row.rotation)
    missing = wanted.keys() - seen
    if missing:
        token = min(missing)
        raise DataError(f"{path}: no pose {token}, which sample_data.json refers to ({len(missing)} missing)")
    return _boxes(np.array(sample, np.int64), np.array(poses, np.float64).reshape(-1, 7)), taken


def _boxes(sample: NDArray[np.int64], poses: NDArray[np.float64]) -> Boxes:
    count = len(sample)
    heading = yaw_of(poses[:, 3:])
    ahead = EGO_CENTRE_AHEAD_M * np.stack([np.cos(heading), np.sin(heading)], -1)
    size = np.broadcast_to(np.array(EGO_SIZE_M, np.float32), (count, 2))
    none = np.full(count, -1, np.int16)
    return Boxes(np.zeros(count, np.int64), sample, poses[:, :2] + ahead, heading, size, none)


def _channels(folder: Path) -> dict[str, str]:
    """Token of a calibrated sensor → its channel."""
    channels = {row.token: row.channel for row in read_table(folder, "sensor", Sensor)}
    return {
        row.token: channels[row.sensor_token]
        for row in read_table(folder, "calibrated_sensor", CalibratedSensor)
        if row.sensor_token in channels
    }


def _fullest_channel(folder: Path, samples: Mapping[str, int], sensors: Mapping[str, str]) -> str:
    """The channel with readings at most key frames, among equals a lidar; ``""`` where none has any."""
    covered = {channel: np.zeros(len(samples), np.bool_) for channel in sorted(set(sensors.values()))}
    for _, rows in stream_rows(table_path(folder, "sample_data"), SampleData):
        for row in rows:
            if row.is_key_frame and row.calibrated_sensor_token in sensors and row.sample_token in samples:
                covered[sensors[row.calibrated_sensor_token]][samples[row.sample_token]] = True
    count = {channel: int(at.sum()) for channel, at in covered.items() if at.any()}
    return max(count, key=lambda channel: (count[channel], "LIDAR" in channel.upper()), default="")


def _key_frame_poses(
    folder: Path, samples: Mapping[str, int], sensors: Mapping[str, str], channel: str
) -> dict[str, list[int]]:
    """Pose token → key frames at which the channel was read there."""
    path = table_path(folder, "sample_data")
    wanted: dict[str, list[int]] = {}
    covered: dict[int, int] = {}
    for first, rows in stream_rows(path, SampleData):
        for number, row in enumerate(rows, first):
            if not row.is_key_frame or sensors.get(row.calibrated_sensor_token) != channel:
                continue
            index = samples.get(row.sample_token)
            if index is None:
                raise DataError(f"{path}: entry {number}: sample_token {row.sample_token!r} is not in sample.json")
            if covered.setdefault(index, number) != number:
                raise DataError(f"{path}: entries {covered[index]} and {number} are both {channel} of one sample")
            wanted.setdefault(row.ego_pose_token, []).append(index)
    return wanted
