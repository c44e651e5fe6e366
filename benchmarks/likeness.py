"""A synthetic town beside real driving: what vehicles do, what surrounds them, and how far physics forecasts them.

    forecast town --out TOWN
    python benchmarks/likeness.py --real NUSCENES [--real-split train] --town TOWN [--town-version v1.0-mini]

Counts every annotated vehicle (four wheels or more, without the ego) at every key frame with two earlier and twelve
later ones. Medians and 90 % quantiles are over those that come 2 m far in 6 s. Rates are backward differences of 0.5 s.
The exit status is 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from likeness_speeds import speeds, told
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.crops import CropSpec
from forecast.core.frames import wrap_angle
from forecast.core.horizon import NUSCENES_HORIZON
from forecast.data.cache import Dataset, open_dataset
from forecast.data.map_crops import cropper_for
from forecast.data.samples import dense_samples
from forecast.data.windows import NeighbourRule, neighbours, window
from forecast.prediction.key_frame_future import key_frame_future
from forecast.prediction.physics import PHYSICS_MODELS, kinematics, oracle_choice

Floats = NDArray[np.float64]

MOVED_M, TURN_DEG, NEAR_M, HALT_MPS, DRIVING_MPS = 2.0, 20.0, 30.0, 0.5, 2.0
PAST, FUTURE = 2, 12
CROPS = 2000


@dataclass(frozen=True)
class Likeness:
    """What was measured on one folder: values by quantity, over moving vehicle-samples; and shares of what they say."""

    samples: int
    values: dict[str, Floats]
    shares: dict[str, float]


def whole(dataset: Dataset, split: str | None = None) -> NDArray[np.int64]:
    """Rows of all vehicle-samples, of a split or of all scenes, whose past and future are annotated without a gap."""
    scenes = dataset.tracks.scene_names.tolist() if split is None else list(dataset.scenes_of(split))
    rows = dense_samples(dataset.columns, scenes, [AgentType.VEHICLE], ego=False).rows
    return rows[(window(dataset.columns, rows, PAST, FUTURE) >= 0).all(axis=1)]


def counted(dataset: Dataset, rows: NDArray[np.int64]) -> dict[str, Floats]:
    """Neighbours within 30 m of each target, the ego among the vehicles."""
    tracks = dataset.tracks
    target, _, row = neighbours(dataset.columns, rows, NeighbourRule(NEAR_M, NEAR_M, NEAR_M))
    kind, speed = tracks.track_types[tracks.row_track[row]], kinematics(tracks, row).speed_mps
    vehicle, walker = kind == AgentType.VEHICLE, kind == AgentType.PEDESTRIAN
    chosen = {
        "neighbours within 30 m": vehicle | walker | (kind == AgentType.CYCLIST),
        "… vehicles": vehicle,
        "… vehicles that move": vehicle & (speed > HALT_MPS),
        "… pedestrians": walker,
    }
    return {name: np.bincount(target[mask], minlength=len(rows)).astype(float) for name, mask in chosen.items()}


def turned_deg(dataset: Dataset, rows: NDArray[np.int64], future_m: Floats) -> Floats:
    """Change from the heading at time 0 to the direction of travel over the last second of the future."""
    travel = future_m[:, -1] - future_m[:, -3]
    change = np.arctan2(travel[:, 1], travel[:, 0]) - dataset.tracks.row_heading_rad[rows]
    # Who has come to a stop travels nowhere: the box then tells the direction.
    last = window(dataset.columns, rows, 0, FUTURE)[:, -1]
    boxes = dataset.tracks.row_heading_rad[last] - dataset.tracks.row_heading_rad[rows]
    halted = np.hypot(*travel.T) < HALT_MPS
    return np.asarray(np.abs(np.degrees(wrap_angle(np.where(halted, boxes, change)))))


def drivable_shares(dataset: Dataset, rows: NDArray[np.int64]) -> Floats:
    """Drivable share of the default crop, of a random choice of the targets."""
    rows = np.random.default_rng(0).choice(rows, min(CROPS, len(rows)), replace=False)
    tracks = dataset.tracks
    crop = cropper_for(dataset, CropSpec(channels=(("drivable_area",),)))
    pose = torch.from_numpy(np.c_[tracks.row_position_m[rows], tracks.row_heading_rad[rows]])
    maps = np.searchsorted(dataset.map_names, tracks.scene_maps[tracks.track_scene[tracks.row_track[rows]]])
    images = [crop(p, i) for p, i in zip(pose.split(256), torch.from_numpy(maps).split(256), strict=True)]
    return np.concatenate([(image > 0).double().mean(dim=(1, 2, 3)).numpy() for image in images])


def physics_errors(dataset: Dataset, rows: NDArray[np.int64], future_m: Floats) -> dict[str, Floats]:
    """Mean and final displacement of constant velocity and of the best of four physics models."""
    now = kinematics(dataset.tracks, rows)
    paths = {name: model(now, NUSCENES_HORIZON) for name, model in PHYSICS_MODELS.items()}
    stacked = np.stack(list(paths.values()), 1)
    best = stacked[np.arange(len(rows)), oracle_choice(stacked, future_m)]
    found = {}
    for name, path in (("constant velocity", paths["constant_velocity_heading"]), ("physics oracle", best)):
        error = np.linalg.norm(path - future_m, axis=-1)
        found[f"ADE of {name} [m]"], found[f"FDE of {name} [m]"] = error.mean(axis=1), error[:, -1]
    return found


def acceleration_tells(speed_mps: Floats, acceleration_mps2: Floats, future_m: Floats) -> float:
    """How much of the next 2 s' change of speed a line in the annotated acceleration explains (R²)."""
    later_mps = np.linalg.norm(future_m[:, 3] - future_m[:, 2], axis=-1) / NUSCENES_HORIZON.step_s
    known = np.isfinite(acceleration_mps2) & (speed_mps > DRIVING_MPS)
    return told(acceleration_mps2[known], (later_mps - speed_mps)[known])


def measure(dataroot: Path, version: str, split: str | None = None) -> Likeness:
    """Measure one folder, or one split of it."""
    dataset = open_dataset(dataroot, version)
    rows = whole(dataset, split)
    future_m = key_frame_future(dataset.tracks, rows, FUTURE)
    far_m = np.linalg.norm(future_m[:, -1] - dataset.tracks.row_position_m[rows], axis=-1)
    moving = far_m >= MOVED_M
    turning = turned_deg(dataset, rows, future_m) >= TURN_DEG
    shares = {
        "moving": moving.mean(),
        "standing": 1 - moving.mean(),
        "straight": (moving & ~turning).mean(),
        "turning": (moving & turning).mean(),
        "turning among moving": turning[moving].mean(),
    }
    crowd = counted(dataset, rows)
    rows, future_m = rows[moving], future_m[moving]
    now = kinematics(dataset.tracks, rows)
    values = {
        "speed [m/s]": now.speed_mps,
        "displacement over 6 s [m]": far_m[moving],
        "|acceleration| [m/s²]": np.abs(now.acceleration_mps2),
        "|yaw rate| [rad/s]": np.abs(now.yaw_rate_radps),
        **{name: count[moving] for name, count in crowd.items()},
        "drivable share of the crop": drivable_shares(dataset, rows),
        **physics_errors(dataset, rows, future_m),
    }
    shares["acceleration tells the speed in 2 s"] = acceleration_tells(now.speed_mps, now.acceleration_mps2, future_m)
    changes = speeds(dataset, rows)
    values |= changes.values
    shares |= changes.shares
    return Likeness(len(far_m), values, {name: float(share) for name, share in shares.items()})


#: Quantities with a bar: the largest ratio allowed, of medians and 90 % quantiles, or of means (errors).
QUANTILE_BARS = {"speed [m/s]": 1.5, "displacement over 6 s [m]": 1.5, "neighbours within 30 m": 1.5}
MEAN_BAR, MOVING_BAR = 1.25, 0.10


def compared(real: Likeness, town: Likeness) -> tuple[list[str], bool]:
    """Lines of a table, and whether all bars hold."""
    lines = ["| what | | real | town | ratio | bar |", "|---|---|---:|---:|---:|---|"]
    kept = True

    def line(what: str, statistic: str, a: float, b: float, bar: float | None) -> None:
        nonlocal kept
        ratio = b / a if a else np.inf if b else 1.0
        verdict = ""
        if bar is not None:
            # Errors within 25 %: 0.75 to 1.25 times; a factor 1.5: 0.67 to 1.5 times.
            low = 2 - bar if bar == MEAN_BAR else 1 / bar
            held = low <= ratio <= bar
            kept &= held
            verdict = f"{low:.2f}–{bar:g}: {'held' if held else 'MISSED'}"
        lines.append(f"| {what} | {statistic} | {a:.3g} | {b:.3g} | {ratio:.2f} | {verdict} |")

    for what, values in real.values.items():
        if "DE of" in what:
            line(what, "mean", values.mean(), town.values[what].mean(), MEAN_BAR)
            continue
        for statistic, q in (("median", 0.5), ("90 %", 0.9)):
            a, b = (float(np.quantile(v, q)) for v in (values, town.values[what]))
            line(what, statistic, a, b, QUANTILE_BARS.get(what))
    for name, share in real.shares.items():
        other, verdict = town.shares[name], ""
        if name == "moving":
            held = abs(other - share) <= MOVING_BAR
            kept &= held
            verdict = f"± 10 points: {'held' if held else 'MISSED'}"
        lines.append(
            f"| {name} | share | {share:.1%} | {other:.1%} | {100 * (other - share):+.1f} points | {verdict} |"
        )
    return lines, kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="a nuScenes folder")
    parser.add_argument("--real-version", default="v1.0-mini")
    parser.add_argument("--real-split", help="only these scenes, e.g. train (default: all)")
    parser.add_argument("--town", type=Path, required=True, help="a folder that forecast town has written")
    parser.add_argument("--town-version", default="v1.0-mini")
    args = parser.parse_args()
    real = measure(args.real, args.real_version, args.real_split)
    town = measure(args.town, args.town_version)
    for name, found in (("real", real), ("town", town)):
        print(f"{name}: {found.samples:,} vehicle-samples, {len(found.values['speed [m/s]']):,} of them moving")
    lines, kept = compared(real, town)
    print("\n".join(lines))
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
