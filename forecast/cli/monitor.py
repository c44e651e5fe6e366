"""Watch the forecasts of a drive without labels: do they stay what they were, stay apart, stay on the road?

First learn from a drive that was as usual: --learn LIMITS.json. Then watch others with --thresholds LIMITS.json: one
JSON line a cycle, and alarms. docs/stacks.md says what each signal is. In a car: forecast.stack.Monitor.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forecast.stack.drive_monitor import Finding, Monitor, OnRoad
    from forecast.stack.thresholds import Thresholds
    from forecast.stack.watched import Watched

#: Why a signal may be told at no cycle.
_SUCCESSIVE = "no forecasts of one agent are an interval apart (--interval-s) and of the same steps"
_WHY = {
    "overlap_m": _SUCCESSIVE,
    "flips": _SUCCESSIVE,
    "discomfort": f"{_SUCCESSIVE}, of four points or more",
    "meets": "no two agents have sizes: rows do not hold them",
    "off_road": "there is no --map, or nobody is on its road",
    "silent": "there are no forecasts",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what to watch, by which limits, and where to."""
    parser.add_argument("forecasts", metavar="LOG", help="log of a driving stack, or rows (.parquet, .csv)")
    parser.add_argument("--topic", help="topic of a bag, where it has several")
    parser.add_argument("--learn", metavar="FILE", help="write the limits that this drive keeps, JSON")
    parser.add_argument("--thresholds", metavar="FILE", help="limits of a reference drive, as --learn wrote them")
    parser.add_argument("--out", metavar="FILE", help="one JSON line a cycle")
    parser.add_argument("--mcap", metavar="FILE", help="also a bag with a topic of diagnostics (extra 'ros')")
    parser.add_argument(
        "--map", metavar="FILE", help="map for the off-road share: nuScenes (.json) or .geojson in metres"
    )
    parser.add_argument(
        "--interval-s",
        type=float,
        metavar="S",
        help="seconds between compared forecasts (default: a step of the leads)",
    )
    parser.add_argument(
        "--quantile", type=float, default=0.99, metavar="Q", help="with --learn, of the cycles (default: %(default)s)"
    )
    parser.add_argument(
        "--alarm",
        default="3/5",
        metavar="N/M",
        help="with --learn, an alarm takes N of the last M cycles (default: 3/5)",
    )


def run(args: argparse.Namespace) -> None:
    """Watch, and write what was found."""
    import json

    from forecast.core.errors import ConfigError
    from forecast.core.files import check_outputs, written_whole
    from forecast.stack.drive_monitor import Monitor
    from forecast.stack.thresholds import FEW, Thresholds

    if not (args.learn or args.thresholds or args.out or args.mcap):
        raise ConfigError("say what to do: --learn FILE, or --thresholds FILE with --out FILE")
    outputs = {"--learn": args.learn, "--out": args.out, "--mcap": args.mcap}
    check_outputs(outputs, [one for one in (args.forecasts, args.thresholds, args.map) if one])
    at_least, of_last = _alarm(args.alarm)
    thresholds = Thresholds.read(args.thresholds) if args.thresholds else None
    try:
        monitor = Monitor(thresholds, _on_road(args.map) if args.map else None, args.interval_s)
    except ValueError as fault:
        raise ConfigError(f"--thresholds {args.thresholds}, --interval-s: {fault}") from fault
    found = [_looked(monitor, cycle, args.forecasts) for cycle in _cycles(args)]
    if not found:
        raise ConfigError(f"{args.forecasts}: holds no forecasts")
    if args.out:
        with written_whole(args.out) as temporary:
            lines = "".join(f"{json.dumps(_told(one))}\n" for one in found)
            temporary.write_text(lines, encoding="utf-8")
        print(f"wrote {args.out}")
    if args.mcap:
        from forecast.stack.monitor_topic import write_findings

        write_findings(args.mcap, found)
        print(f"wrote {args.mcap}")
    if args.learn:
        try:
            limits = Thresholds.learnt(
                [one.signals for one in found], quantile=args.quantile, at_least=at_least, of_last=of_last,
                interval_s=args.interval_s,
            )  # fmt: skip
        except ValueError as fault:
            raise ConfigError(f"--learn: {fault}") from fault
        limits.write(args.learn)
        few = f"; only {len(found)} cycles: limits of fewer than {FEW} say little" if len(found) < FEW else ""
        print(f"wrote {args.learn}{few}")
    _print(found, thresholds)


def _alarm(text: str) -> tuple[int, int]:
    from forecast.core.errors import ConfigError

    first, slash, last = text.partition("/")
    if not slash or not first.isdecimal() or not last.isdecimal() or not 1 <= int(first) <= int(last):
        raise ConfigError(f"--alarm {text}: expected N/M, e.g. 3/5: 3 of the last 5 cycles")
    return int(first), int(last)


def _looked(monitor: Monitor, cycle: Watched, where: str) -> Finding:
    from forecast.core.errors import SubmissionError

    try:
        return monitor.update(cycle)
    except ValueError as fault:
        raise SubmissionError(f"{where}: {fault}") from fault


def _cycles(args: argparse.Namespace) -> Iterator[Watched]:
    """What is to be looked at, in the order of its times."""
    from forecast.eval.forecasts import read_forecasts
    from forecast.stack.logs import is_log, open_log
    from forecast.stack.message_checks import LogNotes, checked
    from forecast.stack.watched import of_message, of_rows

    if not is_log(args.forecasts):
        yield from of_rows(read_forecasts(args.forecasts))
        return
    for message in checked(open_log(args.forecasts, args.topic).predicted(), LogNotes()):
        yield of_message(message)


def _on_road(path: str) -> OnRoad:
    from forecast.scoring.road_rules import open_road
    from forecast.stack.road_places import on_road_of

    return on_road_of(open_road(path).source)


def _told(finding: Finding) -> dict[str, object]:
    signals = {name: round(value, 6) for name, value in finding.signals.items()}
    return {
        "time_s": finding.time_s, "agents": finding.agents, "signals": signals, "above": list(finding.above),
        "alarms": list(finding.alarms),
    }  # fmt: skip


def _print(found: list[Finding], thresholds: Thresholds | None) -> None:
    """One line a signal, and where alarms began."""
    from forecast.stack.drive_monitor import SIGNALS

    agents = sum(one.agents for one in found) / len(found)
    print(f"{len(found):,} cycles, {agents:.1f} agents a cycle")
    for name in SIGNALS:
        values = sorted(one.signals[name] for one in found if name in one.signals)
        if not values:
            print(f"  {name:<12} cannot be told: {_WHY[name]}")
            continue
        line = f"  {name:<12} median {values[len(values) // 2]:.3g}, largest {values[-1]:.3g}"
        if thresholds is not None and name not in thresholds.limits:
            line += "; has no limit: the reference drive did not tell it"
        elif thresholds is not None:
            above, alarmed = (sum(name in getattr(one, key) for one in found) for key in ("above", "alarms"))
            line += f"; beyond its limit in {above} cycles, alarm in {alarmed}"
            first = next((one.time_s for one in found if name in one.alarms), None)
            line += "" if first is None else f", first at {first:.15g} s"
        print(line)
