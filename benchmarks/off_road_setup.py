"""Time and memory before the first off-road judgement, ours beside the devkit's, each in a process of its own.

python benchmarks/off_road_setup.py --dataroot /data/nuscenes --version v1.0-mini
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROAD = ("drivable_area",)


def peak_mib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def by_devkit(dataroot: str, cities: list[str], agents: str) -> list[Any]:
    """What the devkit's ``OffRoadRate`` does when it is made: open all maps and draw them whole."""
    from nuscenes.map_expansion.map_api import NuScenesMap

    kept: list[Any] = []
    for city in cities:
        nusc_map = NuScenesMap(dataroot, city)
        kept += [nusc_map, nusc_map.get_map_mask(None, 0, ["drivable_area"], None)[0]]
    return kept


def opened(dataroot: str, cities: list[str], agents: str) -> list[Any]:
    """Our maps, ready to answer; tiles are drawn when they are first needed."""
    from forecast.data.maps.expansion_map import load_map
    from forecast.eval.drivable import DrivableArea

    files = [Path(dataroot, "maps", "expansion", f"{city}.json") for city in cities]
    return [DrivableArea.of(load_map(file, only=ROAD)) for file in files]


def driven(dataroot: str, cities: list[str], agents: str) -> list[Any]:
    """The same, and every tile drawn that an agent of the data set was ever on."""
    import numpy as np

    areas = opened(dataroot, cities, agents)
    with np.load(agents) as places:
        for city, area in zip(cities, areas, strict=True):
            if city in places:
                area.contains(*places[city])
    return areas


def drawn(dataroot: str, cities: list[str], agents: str) -> list[Any]:
    """The same, and every tile of every map drawn."""
    areas = opened(dataroot, cities, agents)
    for area in areas:
        area.draw_all()
    return areas


WAYS: dict[str, Callable[[str, list[str], str], list[Any]]] = {
    "devkit": by_devkit,
    "ours, opened": opened,
    "ours, opened, tiles that agents were on": driven,
    "ours, opened, all tiles": drawn,
}


def measure(way: str, dataroot: str, cities: list[str], agents: str) -> dict[str, float]:
    """Seconds and MiB of one way, imports left out."""
    import nuscenes.map_expansion.map_api

    import forecast.data.maps.expansion
    import forecast.eval.drivable

    del nuscenes, forecast
    before, start = peak_mib(), time.perf_counter()
    kept = WAYS[way](dataroot, cities, agents)
    found = {"seconds": time.perf_counter() - start, "MiB": peak_mib() - before}
    del kept
    return found


def write_places(dataroot: str, version: str, file: Path) -> list[str]:
    """Write the pixels of all vehicles of a data set, by map; answers the maps in its folder."""
    import numpy as np

    from forecast.data.cache import open_dataset
    from forecast.eval.drivable import PX_PER_M

    tracks = open_dataset(dataroot, version).tracks
    where = tracks.scene_maps[tracks.sample_scene[tracks.row_sample]]
    pixels = (tracks.row_position_m * PX_PER_M).astype(np.int32)
    np.savez(file, **{str(name): pixels[where == name].T for name in np.unique(where)})
    return sorted(path.stem for path in Path(dataroot, "maps", "expansion").glob("*.json"))


def compare(dataroot: str, version: str, repeats: int = 3) -> None:
    """Print the fastest of some runs of each way, and how many times the devkit's it is below."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        agents = Path(folder) / "places.npz"
        cities = write_places(dataroot, version, agents)
        print(f"set-up over {len(cities)} maps: {', '.join(cities)}")
        first: dict[str, float] = {}
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, "--dataroot", dataroot, "--agents", str(agents), *cities]
            runs = [json.loads(subprocess.run(command, check=True, stdout=-1).stdout) for _ in range(repeats)]
            best = {key: min(run[key] for run in runs) for key in runs[0]}
            first = first or best
            times = {key: first[key] / best[key] for key in best}
            print(
                f"{way}: {best['seconds']:.2f} s ({times['seconds']:.1f} times less), "
                f"{best['MiB']:.0f} MiB at its peak ({times['MiB']:.1f} times less)"
            )


def main() -> None:
    """Compare all ways, or measure one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataroot", required=True)
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--agents", help=argparse.SUPPRESS)
    parser.add_argument("cities", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.dataroot, options.cities, options.agents)))
    else:
        compare(options.dataroot, options.version)


if __name__ == "__main__":
    main()
