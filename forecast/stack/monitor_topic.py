"""The monitor's findings as a topic of a bag: ``diagnostic_msgs/DiagnosticArray``, which ROS tools show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from forecast.core.extras import optional_module
from forecast.stack.autoware_types import typestore
from forecast.stack.bag_writer import nanoseconds, written_bag
from forecast.stack.drive_monitor import Finding

TOPIC = "/diagnostics"
_TYPE = "diagnostic_msgs/msg/DiagnosticArray"
_OK, _WARN, _ERROR = bytes([0]), bytes([1]), bytes([2])


def write_findings(path: Path | str, findings: Iterable[Finding], *, topic: str = TOPIC) -> None:
    """Write findings; a signal is OK, a warning where it is beyond its limit, an error where there is an alarm.

    Args:
        path: an ``.mcap`` file, or a folder for a bag2.
        findings: in the order of their times.
        topic: of the bag.

    Raises:
        MissingExtraError: rosbags is not installed.
        SubmissionError: nothing to write.
    """
    optional_module("rosbags.rosbag2", "ros")
    store = typestore()
    messages = ((one.time_s, bytes(store.serialize_cdr(_message(store, one), _TYPE))) for one in findings)
    written_bag(path, topic, _TYPE, store, messages)


def _message(store: Any, finding: Finding) -> Any:
    whole_s, rest = divmod(nanoseconds(finding.time_s), 1_000_000_000)
    header = store.types["std_msgs/msg/Header"](store.types["builtin_interfaces/msg/Time"](whole_s, rest), "")
    status = store.types["diagnostic_msgs/msg/DiagnosticStatus"]
    pair = store.types["diagnostic_msgs/msg/KeyValue"]
    array = store.types[_TYPE]
    statuses = []
    for name, value in finding.signals.items():
        level, text = _OK, "as usual"
        if name in finding.alarms:
            level, text = _ERROR, "beyond its limit in several of the last cycles"
        elif name in finding.above:
            level, text = _WARN, "beyond its limit"
        statuses.append(status(level[0], f"forecasts: {name}", text, "cab-forecast", [pair("value", f"{value:.6g}")]))
    return array(header, statuses)
