"""A node's loop on a bag: tracked objects in, a forecast each cycle, PredictedObjects out, watched by the monitor.

    python examples/autoware_loop.py drive.mcap forecasts.mcap [--map roads.geojson]

A node does the same with its subscription in place of the bag; `AutowareMessages().message` makes a message as rosbags
holds it, field by field that of the ROS type. Needs the extra 'ros'.
"""

import argparse
import json
from collections.abc import Iterator

from forecast.core.agents import agent_type
from forecast.core.maps import MapSource
from forecast.data.maps.sources import open_map
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.stream import Observation
from forecast.stack import Monitor
from forecast.stack.autoware_log import AutowareLog
from forecast.stack.autoware_writer import write_bag
from forecast.stack.stack_message import StackMessage, StackObject
from forecast.stack.watched import message_of, of_answer


def observation(one: StackObject, time_s: float) -> Observation:
    """One tracked object as the stream takes it."""
    size_m = one.size_m if min(one.size_m) > 0 else None
    pose = (*one.position_m, one.heading_rad)
    return Observation(one.track, agent_type(one.kind), time_s, pose, size_m, one.velocity_mps)


def cycles(log: AutowareLog, forecaster: Forecaster, map_name: str | None, monitor: Monitor) -> Iterator[StackMessage]:
    """Forecast at every message of tracked objects."""
    stream = forecaster.stream(map_name)
    for message in log.tracked():
        answer = stream.update([observation(one, message.time_s) for one in message.objects], message.time_s)
        if not len(answer):
            continue
        finding = monitor.update(of_answer(answer))
        print(json.dumps({"time_s": message.time_s, "agents": finding.agents, **finding.signals}))
        kinds = {one.track: one.kind for one in message.objects}
        yield message_of(answer, [kinds.get(str(name), "unknown") for name in answer.agent_ids])


def main() -> None:
    """Read, forecast and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", help="bag with TrackedObjects (or PredictedObjects)")
    parser.add_argument("out", help="bag to write")
    parser.add_argument("--map", help="GeoJSON or nuScenes map, metres, in the bag's frame (default: none)")
    args = parser.parse_args()
    maps: dict[str, MapSource] = {"here": open_map(args.map)} if args.map else {}
    forecaster = Forecaster.load("town", maps, device="cpu")
    messages = cycles(AutowareLog(args.log), forecaster, "here" if maps else None, Monitor())
    write_bag(args.out, messages)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
