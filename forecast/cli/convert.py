"""Turn forecasts from one form into another: logs of driving stacks, rows, submissions.

Names say what is read and written: .mcap, or a folder (bag2), Autoware's PredictedObjects; .pb.txt and .pb Apollo's
PredictionObstacles; .parquet and .csv rows; .json a nuScenes submission. docs/stacks.md says what each cannot hold.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from forecast.cli.data_options import add_data_options, open_named

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.core.rows import ForecastRows
    from forecast.stack.stack_message import StackMessage

PACKAGES = ("autoware_perception_msgs", "autoware_auto_perception_msgs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what to read, and where to."""
    parser.add_argument("forecasts", metavar="IN", help="log, rows, nuScenes or Argoverse 2 submission")
    parser.add_argument("out", metavar="OUT", help="file to write; a name without an ending is a folder, bag2")
    parser.add_argument("--topic", help="topic of a bag, where it has several of a type, to read or to write")
    parser.add_argument(
        "--truth", metavar="FILE", help="rows or log that say where everybody was, for formats that hold the present"
    )
    parser.add_argument(
        "--truth-out",
        metavar="FILE",
        help="also write the log's truth as rows (.parquet, .csv), as 'score' takes it",
    )
    parser.add_argument("--argoverse2", action="store_true", help="OUT.parquet is to be an Argoverse 2 submission")
    parser.add_argument("--flat", action="store_true", help="OUT.parquet is to have one line a point")
    parser.add_argument(
        "--messages",
        choices=PACKAGES,
        default=PACKAGES[0],
        help="package of Autoware's messages (default: %(default)s)",
    )
    add_data_options(parser, required=False)


def run(args: argparse.Namespace) -> None:
    """Read, write, and tell what was lost."""
    from forecast.core.errors import ConfigError
    from forecast.core.files import check_outputs
    from forecast.stack.logs import is_log

    check_outputs(
        {"OUT": args.out, "--truth-out": args.truth_out}, [one for one in (args.forecasts, args.truth) if one]
    )
    of_log = is_log(args.forecasts)
    if args.truth_out and not of_log:
        raise ConfigError("--truth-out: only a log says where everybody was")
    stack = _is_stack_file(args.out) and not args.argoverse2
    told = _write_log(args) if of_log and stack else _write(args, _read(args), stack=stack)
    if args.truth_out:
        told += _write_truth(args)
    for line in told:
        print(line)


def _is_stack_file(out: str) -> bool:
    from pathlib import Path

    return Path(out).suffix.lower() in (".mcap", "") or out.lower().endswith((".pb", ".pb.txt", ".prototxt"))


def _write_truth(args: argparse.Namespace) -> list[str]:
    from forecast.eval.forecasts import write_truth
    from forecast.stack.logs import log_truth

    truth, notes = log_truth(args.forecasts)
    write_truth(args.truth_out, truth)
    return [f"wrote {args.truth_out}: {notes.lines()[0]}"]


def _write_log(args: argparse.Namespace) -> list[str]:
    """From one log to another: nothing that both formats hold is lost."""
    from pathlib import Path

    from forecast.stack.logs import open_log
    from forecast.stack.message_checks import LogNotes, checked

    notes = LogNotes()
    messages = checked(open_log(args.forecasts, args.topic).predicted(), notes)
    told = _write_stack(args, Path(args.out), messages)
    return [f"{args.forecasts}: {line}" for line in notes.lines()] + told


def _read(args: argparse.Namespace) -> Iterable[ForecastRows]:
    """The forecasts as rows."""
    from forecast.eval.forecasts import ForecastFile
    from forecast.eval.formats.argoverse2_submission import is_argoverse2_submission
    from forecast.stack.logs import is_log, log_forecasts

    if is_log(args.forecasts):
        rows, notes = log_forecasts(args.forecasts, args.topic)
        for line in notes.lines():
            print(f"{args.forecasts}: {line}")
        return rows.forecasts()
    if args.forecasts.lower().endswith(".json") or is_argoverse2_submission(args.forecasts):
        return [_of_data_set(args)]
    return ForecastFile(args.forecasts)


def _of_data_set(args: argparse.Namespace) -> ForecastRows:
    """A submission; its times of issue are told by its data set, where one is named."""
    from forecast.core.errors import ConfigError
    from forecast.eval.formats.argoverse2_submission import read_argoverse2_submission
    from forecast.eval.formats.submission_json import read_submission
    from forecast.scoring.dataset_join import read_for_dataset

    if args.dataroot is not None:
        return read_for_dataset(args.forecasts, open_named(args))
    if args.out.lower().endswith(".json") or args.argoverse2:
        json = args.forecasts.lower().endswith(".json")
        return read_submission(args.forecasts) if json else read_argoverse2_submission(args.forecasts)
    raise ConfigError(f"{args.forecasts}: a submission does not say when; name its data set with --dataroot")


def _write(args: argparse.Namespace, pieces: Iterable[ForecastRows], *, stack: bool) -> list[str]:
    """Write rows, by the name's ending; gives the lines that tell what was written and what was lost."""
    from pathlib import Path

    from forecast.core.errors import ConfigError
    from forecast.eval.forecasts import read_truth, write_forecasts
    from forecast.eval.formats.argoverse2_submission import write_argoverse2_submission
    from forecast.stack.log_rows import RowMessages
    from forecast.stack.logs import is_log, log_truth

    out = Path(args.out)
    if args.argoverse2:
        if out.suffix.lower() != ".parquet":
            raise ConfigError(f"{out}: an Argoverse 2 submission ends in .parquet")
        write_argoverse2_submission(out, pieces)
        return [f"wrote {out}"]
    if out.suffix.lower() in (".parquet", ".csv", ".json"):
        write_forecasts(out, pieces, flat=args.flat)
        return [f"wrote {out}"]
    if not stack:
        raise ConfigError(f"{out}: unknown ending; expected .mcap, .pb, .pb.txt, .parquet, .csv, .json or none (bag2)")
    truth = None
    if args.truth is not None:
        truth = log_truth(args.truth)[0] if is_log(args.truth) else read_truth(args.truth)
    held = list(pieces)
    messages = RowMessages(held, truth, args.forecasts)
    told = _write_stack(args, out, messages)
    told.append("sizes, kinds and velocities are not known: rows do not hold them")
    if any(rows.covariances_m2 is not None or rows.samples_m is not None for rows in held):
        told.append("covariances and samples are left out: the format has no place for them")
    if messages.drawn_back:
        told.append(
            f"where {messages.drawn_back:,} of {messages.objects:,} objects were is not told (--truth): their paths "
            "are drawn back by one step to time 0"
        )
    return told


def _write_stack(args: argparse.Namespace, out: Path, messages: Iterable[StackMessage]) -> list[str]:
    """Write messages, and names that were replaced."""
    import csv

    from forecast.core.files import written_whole
    from forecast.stack.apollo_files import write_apollo
    from forecast.stack.autoware_writer import write_bag

    if out.suffix.lower() in (".mcap", ""):
        renamed, names = write_bag(out, messages, package=args.messages, topic=args.topic), "UUIDs"
    else:
        (out, renamed), names = write_apollo(out, messages), "whole numbers"
    told = [f"wrote {out}"]
    if renamed:
        listed = out.with_name(f"{out.name}.tracks.csv")
        with written_whole(listed) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("track", "written_as"), *renamed.items()])
        told.append(f"{len(renamed)} tracks have no names that are {names}; {listed} says what stands for them")
    return told
