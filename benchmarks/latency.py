"""Time of one planning cycle: a scene in, all modes of all agents in the world frame out, crops of the map included.

    python benchmarks/latency.py [--checkpoint RUN] [--engines eager,onnx] [--threads 1,2] [--agents 1,8,64,256]

Vehicles drive on a lattice of roads 100 m apart, eight observations each at 2 Hz, everybody is forecast. Time on the
clock, so leave the machine alone meanwhile; on a busy one, --clock processor with one thread comes close to it. Without
--checkpoint the weights are those of the `cab` configuration before training: the time does not depend on them.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import shapely
import torch

from forecast.core.agents import AgentType
from forecast.core.errors import ForecastError
from forecast.data.maps.sources import PolygonMap
from forecast.model.network_protocol import Network
from forecast.model.network_registry import make_network
from forecast.prediction.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from forecast.prediction.forecaster import Engine, Forecaster
from forecast.prediction.scene import Scene
from forecast.training.config import load_config

#: What tells the time.
CLOCK: list[Callable[[], float]] = [time.perf_counter]
BLOCK_M, BLOCKS, HALF_ROAD_M = 100.0, 8, 4.0


def lattice() -> PolygonMap:
    """Roads of 8 m every 100 m, in both directions, over 800 m."""
    ends = 0.0, BLOCK_M * BLOCKS
    roads, dividers = [], []
    for at in np.arange(0.5, BLOCKS) * BLOCK_M:
        for line in (
            shapely.LineString([(ends[0], at), (ends[1], at)]),
            shapely.LineString([(at, ends[0]), (at, ends[1])]),
        ):
            roads.append(line.buffer(HALF_ROAD_M, cap_style="flat"))
            dividers.append(line)
    area = shapely.union_all(roads)
    layers = {"drivable_area": [area], "road_segment": roads, "lane": roads}
    return PolygonMap("lattice", {**layers, "road_divider": dividers, "lane_divider": []})


def scene(agents: int, cycle: int) -> Scene:
    """Vehicles on the roads around the middle, at 3 to 12 m/s; a new situation each cycle."""
    random = np.random.default_rng(cycle * 1000 + agents)
    middle = BLOCK_M * BLOCKS / 2
    side = min(BLOCKS, max(2, round(np.sqrt(agents / 8)) * 2))
    road = middle + (random.integers(side, size=agents) - (side - 1) / 2) * BLOCK_M
    along = middle + random.uniform(-side, side, agents) * BLOCK_M / 2
    heading = random.integers(4, size=agents) * np.pi / 2
    eastward = np.abs(np.cos(heading)) > 0.5
    position = np.where(
        eastward[:, None],
        np.stack([along, road - 2 * np.cos(heading)], 1),
        np.stack([road + 2 * np.sin(heading), along], 1),
    )
    speed, ago_s = random.uniform(3, 12, agents), -0.5 * np.arange(8)
    rows = (
        position[:, None]
        + (speed[:, None] * ago_s)[..., None] * np.stack([np.cos(heading), np.sin(heading)], 1)[:, None]
    )
    poses = np.concatenate([rows, np.broadcast_to(heading[:, None, None], (agents, 8, 1))], 2)
    return Scene(
        time_s=100.0,
        agent_ids=tuple(range(agents)),
        agent_types=np.full(agents, int(AgentType.VEHICLE)),
        size_m=np.tile([4.6, 1.9], (agents, 1)),
        row_agent=np.repeat(np.arange(agents), 8),
        row_time_s=np.tile(100.0 + ago_s, agents),
        row_pose_world=poses.reshape(-1, 3),
        map_name="lattice",
    )


def engines(checkpoint: Checkpoint, device: str, threads: int, wanted: list[str]) -> dict[str, Engine | str]:
    """Engines by name; a string says why one cannot be measured."""
    model = checkpoint.model.to(device)
    made: dict[str, Engine | str] = {}
    for name in wanted:
        try:
            made[name] = _ENGINES[name](checkpoint, model, threads)
        except (ForecastError, RuntimeError) as reason:
            made[name] = f"not measured: {str(reason).splitlines()[0][:100]}"
    return made


def _compiled(checkpoint: Checkpoint, model: Network, threads: int) -> Engine:
    torch._dynamo.reset()
    return torch.compile(model.predict, dynamic=True)  # type: ignore[no-any-return]


def _onnx(checkpoint: Checkpoint, model: Network, threads: int) -> Engine:
    from forecast.export.onnx_file import onnx_model
    from forecast.prediction.onnx_predictor import OnnxPredictor

    if next(model.parameters()).device.type != "cpu":
        raise RuntimeError("the CPU provider of ONNX Runtime is what is measured")
    if checkpoint.path not in _EXPORTED:
        _EXPORTED[checkpoint.path] = onnx_model(checkpoint).SerializeToString()
    return OnnxPredictor(_EXPORTED[checkpoint.path], threads=threads).predict


_EXPORTED: dict[Path, bytes] = {}
_ENGINES: dict[str, Callable[[Checkpoint, Network, int], Engine]] = {
    "eager": lambda checkpoint, model, threads: model.predict,
    "compiled": _compiled,
    "onnx": _onnx,
}


class Watch:
    """Wraps an engine and notes how long it takes."""

    def __init__(self, engine: Engine, device: str) -> None:
        self.engine, self.device, self.times_ms = engine, device, list[float]()

    def __call__(self, batch):  # type: ignore[no-untyped-def]
        begin = CLOCK[0]()
        forecast = self.engine(batch)
        if self.device != "cpu":
            torch.cuda.synchronize()
        self.times_ms.append((CLOCK[0]() - begin) * 1e3)
        return forecast


def measure(forecaster: Forecaster, watch: Watch, agents: int, cycles: int, seconds: float) -> dict[str, list[float]]:
    """Times of whole cycles and of their parts, ms."""
    scenes = [scene(agents, cycle) for cycle in range(16)]
    for number in range(12):  # every shape of neighbours that comes is compiled or planned here
        forecaster.forecast(scenes[number])
    found: dict[str, list[float]] = {"cycle": [], "network": [], "crops": []}
    until = time.monotonic() + seconds
    for number in range(cycles):
        given = scenes[number % len(scenes)]
        watch.times_ms.clear()
        begin = CLOCK[0]()
        forecaster.forecast(given)
        found["cycle"].append((CLOCK[0]() - begin) * 1e3)
        found["network"].append(sum(watch.times_ms))
        if time.monotonic() > until and number >= 30:
            break
    poses = torch.from_numpy(np.ascontiguousarray(scenes[0].row_pose_world[::8])).to(forecaster.device)
    for _ in range(20):
        begin = CLOCK[0]()
        forecaster.maps.crops("lattice", poses)
        found["crops"].append((CLOCK[0]() - begin) * 1e3)
    return found


def report(name: str, threads: int, agents: int, found: dict[str, list[float]]) -> None:
    cycle = found["cycle"]
    p50, p99 = statistics.median(cycle), float(np.percentile(cycle, 99))
    network, crops = statistics.median(found["network"]), statistics.median(found["crops"])
    rest = max(0.0, p50 - network - crops)
    times = f"{p50:>6.1f} | {p99:>6.1f} | {network:>7.1f} | {crops:>5.1f} | {rest:>5.1f}"
    print(f"| {name:<8} | {threads:>7} | {agents:>6} | {times} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="a run's folder or a .safetensors file")
    parser.add_argument("--engines", default="eager,compiled,onnx")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--agents", default="1,8,64,256")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--cycles", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=8.0, help="of one row at most")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    args = parser.parse_args()
    CLOCK[0] = time.process_time if args.clock == "processor" else time.perf_counter
    warnings.simplefilter("ignore")
    logging.getLogger("torch").setLevel(logging.ERROR)
    import cv2

    source = lattice()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "untrained.safetensors"
        if not args.checkpoint:
            torch.manual_seed(0)
            save_checkpoint(path, make_network(load_config("gain").model), {})
        checkpoint = load_checkpoint(args.checkpoint or path)
        print(f"{args.device}, {args.clock} clock\n")
        print("| engine   | threads | agents | p50 ms | p99 ms | network | crops |  rest |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        for threads in map(int, args.threads.split(",")):
            torch.set_num_threads(threads)
            cv2.setNumThreads(threads)
            for name, engine in engines(checkpoint, args.device, threads, args.engines.split(",")).items():
                if isinstance(engine, str):
                    print(f"| {name:<8} | {threads} | {engine}", flush=True)
                    continue
                watch = Watch(engine, args.device)
                forecaster = Forecaster(watch, checkpoint.model.config, {"lattice": source}, args.device)
                for agents in map(int, args.agents.split(",")):
                    report(name, threads, agents, measure(forecaster, watch, agents, args.cycles, args.seconds))


if __name__ == "__main__":
    main()
