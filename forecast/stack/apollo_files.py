"""Reads and writes Apollo's PredictionObstacles: one message a file, protobuf text or binary; a folder is a log.

An obstacle was where it is at its own time stamp, and its paths count from then; where that is missing or on another
clock, from the header's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import SubmissionError
from forecast.core.extras import optional_module
from forecast.core.files import folder_beside
from forecast.stack.apollo_types import KINDS, NUMBERS, prediction_obstacles
from forecast.stack.stack_message import PredictedPath, StackMessage, StackObject, headings_along

Floats = NDArray[np.float64]

TEXT, BINARY = (".pb.txt", ".prototxt"), (".pb", ".pb.bin")
#: An obstacle's own time stamp is on another clock if it is further from the header's, seconds.
_SAME_CLOCK_S = 1.0
#: Ids are int32.
_LARGEST_ID = 2**31 - 1


def is_apollo(path: Path) -> bool:
    """Whether a name is that of a message of Apollo's, or a folder of them."""
    if path.is_dir():
        return any(is_apollo(one) for one in path.iterdir() if one.is_file())
    return path.name.lower().endswith((*TEXT, *BINARY))


class ApolloLog:
    """A message, or a folder of messages.

    Args:
        path: file or folder.

    Raises:
        MissingExtraError: protobuf is not installed.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        prediction_obstacles()

    def predicted(self) -> Iterator[StackMessage]:
        """All messages, in the order of their times.

        Raises:
            SubmissionError: in one line, which file and what is wrong.
        """
        read = [(_read(file), file) for file in self._files()]
        for message, file in sorted(read, key=lambda pair: pair[0].header.timestamp_sec):
            time_s = message.header.timestamp_sec
            objects = tuple(_object(one, time_s, str(file)) for one in message.prediction_obstacle)
            yield StackMessage(time_s, str(file), objects)

    def tracked(self) -> Iterator[StackMessage]:
        """The same messages: each obstacle says where it is."""
        return self.predicted()

    def _files(self) -> list[Path]:
        if not self.path.exists():
            raise SubmissionError(f"{self.path}: no such file or folder")
        if self.path.is_file():
            return [self.path]
        return sorted(one for one in self.path.iterdir() if one.is_file() and is_apollo(one))


def _read(file: Path) -> Any:
    message = prediction_obstacles()()
    data = file.read_bytes()
    try:
        if file.name.lower().endswith(TEXT):
            text_format = optional_module("google.protobuf.text_format", "apollo")
            text_format.Parse(data.decode("utf-8-sig"), message, allow_unknown_field=True)
        else:
            message.ParseFromString(data)
    except Exception as fault:  # protobuf has several kinds, and text its own
        detail = " ".join(str(fault).split())[:160]
        raise SubmissionError(f"{file}: is no PredictionObstacles message, or is cut off ({detail})") from fault
    if not message.header.HasField("timestamp_sec"):
        raise SubmissionError(f"{file}: its header has no timestamp_sec; expected the time that its points count from")
    return message


def _object(message: Any, time_s: float, where: str) -> StackObject:
    seen = message.perception_obstacle
    if not seen.HasField("id") or not seen.HasField("position"):
        raise SubmissionError(f"{where}: an obstacle has no id or no position; expected both")
    return StackObject(
        str(seen.id),
        (seen.position.x, seen.position.y),
        seen.theta,
        (seen.velocity.x, seen.velocity.y),
        (seen.length, seen.width),
        KINDS.get(seen.type, "unknown"),
        tuple(path for one in message.trajectory if (path := _path(one)) is not None),
        # The first point of a path lies where the obstacle was seen, and that is older than the message.
        seen.timestamp if 0 < abs(time_s - seen.timestamp) <= _SAME_CLOCK_S else None,
    )


def _path(message: Any) -> PredictedPath | None:
    """The points of a trajectory that lie ahead; None where there are none."""
    lead_s = np.array([point.relative_time for point in message.trajectory_point], dtype=np.float64)
    points = np.array([(point.path_point.x, point.path_point.y) for point in message.trajectory_point]).reshape(-1, 2)
    ahead = lead_s > 1e-6
    return PredictedPath(message.probability, lead_s[ahead], points[ahead]) if ahead.any() else None


def write_apollo(path: Path | str, messages: Iterable[StackMessage]) -> tuple[Path, dict[str, str]]:
    """Write messages: one into a file, many into a folder of numbered files, which appears whole or not at all.

    Args:
        path: ``.pb.txt`` (text) or ``.pb`` (binary); several messages make a folder called as it, without the ending.
        messages: in the order of their times.

    Returns:
        the file or folder; and names of tracks that are no whole numbers → the ids that stand for them.

    Raises:
        MissingExtraError: protobuf is not installed.
        SubmissionError: nothing to write, or there is a folder of that name.
    """
    path, made = Path(path), _Ids()
    text = path.name.lower().endswith(TEXT)
    ending = ".pb.txt" if text else ".pb"
    with folder_beside(path) as hidden:
        for number, message in enumerate(messages):
            data = _written(message, number, made)
            if text:
                text_format = optional_module("google.protobuf.text_format", "apollo")
                (hidden / f"{number:06d}{ending}").write_text(text_format.MessageToString(data), encoding="utf-8")
            else:
                (hidden / f"{number:06d}{ending}").write_bytes(data.SerializeToString())
        files = sorted(hidden.iterdir())
        if not files:
            raise SubmissionError(f"{path}: nothing to write; expected at least one message")
        if len(files) == 1:
            files[0].replace(path)
        else:
            path = path.with_name(path.name[: -len(ending)]) if path.name.lower().endswith(ending) else path
            if path.exists():
                raise SubmissionError(f"{path}: exists; {len(files)} messages make a folder, choose a new name")
            hidden.replace(path)
    return path, made.renamed


class _Ids:
    """Whole numbers for tracks."""

    def __init__(self) -> None:
        self.renamed: dict[str, str] = {}

    def of(self, track: str) -> int:
        """The id of a track: its name, or the next number where that is none."""
        if track.isascii() and track.isdigit() and str(int(track)) == track and int(track) <= _LARGEST_ID:
            return int(track)
        # From the top, so that they do not meet ids that are names.
        return int(self.renamed.setdefault(track, str(_LARGEST_ID - len(self.renamed))))


def _written(message: StackMessage, number: int, ids: _Ids) -> Any:
    made = prediction_obstacles()()
    made.header.timestamp_sec, made.header.module_name = message.time_s, "prediction"
    made.header.sequence_num = number
    for one in message.objects:
        obstacle = made.prediction_obstacle.add()
        seen = obstacle.perception_obstacle
        time_s = one.time_s(message.time_s)
        seen.id, seen.theta, seen.timestamp = ids.of(one.track), one.heading_rad, time_s
        seen.position.x, seen.position.y, seen.position.z = *one.position_m, 0.0
        seen.velocity.x, seen.velocity.y, seen.velocity.z = *one.velocity_mps, 0.0
        seen.length, seen.width = one.size_m
        seen.type = NUMBERS[one.kind]
        obstacle.timestamp = time_s
        obstacle.predicted_period = max((float(path.lead_s[-1]) for path in one.paths), default=0.0)
        for path in one.paths:
            trajectory = obstacle.trajectory.add(probability=path.probability)
            _add_points(trajectory, one, path)
    return made


def _add_points(trajectory: Any, one: StackObject, path: PredictedPath) -> None:
    points = np.concatenate([[one.position_m], path.positions_m])
    times = np.concatenate([[0.0], path.lead_s])
    away = np.diff(points, axis=0)
    theta = [one.heading_rad, *headings_along(one.position_m, one.heading_rad, path.positions_m).tolist()]
    speed = np.hypot(*away.T) / np.diff(times)
    speeds = np.concatenate([speed[:1], speed]).tolist()
    for (x, y), time_s, heading, v in zip(points.tolist(), times.tolist(), theta, speeds, strict=True):
        point = trajectory.trajectory_point.add(v=v, relative_time=time_s)
        point.path_point.x, point.path_point.y, point.path_point.z, point.path_point.theta = x, y, 0.0, heading
