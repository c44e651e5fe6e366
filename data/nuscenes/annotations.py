"""Reads the annotated boxes, a million at a time if need be, into unsorted arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import DataError
from forecast.data.nuscenes.json_rows import stream_rows
from forecast.data.nuscenes.nuscenes_tables import Annotation, resolve, table_path


@dataclass(frozen=True)
class Boxes:
    """Boxes in the order of their file.

    Attributes:
        track: (boxes,) int64 index of the instance.
        sample: (boxes,) int64 index of the key frame.
        position_m: (boxes, 2) float64 x, y of the centre, world frame.
        heading_rad: (boxes,) float64.
        size_m: (boxes, 2) float32 length, width.
        attribute: (boxes,) int16, −1 for none.
    """

    track: NDArray[np.int64]
    sample: NDArray[np.int64]
    position_m: NDArray[np.float64]
    heading_rad: NDArray[np.float64]
    size_m: NDArray[np.float32]
    attribute: NDArray[np.int16]


def yaw_of(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Direction of the rotated x axis in the ground plane.

    Args:
        rotation: (..., 4) quaternions w, x, y, z of any length but 0.

    Returns:
        (...) radians; equal to the devkit's ``quaternion_yaw``.
    """
    w, x, y, z = np.moveaxis(rotation, -1, 0)
    yaw: NDArray[np.float64] = np.arctan2(2 * (w * z + x * y), w * w + x * x - y * y - z * z)
    return yaw


def check_pose(path: Path, first: int, position: NDArray[np.float64], rotation: NDArray[np.float64]) -> None:
    """Refuse positions that are not finite and rotations that are none.

    Raises:
        DataError: naming the first such entry; ``first`` is the number of the arrays' first entry.
    """
    wrong = ~np.isfinite(position).all(-1)
    if wrong.any():
        raise DataError(f"{path}: entry {first + int(wrong.argmax())}: the translation or size is not finite")
    length = np.linalg.norm(rotation, axis=-1)
    wrong = ~np.isfinite(length) | (length < 1e-6)
    if wrong.any():
        raise DataError(f"{path}: entry {first + int(wrong.argmax())}: the rotation is no quaternion of a rotation")


def read_boxes(
    folder: Path, instances: Mapping[str, int], samples: Mapping[str, int], attributes: Mapping[str, int]
) -> Boxes:
    """Read ``sample_annotation``.

    Args:
        folder: the version's folder.
        instances, samples, attributes: token → index.

    Raises:
        DataError: the table is damaged, refers to rows that do not exist, repeats a token, or holds positions that
            are not finite.
    """
    path = table_path(folder, "sample_annotation")
    pieces = [_box_arrays(path, 0, [], instances, samples, attributes)]  # an empty table has columns too
    hashes: list[NDArray[np.int64]] = []
    for first, rows in stream_rows(path, Annotation):
        hashes.append(np.fromiter((hash(row.token) for row in rows), np.int64, len(rows)))
        pieces.append(_box_arrays(path, first, rows, instances, samples, attributes))
    _refuse_repeated_tokens(path, hashes)
    return joined(pieces)


def joined(parts: Sequence[Boxes]) -> Boxes:
    """All boxes, one part after the other."""
    return Boxes(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Boxes)}
    )


def _box_arrays(
    path: Path,
    first: int,
    rows: list[Annotation],
    instances: Mapping[str, int],
    samples: Mapping[str, int],
    attributes: Mapping[str, int],
) -> Boxes:
    count = len(rows)
    position = np.array([row.translation for row in rows], np.float64).reshape(count, 3)
    size = np.array([row.size for row in rows], np.float32).reshape(count, 3)
    rotation = np.array([row.rotation for row in rows], np.float64).reshape(count, 4)
    check_pose(path, first, np.concatenate([position, size], 1), rotation)
    track = np.fromiter((instances.get(row.instance_token, -1) for row in rows), np.int64, count)
    sample = np.fromiter((samples.get(row.sample_token, -1) for row in rows), np.int64, count)
    attribute = np.fromiter(
        (attributes.get(row.attribute_tokens[0], -1) if row.attribute_tokens else -1 for row in rows), np.int16, count
    )
    for number in np.flatnonzero((track < 0) | (sample < 0))[:1]:
        where, row = f"{path}: entry {first + number} (token {rows[number].token})", rows[number]
        resolve(instances, row.instance_token, where=where, field="instance_token", target="instance")
        resolve(samples, row.sample_token, where=where, field="sample_token", target="sample")
    return Boxes(track, sample, position[:, :2], yaw_of(rotation), size[:, 1::-1], attribute)


def _refuse_repeated_tokens(path: Path, hashes: list[NDArray[np.int64]]) -> None:
    """Hashes of 64 bits stand for the tokens, which would take hundreds of megabytes."""
    tokens = np.concatenate(hashes) if hashes else np.empty(0, np.int64)
    order = np.argsort(tokens, kind="stable")
    repeated = np.flatnonzero(tokens[order][1:] == tokens[order][:-1])
    if len(repeated):
        one, other = order[repeated[0]], order[repeated[0] + 1]
        raise DataError(f"{path}: entries {one} and {other} have the same token")
