"""A planning loop: replay a log frame by frame, forecast everyone, choose the vehicle's acceleration.

On a synthetic town that is written first, or on nuScenes with --dataroot. At 2 Hz a frame is a key frame; at 10 Hz
four more lie between two of them, interpolated as a tracker would give them. Every 97th cycle brings a broken
observation, every 101st a clock that runs backwards: the loop goes on.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from forecast.core.agents import AgentType
from forecast.core.errors import SceneError
from forecast.core.frames import wrap_angle
from forecast.data.cache import Dataset, open_dataset
from forecast.data.synthetic.town_writer import write_town
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.predictor import predict
from forecast.prediction.scene_forecast import SceneForecast
from forecast.prediction.stream import Observation, Stream

ACCELERATIONS_MPS2 = np.array([0.0, 1.0, -1.5, -3.0, -6.0])
SAFE_M, BRAKING_FROM = 3.0, -1.0


@dataclass
class Frame:
    """What one cycle brings: the observations, and where the vehicle itself wants to go."""

    time_s: float
    key_frame: str | None
    map_name: str
    begins_drive: bool
    observations: list[Observation]
    route_m: np.ndarray


def frames(data: Dataset, between: int) -> Iterator[Frame]:
    """The log, scene by scene, with some more frames between two key frames."""
    tracks = data.tracks
    for scene, map_name in enumerate(tracks.scene_maps.tolist()):
        samples = np.flatnonzero(tracks.sample_scene == scene)
        ego = int(np.flatnonzero((tracks.track_scene == scene) & (tracks.track_categories == "vehicle.ego"))[0])
        route = tracks.row_position_m[tracks.first_row[ego] : tracks.first_row[ego + 1]]
        for sample in samples.tolist():
            for part in range(between + 1) if sample > samples[0] else [between]:
                share = (part + 1) / (between + 1)
                before = sample - (sample > samples[0])
                now = tracks.sample_time_us[before] * 1e-6 * (1 - share) + tracks.sample_time_us[sample] * 1e-6 * share
                token = str(tracks.sample_tokens[sample]) if part == between else None
                seen = list(observations(data, before, sample, share, now))
                yield Frame(now, token, map_name, sample == samples[0], seen, route)


def observations(data: Dataset, before: int, sample: int, share: float, now: float) -> Iterator[Observation]:
    """Everyone who is annotated at a key frame; between two, at both of them."""
    tracks, columns = data.tracks, data.columns
    rows = columns.sample_rows[columns.sample_first[sample] : columns.sample_first[sample + 1]]
    for row in rows.tolist():
        pose = np.append(tracks.row_position_m[row], tracks.row_heading_rad[row])
        if share < 1:
            if row == tracks.first_row[columns.row_track[row]] or tracks.row_sample[row - 1] != before:
                continue
            earlier = np.append(tracks.row_position_m[row - 1], tracks.row_heading_rad[row - 1])
            gained = pose - earlier
            pose = earlier + share * np.append(gained[:2], wrap_angle(gained[2:]))
        track = columns.row_track[row]
        kind = AgentType(int(tracks.track_types[track]))
        yield Observation(str(tracks.track_tokens[track]), kind, now, pose, tracks.row_size_m[row])


def plan(answer: SceneForecast, ego_id: str, route_m: np.ndarray, speed_mps: float) -> float:
    """The acceleration along the route with the least sum of discomfort and of what may be in the way."""
    ego = answer.agent_ids.index(ego_id)
    along_m = np.append(0, np.cumsum(np.linalg.norm(np.diff(route_m, axis=0), axis=1)))
    here = along_m[np.linalg.norm(route_m - answer.pose_world[ego, :2], axis=1).argmin()]
    lead = answer.lead_s
    ahead = np.maximum(speed_mps * lead + 0.5 * ACCELERATIONS_MPS2[:, None] * lead**2, 0)
    ahead = np.maximum.accumulate(ahead, axis=1)  # who has stopped does not drive back
    path = np.stack([np.interp(here + ahead, along_m, route_m[:, axis]) for axis in (0, 1)], -1)
    others = np.arange(len(answer)) != ego
    modes, weight = answer.positions_m[others], answer.probabilities[others]
    away_m = np.linalg.norm(modes[None] - path[:, None, None], axis=-1)  # accelerations, agents, modes, steps
    risk = ((away_m < SAFE_M).any(-1) * weight).sum((1, 2))
    return float(ACCELERATIONS_MPS2[np.argmin(10 * risk + 0.1 * np.abs(ACCELERATIONS_MPS2 - 0.5))])


@dataclass
class Log:
    """What happened on the way."""

    cycle_s: list[float] = field(default_factory=list)
    agents: list[int] = field(default_factory=list)
    overlap: list[float] = field(default_factory=list)
    braked: int = 0
    left_out: int = 0
    refused: int = 0
    apart_m: list[float] = field(default_factory=list)


def drive(stream: Stream, data: Dataset, between: int, cycles: int, said: dict[tuple[str, str], np.ndarray]) -> Log:
    """Run the loop; the log is replayed as often as it takes."""
    log, previous, resident = Log(), None, 0.0
    while len(log.cycle_s) < cycles:
        for frame in frames(data, between):
            if len(log.cycle_s) == cycles:
                break
            cycle = len(log.cycle_s)
            if cycle == cycles // 4:
                resident = resident_mib()
            if frame.begins_drive:
                stream.reset()
                previous = None
            if cycle % 97 == 96:
                frame.observations.append(Observation("ghost", "vehicle", frame.time_s, (np.nan, 0, 0)))
            if cycle % 101 == 100 and previous is not None:
                try:
                    stream.update([], previous[0] - 1)
                except SceneError:
                    log.refused += 1
            begin = time.perf_counter()
            answer = stream.update(frame.observations, frame.time_s, frame.map_name)
            log.cycle_s.append(time.perf_counter() - begin)
            log.agents.append(len(answer))
            log.left_out += sum(note.endswith("left out") for note in answer.notes)
            log.overlap.append(answer.overlap_rate())
            previous = decide(log, answer, frame, previous)
            compare(log, answer, frame, said)
    print(f"  resident memory: {resident:.0f} MiB after {cycles // 4} cycles, {resident_mib():.0f} MiB at the end")
    return log


def decide(log: Log, answer: SceneForecast, frame: Frame, previous: tuple[float, np.ndarray] | None):
    """Plan, where the vehicle's speed is known; gives time and place for the next cycle's speed."""
    ego_id = next(name for name in answer.agent_ids if str(name).startswith("ego-"))
    place = answer.pose_world[answer.agent_ids.index(ego_id), :2]
    if previous is not None:
        speed = float(np.linalg.norm(place - previous[1])) / (frame.time_s - previous[0])
        log.braked += plan(answer, ego_id, frame.route_m, speed) <= BRAKING_FROM
    return frame.time_s, place


def compare(log: Log, answer: SceneForecast, frame: Frame, said: dict[tuple[str, str], np.ndarray]) -> None:
    """Note how far the answer is from what ``forecast predict`` said of the same agent at the same key frame."""
    for agent, name in enumerate(answer.agent_ids):
        expected = said.get((str(name), frame.key_frame or ""))
        if expected is not None:
            log.apart_m.append(float(np.abs(answer.positions_m[agent] - expected).max()))


def resident_mib() -> float:
    """Memory of this process, where the system says (Linux)."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4096 / 2**20 if statm.exists() else float("nan")


def main(arguments: list[str] | None = None) -> None:
    """Drive at 2 Hz and at 10 Hz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="town", help="a run's folder, a .safetensors file, or town")
    parser.add_argument("--dataroot", help="a nuScenes folder; without it a synthetic town is written first")
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--scenes", type=int, default=10, help="of the town")
    parser.add_argument("--cycles", type=int, default=2000)
    parser.add_argument("--cache", help="where prepared data are kept")
    args = parser.parse_args(arguments)
    with nullcontext(args.dataroot) if args.dataroot else tempfile.TemporaryDirectory() as folder:
        if not args.dataroot:
            write_town(Path(folder) / "town", scenes=args.scenes, version=args.version)
        root = Path(args.dataroot or Path(folder) / "town")
        data = open_dataset(root, args.version, args.cache)
        maps = {name: data.load_map(name) for name in data.map_names}
        forecaster = Forecaster.load(args.weights, maps)
        said = {}
        for split in [name for name in data.splits if name.startswith("mini") == ("mini" in args.version)]:
            told = predict(args.weights, root, args.version, split, dense=True, cache=args.cache)
            said |= dict(zip(zip(told.track, told.sample_tokens, strict=True), told.positions_m, strict=True))
        for rate_hz, between in ((2, 0), (10, 4)):
            print(f"{rate_hz} Hz, {args.cycles} cycles")
            log = drive(forecaster.stream(), data, between, args.cycles, said)
            cycle_ms = 1e3 * np.array(log.cycle_s)
            print(f"  agents: {np.mean(log.agents):.1f} a cycle, {max(log.agents)} at most")
            print(f"  a cycle: {np.quantile(cycle_ms, 0.5):.1f} ms p50, {np.quantile(cycle_ms, 0.99):.1f} ms p99")
            apart = f"{max(log.apart_m):.1e} m at most, {np.median(log.apart_m):.1e} m in the median"
            print(f"  from what forecast predict says: {apart}, of {len(log.apart_m)} forecasts at key frames")
            print(f"  overlap rate {np.mean(log.overlap):.3f}, braking in {log.braked / args.cycles:.1%} of cycles")
            print(f"  broken observations left out: {log.left_out}, clocks running backwards refused: {log.refused}")


if __name__ == "__main__":
    main()
