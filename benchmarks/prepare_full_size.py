"""Opening a data set of the size of all of nuScenes: the devkit beside ours, in one table.

    python benchmarks/prepare_full_size.py --dataroot DIR [--version v1.0-mini] [--keep DIR]

A small folder (nuScenes mini, or a synthetic town) is repeated with fresh tokens until it holds 850 scenes, up to 1.17
million annotations, and 2.6 million ego poses and sensor readings. Needs 4 GB of disk, and 9 GB of memory for
the devkit. Seconds include the imports of each new process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

VERSION = "v1.0-trainval"
SCENES, ANNOTATIONS, POSES = 850, 1_170_000, 2_600_000
REFERENCES = {"prev", "next"}

DEVKIT = """
from nuscenes import NuScenes
from nuscenes.prediction import PredictHelper
helper = PredictHelper(NuScenes(version, root, verbose=False))
"""
OPEN = """
from forecast.data.cache import open_dataset
dataset = open_dataset(root, version, cache)
"""
BATCH = """
from forecast.data.dataset import AgentDataset
data = AgentDataset(root, version, 'train', dense=True, cache=cache)
batch = data.batch(range(256))
"""
MEASURE = """
import json, sys, time
version, root, cache = sys.argv[1:]
start = time.perf_counter()
{code}
seconds = time.perf_counter() - start
peak = next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM'))
print(json.dumps([seconds, time.process_time(), peak / 2**20]))
"""


def fresh(token: str, copy: int) -> str:
    return hashlib.md5(f"{copy} {token}".encode()).hexdigest() if token else ""


def renewed(row: dict[str, Any], copy: int) -> dict[str, Any]:
    """The row with all its own tokens made fresh; those of tables that are not repeated stay."""
    kept = {"category_token", "visibility_token", "attribute_tokens", "calibrated_sensor_token"}
    return {
        key: fresh(value, copy) if (key.endswith("token") and key not in kept) or key in REFERENCES else value
        for key, value in row.items()
    }


def write(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write("[\n" if count == 0 else ",\n")
            file.write(json.dumps(row, indent=0))
            count += 1
        file.write("\n]")
    return count


def padded(row: dict[str, Any], copies: int) -> Iterable[dict[str, Any]]:
    """A key frame's row, and the readings between key frames that a mini sample leaves out."""
    yield row
    for number in range(1, copies):
        changed = {"token": fresh(row["token"], -number)}
        if "sample_token" in row:
            changed |= {"is_key_frame": False, "ego_pose_token": fresh(row["ego_pose_token"], -number)}
        yield row | changed


def repeat(root: Path, version: str, out: Path) -> dict[str, int]:
    """Write the large folder; returns the number of rows by table."""
    from nuscenes.utils.splits import create_splits_scenes

    tables = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (root / version).glob("*.json")}
    official = create_splits_scenes()
    names = official["train"] + official["val"]
    copies = -(-SCENES // len(tables["scene"]))
    share = min(1.0, ANNOTATIONS / (copies * len(tables["sample_annotation"])))
    dropped = {row["token"] for row in tables["instance"][int(share * len(tables["instance"])) :]}
    for table, key in (("instance", "token"), ("sample_annotation", "instance_token")):
        tables[table] = [row for row in tables[table] if row[key] not in dropped]
    readings = -(-POSES // (copies * len(tables["sample"])))
    folder = out / VERSION
    folder.mkdir(parents=True)
    counts = {}
    for table, rows in tables.items():
        if table in ("attribute", "category", "visibility", "sensor", "calibrated_sensor"):
            counts[table] = write(folder / f"{table}.json", rows)
            continue
        repeated = (renewed(row, copy) for copy in range(copies) for row in rows)
        if table == "scene":
            scenes = [renewed(row, copy) for copy in range(copies) for row in rows]
            repeated = (row | {"name": name} for row, name in zip(scenes, names, strict=False))
        elif table == "map":
            repeated = (
                row | {"log_tokens": [fresh(log, copy) for copy in range(copies) for log in row["log_tokens"]]}
                for row in rows
            )
        elif table in ("sample_data", "ego_pose"):
            repeated = (more for row in repeated for more in padded(row, readings))
        counts[table] = write(folder / f"{table}.json", repeated)
    write_masks(root, out, tables["map"])
    return counts


def write_masks(root: Path, out: Path, rows: list[dict[str, Any]]) -> None:
    """The devkit opens the pictures' files."""
    (out / "maps").mkdir(exist_ok=True)
    for row in rows:
        (out / row["filename"]).symlink_to((root / row["filename"]).resolve())


def measured(code: str, root: Path, cache: Path) -> list[float]:
    """Seconds on the clock, seconds of all cores and GiB at the peak, in a process of its own."""
    command = [sys.executable, "-c", MEASURE.format(code=code), VERSION, str(root), str(cache)]
    answer = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "2"}
    )
    numbers: list[float] = json.loads(answer.stdout.strip().splitlines()[-1])
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataroot", type=Path, required=True)
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--no-devkit", action="store_true", help="leave out the devkit, which needs 9 GB")
    parser.add_argument("--keep", type=Path, help="folder to write the large data to, or to find it in")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root, cache = (args.keep or Path(temporary)) / "large", Path(temporary) / "cache"
        if not (root / "rows.json").is_file():
            start = time.perf_counter()
            counts = repeat(args.dataroot, args.version, root)
            (root / "rows.json").write_text(json.dumps(counts), encoding="utf-8")
            print(f"written in {time.perf_counter() - start:.0f} s")
        counts = json.loads((root / "rows.json").read_text(encoding="utf-8"))
        size = sum(path.stat().st_size for path in root.glob("v*/*.json")) / 2**30
        tables = ("scene", "sample_annotation", "ego_pose", "sample_data")
        print(f"{size:.1f} GiB; rows:", ", ".join(f"{table} {counts[table]:,}" for table in tables))
        rows = [] if args.no_devkit else [("devkit: NuScenes and PredictHelper", *measured(DEVKIT, root, cache))]
        rows.append(("ours: first start (prepares)", *measured(OPEN, root, cache)))
        rows.append(("ours: second start: all columns mapped", *measured(OPEN, root, cache)))
        rows.append(("ours: torch, dense train split and a first batch", *measured(BATCH, root, cache)))
        stored = sum(path.stat().st_size for path in cache.rglob("*")) / 2**20
        print(f"\n{'what':<52}{'seconds':>9}{'CPU s':>8}{'peak GiB':>10}")
        for what, seconds, cpu, gib in rows:
            print(f"{what:<52}{seconds:>9.1f}{cpu:>8.1f}{gib:>10.2f}")
        print(f"\ncache on disk: {stored:.0f} MiB")


if __name__ == "__main__":
    main()
