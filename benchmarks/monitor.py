"""What a cycle of the monitor costs: 64 agents, ten modes, twelve steps, 10 Hz, one core, with a map.

    python benchmarks/monitor.py [--cycles 2000]

Agents drive on four wide roads, so that boxes come near each other. Figures go into benchmarks/figures/monitor.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import shapely

from forecast.core.json_files import write_json
from forecast.data.maps.sources import PolygonMap
from forecast.stack.drive_monitor import SIGNALS, Monitor
from forecast.stack.road_places import on_road_of
from forecast.stack.thresholds import Thresholds
from forecast.stack.watched import Watched

FIGURES = Path(__file__).parent / "figures" / "monitor.json"
AGENTS, MODES, PERIOD_S, LENGTH_M = 64, 10, 0.1, 300.0
#: Until the map around is drawn.
WARM_UP = 200
LEADS_S = 0.5 * np.arange(1, 13)


def cycles(count: int, seed: int = 0) -> list[Watched]:
    """A drive along four roads of six lanes, 60 m apart, with all agents on 300 m of them."""
    rng = np.random.default_rng(seed)
    lane, road = rng.integers(0, 6, AGENTS), rng.integers(0, 4, AGENTS)
    start = np.stack([rng.uniform(0, LENGTH_M, AGENTS), 3.5 * lane + 1.75 + 60.0 * road], -1)
    speed = rng.uniform(5, 15, AGENTS)
    drives = []
    for number in range(count):
        now = start + np.stack([speed * PERIOD_S * number, 0 * speed], -1)
        now[:, 0] %= LENGTH_M  # whoever leaves at the end comes back, so that no new piece of the map is drawn
        ways = (speed[:, None] * np.linspace(0.8, 1.2, MODES))[..., None] * LEADS_S
        bends = rng.normal(0, 0.02, (AGENTS, MODES, 1)) * LEADS_S**2
        paths = now[:, None, None] + np.stack([ways, bends], -1)
        odds = rng.dirichlet(np.ones(MODES), AGENTS)
        pose = np.c_[now, np.zeros(AGENTS)]
        drives.append(
            Watched(
                PERIOD_S * number, list(range(AGENTS)), LEADS_S, paths, odds, pose, np.tile([4.5, 1.9], (AGENTS, 1))
            )
        )
    return drives


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="default: %(default)s")
    args = parser.parse_args()
    road = PolygonMap("road", {"drivable_area": [shapely.box(-100, y, 600, y + 21) for y in (0, 60, 120, 180)]})
    monitor = Monitor(Thresholds(dict.fromkeys(SIGNALS, 0.5)), on_road_of(road))
    took_s = []
    for cycle in cycles(args.cycles):
        began = time.perf_counter()
        finding = monitor.update(cycle)
        took_s.append(time.perf_counter() - began)
    assert set(finding.signals) == set(SIGNALS)
    told = {"agents": AGENTS, "modes": MODES, "cycles": args.cycles, "threads": 1}
    told |= {f"p{q}_ms": round(float(np.percentile(took_s[WARM_UP:], q)) * 1e3, 3) for q in (50, 95, 99)}
    write_json(args.figures, told, indent=1)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
