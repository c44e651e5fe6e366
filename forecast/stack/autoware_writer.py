"""Writes Autoware's PredictedObjects or TrackedObjects into a bag: MCAP, or bag2 of SQLite."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from forecast.core.errors import SubmissionError
from forecast.core.frames import rotate
from forecast.stack.autoware_types import LABELS, PACKAGES, type_name, typestore
from forecast.stack.bag_writer import PER_S, nanoseconds, written_bag
from forecast.stack.stack_message import PredictedPath, StackMessage, StackObject, headings_along

#: Topics that Autoware uses for them.
TOPICS = {
    "PredictedObjects": "/perception/object_recognition/objects",
    "TrackedObjects": "/perception/object_recognition/tracking/objects",
}
#: At most so many points a path and paths an object, as the older package declares.
_MOST_POINTS = _MOST_PATHS = 100
#: Leads that stray by more than this from whole steps are not even, seconds.
_EVEN_S = 1e-4
_NAMESPACE = uuid.UUID("6f1f3f0a-2a9b-5c57-9c1e-1f0c6f2b7a10")


class AutowareMessages:
    """Makes messages of one package.

    Args:
        package: one of :data:`~forecast.stack.autoware_types.PACKAGES`.
        frame: name of the fixed frame.

    Raises:
        MissingExtraError: rosbags is not installed.
    """

    def __init__(self, package: str = PACKAGES[0], frame: str = "map") -> None:
        self.package, self.frame, self.store = package, frame, typestore()
        #: Names of tracks that were no UUIDs, and what stands for them.
        self.renamed: dict[str, str] = {}

    def message(self, message: StackMessage, name: str) -> Any:
        """A message as ``rosbags`` holds it: ``PredictedObjects`` or ``TrackedObjects``.

        Raises:
            SubmissionError: the format cannot hold a path.
        """
        whole_s, rest = divmod(nanoseconds(message.time_s), PER_S)
        stamp = self._new("builtin_interfaces/msg/Time", whole_s, rest)
        header = self._new("std_msgs/msg/Header", stamp, self.frame)
        objects = [self._object(one, name, message.where) for one in message.objects]
        return self._new(type_name(self.package, name), header, objects)

    def serialized(self, message: StackMessage, name: str) -> bytes:
        """A message as CDR."""
        return bytes(self.store.serialize_cdr(self.message(message, name), type_name(self.package, name)))

    def _new(self, type_of: str, *fields: Any) -> Any:
        return self.store.types[type_of](*fields)

    def _object(self, one: StackObject, name: str, where: str) -> Any:
        kind = self._new(type_name(self.package, "ObjectClassification"), LABELS[one.kind], 1.0)
        pose = self._pose(one.position_m, one.heading_rad)
        with_covariance = self._new("geometry_msgs/msg/PoseWithCovariance", pose, np.zeros(36))
        forward, left = rotate(np.array(one.velocity_mps), np.array(-one.heading_rad)).tolist()
        twist = self._new("geometry_msgs/msg/Twist", self._vector(forward, left), self._vector())
        moving = self._new("geometry_msgs/msg/TwistWithCovariance", twist, np.zeros(36))
        still = self._new("geometry_msgs/msg/Accel", self._vector(), self._vector())
        pushed = self._new("geometry_msgs/msg/AccelWithCovariance", still, np.zeros(36))
        if name == "PredictedObjects":
            if len(one.paths) > _MOST_PATHS:
                raise SubmissionError(f"{where}: object {one.track} has {len(one.paths)} paths; the format holds 100")
            paths = [self._path(path, one, where) for path in one.paths]
            parts: tuple[Any, ...] = (with_covariance, moving, pushed, paths)
        else:
            parts = (with_covariance, moving, pushed, 2, float(np.hypot(*one.velocity_mps)) < 1e-3)
        kinematics = self._new(type_name(self.package, f"{name[:-1]}Kinematics"), *parts)
        shape = self._new(
            type_name(self.package, "Shape"), 0, self._new("geometry_msgs/msg/Polygon", []), self._vector(*one.size_m)
        )
        identity = self._new("unique_identifier_msgs/msg/UUID", np.frombuffer(self._uuid(one.track), dtype=np.uint8))
        return self._new(type_name(self.package, name[:-1]), identity, 1.0, [kind], kinematics, shape)

    def _uuid(self, track: str) -> bytes:
        try:
            return uuid.UUID(track).bytes
        except ValueError:
            made = uuid.uuid5(_NAMESPACE, track)
            self.renamed[track] = str(made)
            return made.bytes

    def _path(self, path: PredictedPath, one: StackObject, where: str) -> Any:
        """A path with where the object is now before it.

        Raises:
            SubmissionError: its points are not even in time, or too many.
        """
        step_s = float(path.lead_s[0])
        stray_s = np.abs(path.lead_s - step_s * np.arange(1, len(path.lead_s) + 1)).max()
        if stray_s > _EVEN_S:
            raise SubmissionError(
                f"{where}: object {one.track} has a path with points at {_listed(path.lead_s)} s; the format holds "
                "even steps from the present on: interpolate"
            )
        if len(path.lead_s) >= _MOST_POINTS:
            raise SubmissionError(f"{where}: object {one.track} has a path of {len(path.lead_s)} points; it holds 99")
        points = np.concatenate([[one.position_m], path.positions_m])
        headings = np.concatenate(
            [[one.heading_rad], headings_along(one.position_m, one.heading_rad, path.positions_m)]
        )
        poses = [self._pose(point, heading) for point, heading in zip(points.tolist(), headings.tolist(), strict=True)]
        whole_s, rest = divmod(nanoseconds(step_s), PER_S)
        step = self._new("builtin_interfaces/msg/Duration", whole_s, rest)
        return self._new(type_name(self.package, "PredictedPath"), poses, step, path.probability)

    def _pose(self, position_m: Any, heading_rad: float) -> Any:
        point = self._new("geometry_msgs/msg/Point", float(position_m[0]), float(position_m[1]), 0.0)
        half = heading_rad / 2
        turn = self._new("geometry_msgs/msg/Quaternion", 0.0, 0.0, float(np.sin(half)), float(np.cos(half)))
        return self._new("geometry_msgs/msg/Pose", point, turn)

    def _vector(self, x: float = 0.0, y: float = 0.0) -> Any:
        return self._new("geometry_msgs/msg/Vector3", float(x), float(y), 0.0)


def _listed(lead_s: Any) -> str:
    return ", ".join(f"{lead:g}" for lead in lead_s.tolist()[:4]) + (", …" if len(lead_s) > 4 else "")


def write_bag(
    path: Path | str,
    messages: Iterable[StackMessage],
    *,
    name: str = "PredictedObjects",
    package: str = PACKAGES[0],
    topic: str | None = None,
) -> dict[str, str]:
    """Write messages; the bag appears whole or not at all.

    Args:
        path: an ``.mcap`` file to write, or a folder for a bag2 with its ``metadata.yaml``.
        messages: in the order of their times.
        name: ``PredictedObjects`` or ``TrackedObjects``.
        package: of the messages.
        topic: default: Autoware's own.

    Returns:
        names of tracks that are no UUIDs → the UUIDs that stand for them.

    Raises:
        MissingExtraError: rosbags is not installed.
        SubmissionError: nothing to write, or something that the format cannot hold.
    """
    makes, type_of = AutowareMessages(package), type_name(package, name)
    serialized = ((message.time_s, makes.serialized(message, name)) for message in messages)
    written_bag(path, topic or TOPICS[name], type_of, makes.store, serialized)
    return makes.renamed
