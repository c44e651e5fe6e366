"""How fast two checkouts of this package are, turn and turn about, in processor time on one thread.

    python benchmarks/before_after_speed.py --before OLD_CHECKOUT --after NEW_CHECKOUT [--rounds 7]
        [--before-python PYTHON] [--after-python PYTHON] [--limit 1.1]

Each figure is a median of ``--rounds`` runs, each in a process of its own. Exits with 1 where the new checkout takes
more than ``--limit`` times as long.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from before_after import PROBE, SMALL, Side, add_sides, sides

MAP = "town/maps/expansion/boston-seaport.json"
DATA = ("--dataroot", "town", "--version", "v1.0-mini")


def printed(side: Side, *arguments: str) -> float:
    """Seconds that the probe prints."""
    environment = {**os.environ, "PYTHONPATH": str(side.checkout), "FORECAST_CACHE": str(side.folder / "cache")}
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [side.python, str(PROBE), "speed", *arguments]
    done = subprocess.run(command, cwd=side.folder, env=environment, capture_output=True, text=True)
    found = [line for line in done.stdout.splitlines() if line.startswith("seconds: ")]
    if done.returncode or not found:
        raise RuntimeError(f"{side.name}: {arguments}: {(done.stderr.strip().splitlines() or ['nothing'])[-1]}")
    return float(found[-1].split()[1])


def training_step(side: Side) -> float:
    """Loading, crops, forward, backward and step of a batch of 128, median of a run."""
    out = f"run-{time.monotonic_ns()}"
    size = [*SMALL[:4], "--run.batch_size", "128", *SMALL[6:]]
    more = ("--data.dense", "true", "--out", out)
    side.probe("train", f"{out}.json", f"{out}.npz", "--config", side.config("cab"), *DATA, *size, *more)
    return float(json.loads((side.folder / f"{out}.time").read_text()))


def help_page(side: Side) -> float:
    """``forecast --help``, on the clock, the least of five."""
    environment = {**os.environ, "PYTHONPATH": str(side.checkout)}
    found = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([side.python, "-m", "forecast", "--help"], env=environment, capture_output=True, check=True)
        found.append(time.perf_counter() - began)
    return min(found)


MEASURED: dict[str, Callable[[Side], float]] = {
    "256 crops of a polygon map": lambda side: printed(side, "crops", MAP),
    "a training step of 128 agents": training_step,
    "scoring 2,083 forecasts": lambda side: printed(
        side, "scoring", "dense.json", *DATA, "--split", "mini_val", "--population", "dense", "--out", "report.json"
    ),
    "forecasts of a scene of 64 agents": lambda side: printed(side, "latency", MAP),
    "forecast --help": help_page,
}


def main(given: list[str] | None = None) -> int:
    """Measure; 0 where nothing is slower than allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_sides(parser)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--limit", type=float, default=1.1, help="of after over before (default: %(default)s)")
    args = parser.parse_args(given)
    slow = []
    print("| what                              | before ms | after ms | ratio | lowest/highest ratio |")
    print("|---|---:|---:|---:|---:|")
    for before, after in sides(args):
        for side in (before, after):
            side.forecast(*"town --out town --scenes 10 --seed 3".split())
            side.forecast(
                "predict", "--checkpoint", "town", *DATA, *"--split mini_val --dense --out dense.json".split()
            )
        for what, measure in MEASURED.items():
            pairs = [(measure(before), measure(after)) for _ in range(args.rounds)]
            old, new = (statistics.median(times) for times in zip(*pairs, strict=True))
            ratios = [b / a for a, b in pairs]
            spread = f"{min(ratios):.2f} / {max(ratios):.2f}"
            print(
                f"| {what:<33} | {old * 1e3:>9.1f} | {new * 1e3:>8.1f} | {new / old:>5.2f} | {spread:>20} |", flush=True
            )
            slow += [what] if new / old > args.limit else []
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
