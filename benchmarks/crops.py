"""Map crops beside nuScenes-devkit's: agreement and time, in one run.

    python benchmarks/crops.py --dataroot DIR --version v1.0-mini

The devkit's maps are loaded before anything is timed. Medians of processor time on one thread, but for the throughput.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from forecast.core.crops import PAPER_CROP, CropSpec
from forecast.data.cache import Dataset, open_dataset
from forecast.data.maps.crop import Cropper
from forecast.data.maps.layers import DIRECTION
from forecast.data.maps.scene_image import SceneImage

MASK_LAYERS = ("drivable_area", "walkway", "ped_crossing")
MASK_SPEC = CropSpec(tuple((layer,) for layer in MASK_LAYERS), 25.0, 25.0, 25.0, 25.0, 10.0)
DIRECTED_SPEC = replace(PAPER_CROP, channels=(*PAPER_CROP.channels, *DIRECTION))
IMAGE_SPEC = CropSpec(((("drivable_area",)),), 40.0, 10.0, 25.0, 25.0, 10.0)


def row(what: str, devkit: str, ours: str, ratio: str = "") -> None:
    print(f"| {what:<58} | {devkit:>12} | {ours:>12} | {ratio:>9} |", flush=True)


def median_ms(call: Callable[[int], object], rounds: int, clock: Callable[[], float] = time.process_time) -> float:
    """Median time of a call; processor time unless told otherwise, so that other programs do not count."""
    call(0)
    times = []
    for number in range(rounds):
        begin = clock()
        call(number)
        times.append((clock() - begin) * 1e3)
    return statistics.median(times)


def devkit_mask(nusc_map: object, pose: np.ndarray, spec: CropSpec, layers: tuple[str, ...]) -> np.ndarray:
    """The devkit's masks of a crop's window, in our axes: rows forward, columns to the left."""
    x, y, heading = pose
    ahead, left = (spec.ahead_m - spec.behind_m) / 2, (spec.left_m - spec.right_m) / 2
    cos, sin = math.cos(heading), math.sin(heading)
    middle = (x + cos * ahead - sin * left, y + sin * ahead + cos * left)
    box = (*middle, spec.ahead_m + spec.behind_m, spec.left_m + spec.right_m)
    size = (spec.height_px, spec.width_px)
    return nusc_map.get_map_mask(box, math.degrees(heading) - 90, list(layers), size)[:, :, ::-1]  # type: ignore[attr-defined]


def cropper(dataset: Dataset, spec: CropSpec, engine: str, cache: Path, **options: bool) -> Cropper:
    maps = {name: dataset.load_map(name) for name in dataset.map_names}
    return Cropper(maps, dataset.map_names, spec, engine, cache, **options)  # type: ignore[arg-type]


def agreement(dataset: Dataset, maps: dict, poses: torch.Tensor, index: torch.Tensor, cache: Path) -> None:  # type: ignore[type-arg]
    exact = cropper(dataset, MASK_SPEC, "exact", cache, devkit_compatible=True)
    baked = cropper(dataset, MASK_SPEC, "baked", cache, devkit_compatible=True)
    found: dict[tuple[str, str], list[float]] = {}
    for pose, number in zip(poses.split(1), index.split(1), strict=True):
        theirs = devkit_mask(maps[dataset.map_names[int(number)]], pose[0].numpy(), MASK_SPEC, MASK_LAYERS) > 0
        for name, engine in (("exact", exact), ("baked", baked)):
            ours = engine(pose, number)[0].numpy() > 0.5
            for layer, one, other in zip(MASK_LAYERS, theirs, ours, strict=True):
                if one.any():
                    found.setdefault((name, layer), []).append((one & other).sum() / (one | other).sum())
    for (name, layer), values in found.items():
        row(f"mean IoU, {name}, {layer}, {len(values)} masks", "1", f"{np.mean(values):.4f}")


def crop_times(dataset: Dataset, maps: dict, poses: torch.Tensor, index: torch.Tensor, cache: Path) -> None:  # type: ignore[type-arg]
    layers = ("drivable_area", "road_segment", "lane", "road_divider", "lane_divider")

    def theirs(number: int) -> object:
        return devkit_mask(maps[dataset.map_names[int(index[number])]], poses[number].numpy(), PAPER_CROP, layers)

    devkit_ms = median_ms(theirs, 10)
    exact, baked = (cropper(dataset, PAPER_CROP, engine, cache) for engine in ("exact", "baked"))
    exact(poses, index), baked(poses, index)
    exact_ms = median_ms(lambda n: exact(poses[n : n + 1], index[n : n + 1]), 100)
    row("one crop, paper's raster, exact [ms]", f"{devkit_ms:.1f}", f"{exact_ms:.3f}", f"{devkit_ms / exact_ms:.0f} ×")
    for size in (1, 8, 64, 256):
        starts = torch.arange(0, 220, 11)
        parts = [(poses[part], index[part]) for part in (starts[:, None] + torch.arange(size)) % len(poses)]
        baked_ms = median_ms(lambda n, parts=parts: baked(*parts[n % len(parts)]), 20 + 200 // size) / size  # type: ignore[misc]
        what = f"one crop, paper's raster, baked, in a batch of {size} [ms]"
        row(what, f"{devkit_ms:.1f}", f"{baked_ms:.3f}", f"{devkit_ms / baked_ms:.0f} ×")
    many, of = parts[0]
    torch.set_num_threads(2)
    row(
        "crops per second, baked, batch 256, two threads",
        "",
        f"{256e3 / median_ms(lambda _: baked(many, of), 20, time.perf_counter):,.0f}",
    )
    torch.set_num_threads(1)
    for what, spec in (("default raster", CropSpec()), ("paper's raster with directions", DIRECTED_SPEC)):
        maker = cropper(dataset, spec, "baked", cache)
        maker(many, of)
        crop_ms = median_ms(lambda _, maker=maker: maker(many, of), 20) / 256  # type: ignore[misc]
        row(f"one crop, {what}, baked, batch of 256 [ms]", "", f"{crop_ms:.3f}")


def image_times(dataset: Dataset, nusc: object, rows: np.ndarray) -> None:
    from nuscenes.prediction import PredictHelper
    from nuscenes.prediction.input_representation.agents import AgentBoxesWithFadedHistory
    from nuscenes.prediction.input_representation.combinators import Rasterizer
    from nuscenes.prediction.input_representation.interface import InputRepresentation
    from nuscenes.prediction.input_representation.static_layers import StaticLayerRasterizer

    helper = PredictHelper(nusc)
    theirs = InputRepresentation(StaticLayerRasterizer(helper), AgentBoxesWithFadedHistory(helper), Rasterizer())
    tracks = dataset.tracks
    tokens = [(tracks.track_tokens[tracks.row_track[r]], tracks.sample_tokens[tracks.row_sample[r]]) for r in rows[:10]]
    devkit_ms = median_ms(lambda n: theirs.make_input_representation(*tokens[n]), 5)
    maps = {name: dataset.load_map(name) for name in dataset.map_names}
    ours = SceneImage(tracks, maps, IMAGE_SPEC)
    for each in rows:
        ours(int(each))
    ours_ms = median_ms(lambda n: ours(int(rows[n % len(rows)])), 50)
    row(
        "three layers, lanes and agents, 500 × 500 at 0.1 m [ms]",
        f"{devkit_ms:.0f}",
        f"{ours_ms:.2f}",
        f"{devkit_ms / ours_ms:.0f} ×",
    )


def baking(dataset: Dataset) -> None:
    for what, spec in (("paper's", PAPER_CROP), ("default", CropSpec())):
        with tempfile.TemporaryDirectory() as folder:
            maker = cropper(dataset, spec, "baked", Path(folder))
            count = len(dataset.map_names)
            begin = time.process_time()
            maker(torch.zeros(count, 3, dtype=torch.float64), torch.arange(count))
            seconds = time.process_time() - begin
            size = sum(file.stat().st_size for file in Path(folder).rglob("*.npy")) / 2**20
        row(f"reading and baking {count} cities, {what} raster [s]", "", f"{seconds:.1f}")
        row(f"size of {count} baked cities, {what} raster [MiB]", "", f"{size:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", required=True)
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--masks", type=int, default=220, help="poses for the agreement")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    from nuscenes.map_expansion.map_api import NuScenesMap
    from nuscenes.nuscenes import NuScenes

    dataset = open_dataset(args.dataroot, args.version)
    tracks = dataset.tracks
    names = {str(name): number for number, name in enumerate(dataset.map_names)}
    vehicles = np.flatnonzero(np.char.startswith(tracks.track_categories[tracks.row_track].astype(str), "vehicle.car"))
    rows = np.random.default_rng(0).choice(vehicles, args.masks, replace=False)
    poses = torch.from_numpy(np.c_[tracks.row_position_m[rows], tracks.row_heading_rad[rows]])
    index = torch.tensor([names[str(tracks.scene_maps[tracks.track_scene[tracks.row_track[r]]])] for r in rows])
    maps = {name: NuScenesMap(args.dataroot, name) for name in names}
    row("what", "devkit", "ours", "ratio")
    row("-" * 58, "-" * 12, "-" * 12, "-" * 9)
    with tempfile.TemporaryDirectory() as folder:
        agreement(dataset, maps, poses, index, Path(folder))
        crop_times(dataset, maps, poses, index, Path(folder))
    image_times(dataset, NuScenes(args.version, args.dataroot, verbose=False), rows)
    baking(dataset)


if __name__ == "__main__":
    main()
