"""Forecast with an exported file on ONNX Runtime and NumPy alone: no torch, nothing of this package.

    forecast export --checkpoint RUN --out model.onnx
    python examples/onnx_numpy.py model.onnx

Three cars and a pedestrian near a crossroads. What the network reads is made here from tracks in the world frame and
from a map that is a function; the file's metadata says in what form.
"""

import itertools
import json
import sys

import numpy as np
import onnxruntime

MAX_GAP_S = 1.5  # two observations further apart say nothing about a rate
PADDING, VEHICLE, PEDESTRIAN = -1, 0, 1
REACH_M = {VEHICLE: 30.0, PEDESTRIAN: 20.0}  # who counts as a neighbour of a vehicle


def states_world(times_s, track):
    """Position, velocity, acceleration, heading and yaw rate of a track (rows, 3): x, y, heading; NaN where unseen."""
    states = np.zeros((len(track), 8))
    velocity = np.full((len(track), 2), np.nan)
    seen = np.flatnonzero(np.isfinite(track).all(1))
    states[seen, 0:2], states[seen, 6] = track[seen, :2], track[seen, 2]
    for before, now in itertools.pairwise(seen):
        elapsed_s = times_s[now] - times_s[before]
        if elapsed_s <= MAX_GAP_S:
            velocity[now] = (track[now, :2] - track[before, :2]) / elapsed_s
            states[now, 2:4] = velocity[now]
            states[now, 4:6] = np.nan_to_num((velocity[now] - velocity[before]) / elapsed_s)
            states[now, 7] = wrapped(track[now, 2] - track[before, 2]) / elapsed_s
    return states, np.isin(np.arange(len(track)), seen)


def wrapped(angle_rad):
    """Angles in [-π, π)."""
    return (angle_rad + np.pi) % (2 * np.pi) - np.pi


def in_frame_of(pose, states, valid):
    """States of any shape (..., 8) as an agent at ``pose`` (x, y, heading) sees them; 0 where not valid."""
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    seen = states.copy()
    seen[..., :2] -= pose[:2]
    for x in (0, 2, 4):
        seen[..., x], seen[..., x + 1] = (
            cos * seen[..., x] + sin * seen[..., x + 1],
            cos * seen[..., x + 1] - sin * seen[..., x],
        )
    seen[..., 6] = wrapped(seen[..., 6] - pose[2])
    return np.where(valid[..., None], seen, 0.0).astype(np.float32)


def crop(pose, layers, spec, samples=3):
    """The map around a pose as the network reads it: how much of each pixel is covered, (layers, rows, columns)."""
    _, height, width = spec["shape"]
    x = (np.arange(height * samples) + 0.5) / samples / spec["px_per_m"] - spec["behind_m"]
    y = (np.arange(width * samples) + 0.5) / samples / spec["px_per_m"] - spec["right_m"]
    x, y = np.meshgrid(x, y, indexing="ij")
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    at = pose[0] + cos * x - sin * y, pose[1] + sin * x + cos * y
    covered = np.zeros((len(spec["channels"]), *x.shape), np.float32)
    for channel, names in zip(covered, spec["channels"], strict=True):
        for name in set(names) & set(layers):
            np.maximum(channel, layers[name](*at), out=channel)
    blocks = covered.reshape(-1, height, samples, width, samples)
    return blocks.mean((2, 4))


def network_inputs(times_s, tracks, types, layers, metadata):
    """All arrays for all vehicles among the tracks, and which these are."""
    rows = metadata["steps"]["history_rows"]
    states, valid = (np.stack(part) for part in zip(*(states_world(times_s, track) for track in tracks), strict=True))
    states, valid, types = states[:, -rows:], valid[:, -rows:], np.asarray(types)
    targets = np.flatnonzero((types == VEHICLE) & valid[:, -1])
    poses = states[targets, -1][:, [0, 1, 6]]
    most = len(tracks) - 1
    arrays = {
        "history": np.stack([in_frame_of(pose, states[t], valid[t]) for pose, t in zip(poses, targets, strict=True)]),
        "history_valid": valid[targets],
        "neighbours": np.zeros((len(targets), most, rows, 8), np.float32),
        "neighbours_valid": np.zeros((len(targets), most, rows), bool),
        "neighbour_types": np.full((len(targets), most), PADDING, np.int64),
    }
    for row, (pose, target) in enumerate(zip(poses, targets, strict=True)):
        away_m = np.linalg.norm(states[:, -1, :2] - pose[:2], axis=1)
        near = valid[:, -1] & (away_m <= [REACH_M[kind] for kind in types]) & (np.arange(len(tracks)) != target)
        near = np.flatnonzero(near)
        arrays["neighbours"][row, : len(near)] = in_frame_of(pose, states[near], valid[near])
        arrays["neighbours_valid"][row, : len(near)] = valid[near]
        arrays["neighbour_types"][row, : len(near)] = types[near]
    if metadata["crop"] is not None:
        arrays["crop"] = np.stack([crop(pose, layers, metadata["crop"]) for pose in poses])
    return {name: arrays[name] for name in metadata["inputs"]}, targets, poses


def forecast(session, arrays, poses):
    """Positions of all modes in the world, (agents, modes, steps, 2), and the modes' probabilities."""
    positions, probabilities, *_ = session.run(None, arrays)
    cos, sin = (part[:, None, None] for part in (np.cos(poses[:, 2]), np.sin(poses[:, 2])))
    x, y = positions[..., 0].astype(float), positions[..., 1].astype(float)
    return np.stack([cos * x - sin * y, sin * x + cos * y], -1) + poses[:, None, None, :2], probabilities


def crossroads():
    """Layers of a map as functions of world x and y: two roads of 8 m that cross at (1000, 2000)."""

    def road(x, y):
        return (np.abs(x - 1000) <= 4) | (np.abs(y - 2000) <= 4)

    def middle(x, y):
        along_x = (np.abs(y - 2000) <= 0.3) & (np.abs(x - 1000) > 4)
        return along_x | ((np.abs(x - 1000) <= 0.3) & (np.abs(y - 2000) > 4))

    return {"drivable_area": road, "lane": road, "road_divider": middle}


def scene(times_s):
    """Tracks (x, y, heading) in the world, and their types: one car straight on, one new, one waiting; a pedestrian."""
    zero, ones = np.zeros_like(times_s), np.ones_like(times_s)
    eastward = np.stack([970 + 8 * times_s, 1998 * ones, zero], 1)
    northward = np.stack([1002 * ones, 1975 + 6 * times_s + 0.5 * times_s**2, np.pi / 2 * ones], 1)
    northward[:-2] = np.nan  # seen for half a second
    waiting = np.stack([1006 * ones, 2002 * ones, np.pi * ones], 1)
    walking = np.stack([1006 * ones, 1990 + 1.4 * times_s, np.pi / 2 * ones], 1)
    return [eastward, northward, waiting, walking], [VEHICLE, VEHICLE, VEHICLE, PEDESTRIAN]


def main(path):
    """Forecast the scene; one line an agent."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["cab-forecast"])
    step_s, steps = metadata["steps"]["step_s"], metadata["steps"]["future_steps"]
    times_s = np.arange(-5, 1) * step_s
    tracks, types = scene(times_s)
    arrays, targets, poses = network_inputs(times_s, tracks, types, crossroads(), metadata)
    if not len(targets):  # ONNX Runtime takes no batch of nobody
        return
    positions_m, probabilities = forecast(session, arrays, poses)
    for row, target in enumerate(targets):
        best = probabilities[row].argmax()
        x, y = positions_m[row, best, -1]
        print(
            f"agent {target}: at ({poses[row, 0]:.1f}, {poses[row, 1]:.1f}) m, in {steps * step_s:g} s most likely "
            f"({probabilities[row, best]:.0%}) at ({x:.1f}, {y:.1f}) m"
        )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python onnx_numpy.py model.onnx   ('forecast export' writes one)")
    main(sys.argv[1])
