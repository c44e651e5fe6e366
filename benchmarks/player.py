"""Script time of the player in a headless Chromium, milliseconds a frame of the animation, and the size of its page.

    python benchmarks/player.py [--agents 100] [--models 2] [--modes 10] [--page PAGE.html]

Vehicles drive on a lattice of roads for 20 s, all of them forecast at 2 Hz. Times are of the script that plays: in
frames in which the key frame has changed, and in all others. Leave the machine alone
meanwhile. Without --page a page is made; with it, its first scene is measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely

from forecast.core.agents import AgentType
from forecast.core.rows import ForecastRows, TruthRows
from forecast.data.maps.sources import PolygonMap
from forecast.view.player_page import write_player
from forecast.view.rows_scenes import rows_scenes

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
BLOCK_M, BLOCKS, STEPS, FRAMES = 60.0, 6, 12, 40

#: Plays so many frames as the browser asks for them, twelve to a key frame, one agent's figures beside them.
_MEASURE = """
const [count, done] = arguments;
const within = [], changed = [];
player.ask = () => undefined;  // what the page would draw by itself is drawn here
player.choose(player.listed[0].number);
player.go(0);
player.playing = true;
const began = performance.now();
let drawn = 0;
function next() {
  if (player.frame === player.lastFrame) {
    player.frame = 0;
    player.made.clear();
    player.playing = true;
  }
  const frame = player.frame;
  const from = performance.now();
  player.before = 0;
  player.pass(1000 / 24);  // as if so much time had passed since the last one
  player.draw();
  if (player.frame === frame) player.prepare();
  (player.frame === frame ? within : changed).push(performance.now() - from);
  if (++drawn < count) return requestAnimationFrame(next);
  const told = (all) => {
    all.sort((a, b) => a - b);
    return [all.reduce((sum, one) => sum + one, 0) / all.length, all[Math.floor(0.95 * all.length)], all.at(-1)];
  };
  done({ within: told(within), changed: told(changed), agents: player.poses().length,
    rate: 1000 * count / (performance.now() - began) });
}
requestAnimationFrame(next);
"""


def lattice() -> PolygonMap:
    """Roads 8 m wide, 60 m apart."""
    span = BLOCK_M * BLOCKS
    lines = [line for at in np.arange(0, span + 1, BLOCK_M) for line in ([(0, at), (span, at)], [(at, 0), (at, span)])]
    roads = shapely.union_all([shapely.LineString(line).buffer(8) for line in lines])
    return PolygonMap("lattice", {"drivable_area": [roads], "lane_divider": [shapely.LineString(one) for one in lines]})


def traffic(agents: int, modes: int, seed: int) -> tuple[ForecastRows, TruthRows]:
    """Vehicles that drive along the roads, and modes that fan out ahead of them."""
    random = np.random.default_rng(seed)
    time_s = 0.5 * np.arange(FRAMES)
    ahead = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])[np.arange(agents) % 4]
    speed = 1 + 8 * np.random.default_rng(0).random(agents)
    start = BLOCK_M * BLOCKS / 2 + BLOCK_M * np.random.default_rng(1).integers(-2, 3, (agents, 2))
    way = ahead[:, None] * (speed[:, None] * (time_s - 10))[..., None]
    place = start[:, None] + way
    names = np.repeat([f"vehicle {number}" for number in range(agents)], FRAMES)
    lead_s = 0.5 * np.arange(1, STEPS + 1)
    turn = random.normal(0, 0.08, (agents, FRAMES, modes, 1)) * lead_s
    turned = np.arctan2(ahead[:, 1], ahead[:, 0])[:, None, None, None] + turn
    steps = 0.5 * speed[:, None, None, None, None] * np.stack([np.cos(turned), np.sin(turned)], -1)
    paths = place[:, :, None, None] + steps.cumsum(3)
    shares = random.dirichlet(np.ones(modes), (agents, FRAMES))
    rows = ForecastRows(
        names, np.tile(time_s, agents), lead_s, paths.reshape(-1, modes, STEPS, 2), shares.reshape(-1, modes)
    )
    return rows, TruthRows(names, np.tile(time_s, agents), place.reshape(-1, 2))


def made(path: Path, agents: int, models: int, modes: int) -> None:
    """Write a page to measure."""
    forecasts = [traffic(agents, modes, seed)[0] for seed in range(models)]
    (scene,) = rows_scenes(forecasts, traffic(agents, modes, 0)[1], lattice())
    kinds = np.full(agents, int(AgentType.VEHICLE))
    vehicles = replace(scene.agents, kinds=kinds, size_m=np.tile([4.6, 1.9], (agents, 1)))
    write_player(path, [replace(scene, agents=vehicles)], [f"model {one}" for one in range(models)], "A benchmark")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--models", type=int, default=2)
    parser.add_argument("--modes", type=int, default=10)
    parser.add_argument("--frames", type=int, default=360)
    parser.add_argument("--page", type=Path, help="measure this page in place of one that is made")
    args = parser.parse_args()
    from browser import Browser, programs
    from selenium.webdriver.support.ui import WebDriverWait

    found = programs()
    if found is None:
        raise SystemExit("no Chromium with its driver")
    with tempfile.TemporaryDirectory() as folder:
        page = args.page or Path(folder) / "page.html"
        if args.page is None:
            made(page, args.agents, args.models, args.modes)
        browser = Browser(*found)
        try:
            browser.open(page)
            WebDriverWait(browser.driver, 60).until(lambda _: browser.script("return window.player && player.scene"))
            browser.driver.set_script_timeout(110)
            told = browser.driver.execute_async_script(_MEASURE, args.frames)
        finally:
            browser.close()
        print(f"page: {page.stat().st_size / 1e6:.2f} MB, {told['agents']} agents, {told['rate']:.0f} frames a second")
    print(f"{'script time, ms a frame':<36}{'mean':>8}{'95 %':>8}{'worst':>8}")
    for name, words in (("within", "between key frames"), ("changed", "the key frame has changed")):
        print(f"{words:<36}" + "".join(f"{value:8.2f}" for value in told[name]))


if __name__ == "__main__":
    main()
