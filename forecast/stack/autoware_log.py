"""Reads Autoware's PredictedObjects and TrackedObjects from a bag: MCAP or bag2, either message package."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import DataWarning, SubmissionError
from forecast.core.extras import optional_module
from forecast.core.frames import rotate
from forecast.stack.autoware_types import KINDS, PACKAGES, type_name, typestore
from forecast.stack.stack_message import PredictedPath, StackMessage, StackObject

Floats = NDArray[np.float64]

#: What the names of frames that move with the vehicle hold.
_MOVING = ("base_link", "footprint", "sensor", "lidar", "velodyne", "livox", "camera", "radar")


class AutowareLog:
    """A bag.

    Args:
        path: an ``.mcap`` file, or the folder of a bag with its ``metadata.yaml`` (or the ``.db3`` in it).
        topic: that is meant, where the bag has several of a type.

    Raises:
        MissingExtraError: rosbags is not installed.
    """

    def __init__(self, path: Path | str, topic: str | None = None) -> None:
        self.path, self._topic = Path(path), topic
        optional_module("rosbags.highlevel", "ros")

    def predicted(self) -> Iterator[StackMessage]:
        """The messages of PredictedObjects.

        Raises:
            SubmissionError: in one line, what is wrong with the bag.
        """
        return self._messages("PredictedObjects")

    def tracked(self) -> Iterator[StackMessage]:
        """The messages of TrackedObjects; where there are none those of PredictedObjects, which say who is where.

        Raises:
            SubmissionError: in one line, what is wrong with the bag.
        """
        with self._open() as reader:
            names = {type_name(package, "TrackedObjects") for package in PACKAGES}
            tracked = any(one.msgtype in names for one in reader.connections)
        return self._messages("TrackedObjects" if tracked else "PredictedObjects")

    @contextmanager
    def _open(self) -> Iterator[Any]:
        highlevel = optional_module("rosbags.highlevel", "ros")
        place = self.path.parent if self.path.suffix == ".db3" else self.path
        if not place.exists():
            raise SubmissionError(f"{self.path}: no such file or folder")
        try:
            reader = highlevel.AnyReader([place], default_typestore=typestore())
            reader.open()
        except Exception as fault:  # rosbags raises many kinds
            raise SubmissionError(
                f"{self.path}: cannot be opened as a bag ({_one_line(fault)}); one that was cut off is mended with "
                f"'mcap recover' or 'ros2 bag reindex'"
            ) from fault
        try:
            yield reader
        finally:
            reader.close()

    def _messages(self, name: str) -> Iterator[StackMessage]:
        with self._open() as reader:
            connections = self._connections(reader, name)
            frame = None
            for number, (connection, _, raw) in enumerate(self._raw(reader, connections)):
                where = f"{self.path}, message {number} of {connection.topic}"
                try:
                    message = reader.deserialize(raw, connection.msgtype)
                except Exception as fault:
                    raise SubmissionError(f"{where}: cannot be read ({_one_line(fault)})") from fault
                frame = _same_frame(frame, message.header.frame_id, where)
                time_s = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
                yield StackMessage(time_s, where, tuple(_object(one, where) for one in message.objects))

    def _raw(self, reader: Any, connections: list[Any]) -> Iterator[tuple[Any, int, bytes]]:
        stream = reader.messages(connections=connections)
        while True:
            try:
                found = next(stream)
            except StopIteration:
                return
            except Exception as fault:
                raise SubmissionError(
                    f"{self.path}: is damaged or cut off ({_one_line(fault)}); try 'mcap recover' or 'ros2 bag reindex'"
                ) from fault
            yield found

    def _connections(self, reader: Any, name: str) -> list[Any]:
        """Those of one type, of one topic.

        Raises:
            SubmissionError: there are none, or several topics.
        """
        types = [type_name(package, name) for package in PACKAGES]
        fitting = [one for one in reader.connections if one.msgtype in types]
        if not fitting:
            there = ", ".join(sorted({f"{one.topic} ({one.msgtype})" for one in reader.connections})) or "nothing"
            raise SubmissionError(f"{self.path}: holds no {name} of {' or '.join(PACKAGES)}; holds {there}")
        topics = sorted({one.topic for one in fitting})
        if self._topic is not None:
            fitting = [one for one in fitting if one.topic == self._topic]
            if not fitting:
                raise SubmissionError(f"{self.path}: topic {self._topic} has no {name}; {', '.join(topics)} has")
            return fitting
        if len(topics) > 1:
            raise SubmissionError(f"{self.path}: {name} are on {', '.join(topics)}; say which with --topic")
        return fitting


def _one_line(fault: Exception) -> str:
    return " ".join(str(fault).split())[:200] or type(fault).__name__


def _same_frame(before: str | None, frame: str, where: str) -> str:
    """The frame of all messages.

    Raises:
        SubmissionError: it moves with the vehicle, or is another one than before.
    """
    if any(part in frame.lower().rpartition("/")[2] for part in _MOVING):
        raise SubmissionError(
            f"{where}: positions are in frame '{frame}', which moves with the vehicle; expected a fixed one, such as "
            "'map'"
        )
    if not frame and before is None:
        warnings.warn(f"{where}: does not name its frame; taken for a fixed one", DataWarning, stacklevel=2)
    if before is not None and frame != before:
        raise SubmissionError(f"{where}: positions are in frame '{frame}', before in '{before}'; expected one frame")
    return frame


def _object(message: Any, where: str) -> StackObject:
    kinematics = message.kinematics
    predicted = hasattr(kinematics, "predicted_paths")
    pose = (kinematics.initial_pose_with_covariance if predicted else kinematics.pose_with_covariance).pose
    twist = (kinematics.initial_twist_with_covariance if predicted else kinematics.twist_with_covariance).twist
    track = str(uuid.UUID(bytes=bytes(message.object_id.uuid)))
    heading = _yaw_rad(pose.orientation)
    # A twist is in the object's own frame.
    velocity = rotate(np.array([twist.linear.x, twist.linear.y]), np.array(heading))
    label = max(message.classification, key=lambda one: one.probability).label if message.classification else 0
    paths = kinematics.predicted_paths if predicted else ()
    return StackObject(
        track,
        (pose.position.x, pose.position.y),
        heading,
        (float(velocity[0]), float(velocity[1])),
        (message.shape.dimensions.x, message.shape.dimensions.y),
        KINDS.get(label, "unknown"),
        tuple(path for one in paths if (path := _path(one, track, where)) is not None),
    )


def _path(message: Any, track: str, where: str) -> PredictedPath | None:
    """A path without its first pose, which is now; None where it has no other.

    Raises:
        SubmissionError: its points have no time.
    """
    points = np.array([(pose.position.x, pose.position.y) for pose in message.path[1:]], dtype=np.float64).reshape(
        -1, 2
    )
    if not len(points):
        return None
    step_s = message.time_step.sec + message.time_step.nanosec * 1e-9
    if step_s <= 0:
        raise SubmissionError(
            f"{where}: object {track} has a path whose time step is {step_s:g} s; expected more than 0"
        )
    return PredictedPath(float(message.confidence), step_s * np.arange(1, len(points) + 1), points)


def _yaw_rad(q: Any) -> float:
    return float(np.arctan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z)))
