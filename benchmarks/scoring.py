"""Speed, set-up and size of scoring, beside the devkit's own metrics in the same run.

python benchmarks/scoring.py --dataroot /data/nuscenes   # set-up and speed against the devkit
python benchmarks/scoring.py --forecasts 1000000         # peak memory of a streamed file
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import off_road_setup

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.displacement import displacements
from forecast.eval.drivable import DrivableArea
from forecast.eval.forecasts import iter_forecasts, read_forecasts, write_forecasts, write_truth
from forecast.eval.formats.submission_json import read_submission, write_submission
from forecast.eval.offroad import off_road_rate

MODES = 25
KS = (1, 5, 10)
CITY = "singapore-onenorth"


def seconds(call: Callable[[], Any], repeats: int = 3) -> float:
    """Fastest of some runs: least disturbed by whatever else the machine does."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


class _Polygons:
    layers = ("drivable_area",)

    def __init__(self, name: str, polygons: list[Any]) -> None:
        self.name, self._polygons = name, polygons

    def geometries(self, layer: str) -> list[Any]:
        return self._polygons


def forecasts_on_roads(mask: Any, agents: int) -> tuple[Any, Any, Any]:
    """Truth that starts on the road, and modes 0 to 4 m beside it."""
    random = np.random.default_rng(0)
    row, column = np.nonzero(mask[::9, ::9])
    chosen = random.choice(len(row), agents)
    start = np.stack([column[chosen], row[chosen]], -1) * 0.9
    heading = random.uniform(0, 6.3, (agents, 1)) + random.normal(0, 0.05, (agents, 1)) * np.arange(12)
    steps = 0.5 * random.uniform(0, 12, (agents, 1, 1)) * np.stack([np.cos(heading), np.sin(heading)], -1)
    truth = start[:, None] + np.cumsum(steps, 1)
    aside = random.uniform(0, 4, (agents, MODES, 1)) * np.linspace(0.1, 1, 12)
    turn = random.uniform(0, 6.3, (agents, MODES, 1))
    offset = np.stack([aside * np.cos(turn), aside * np.sin(turn)], -1)
    modes = truth[:, None] + offset + random.normal(0, 0.03, offset.shape)
    return modes, random.dirichlet(np.ones(MODES), agents), truth


def speed(dataroot: str, agents: int) -> None:
    """Print microseconds a prediction of ours and the devkit's, and their ratio."""
    from nuscenes.eval.prediction import metrics as devkit
    from nuscenes.eval.prediction.data_classes import Prediction
    from nuscenes.map_expansion.map_api import NuScenesMap

    start = time.perf_counter()
    nusc_map = NuScenesMap(dataroot, CITY)
    mask = nusc_map.get_map_mask(None, 0, ["drivable_area"], None)[0]
    print(f"devkit set-up of one city: {time.perf_counter() - start:.2f} s, {mask.nbytes / 2**20:.0f} MiB kept")
    polygons = [nusc_map.extract_polygon(t) for record in nusc_map.drivable_area for t in record["polygon_tokens"]]
    modes, likely, truth = forecasts_on_roads(mask, agents)
    start = time.perf_counter()
    area = DrivableArea.of(_Polygons(CITY, polygons))
    ours = off_road_rate(modes, area)
    first = time.perf_counter() - start
    predictions = [Prediction("i", "s", m, p) for m, p in zip(modes, likely, strict=True)]
    rate = devkit.OffRoadRate.__new__(devkit.OffRoadRate)
    rate.helper = type("Helper", (), {"get_map_name_from_sample_token": lambda self, token: CITY})()
    rate.drivable_area_polygons, rate.pixels_per_meter, rate.number_of_points = {CITY: mask}, 10, 200
    found = np.array([rate(None, prediction)[0] for prediction in predictions])
    print(f"modes judged differently: {np.abs(found - ours.values).sum() * MODES:.0f} of {ours.values.size * MODES}")
    without = [metric(list(KS), []) for metric in (devkit.MinADEK, devkit.MinFDEK, devkit.MissRateTopK)]

    def by_devkit(metrics: list[Any]) -> None:
        for prediction, true in zip(predictions, truth, strict=True):
            for metric in metrics:
                metric(true, prediction)

    def by_us() -> None:
        scores = displacements(modes, likely, truth)
        for k in KS:
            scores.min_ade_k(k), scores.min_fde_k(k), scores.miss_k(k)

    road = seconds(lambda: off_road_rate(modes, area))
    print(f"our drawing, most tiles of the city: {first - road:.2f} s, {area.nbytes / 2**20:.0f} MiB kept")
    theirs, mine = seconds(lambda: by_devkit(without)), seconds(by_us)
    both_theirs, both_mine = theirs + seconds(lambda: by_devkit([rate]), 1), mine + road
    for name, a, b in (("without", theirs, mine), ("with", both_theirs, both_mine)):
        print(f"{name} off-road: devkit {a / agents * 1e6:.1f} us, ours {b / agents * 1e6:.2f} us, {a / b:.1f} times")
    files(ForecastRows.at_key_frames(*(np.array([f"{c}{i}" for i in range(agents)]) for c in "is"), modes, likely))


def files(submission: ForecastRows) -> None:
    """Print predictions a second read from each form of file."""
    with tempfile.TemporaryDirectory() as folder:
        rows = replace(submission, issue_time_s=np.arange(float(len(submission))))
        write_submission(f"{folder}/s.json", submission)
        write_forecasts(f"{folder}/nested.parquet", rows)
        write_forecasts(f"{folder}/flat.parquet", rows, flat=True)
        for name, read in {
            "s.json": read_submission,
            "nested.parquet": read_forecasts,
            "flat.parquet": read_forecasts,
        }.items():
            path = Path(folder) / name
            taken = seconds(lambda read=read, path=path: read(path))
            print(
                f"{name}: {len(submission) / taken:,.0f} predictions/s, {path.stat().st_size / len(submission):,.0f} B"
            )


def size(count: int) -> None:
    """Write, stream and score a file of many forecasts; print the rate and the peak memory."""
    lead_s, per_piece = 0.5 * np.arange(1, 13), 2000
    random = np.random.default_rng(0)

    def pieces() -> Iterator[ForecastRows]:
        for number in range(0, count, per_piece):
            here = min(per_piece, count - number)
            track = np.array([f"t{(number + i) // 40}" for i in range(here)])
            positions = random.normal(1000, 10, (here, MODES, 12, 2))
            yield ForecastRows(
                track, 0.5 * (np.arange(here) % 40), lead_s, positions, random.dirichlet(np.ones(MODES), here)
            )

    with tempfile.TemporaryDirectory() as folder:
        path, tracks = Path(folder) / "large.parquet", -(-count // 40)
        write_forecasts(path, pieces())
        start, seen = time.perf_counter(), 0
        for piece in iter_forecasts(path):
            truth = piece.positions_m[:, 0]
            displacements(piece.positions_m, piece.probabilities, truth).min_ade_k(5)
            seen += len(piece)
        taken = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            json.dumps(
                {
                    "forecasts": seen,
                    "GiB_file": round(path.stat().st_size / 2**30, 2),
                    "seconds": round(taken, 1),
                    "GiB_peak": round(peak, 2),
                }
            )
        )
        names, time_s = np.repeat([f"t{i}" for i in range(tracks)], 52), np.tile(0.5 * np.arange(52), tracks)
        truth_path = Path(folder) / "truth.parquet"
        write_truth(truth_path, TruthRows(names, time_s, random.normal(1000, 10, (len(names), 2))))
        start = time.perf_counter()
        files = [str(path), "--truth", str(truth_path), "--out", f"{folder}/report.json"]
        command = [sys.executable, "-m", "forecast", "score", *files]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        print(json.dumps({"forecast score, seconds": round(taken, 1), "GiB_peak": round(peak, 2)}))


def main() -> None:
    """Run what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataroot", help="nuScenes folder with the map expansion")
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--agents", type=int, default=2000)
    parser.add_argument("--forecasts", type=int, default=0)
    options = parser.parse_args()
    if options.dataroot:
        off_road_setup.compare(options.dataroot, options.version)
        speed(options.dataroot, options.agents)
    if options.forecasts:
        size(options.forecasts)


if __name__ == "__main__":
    main()
