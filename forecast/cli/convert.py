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

    from forecast.core.rows import ForecastRows, TruthRows

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
        "--truth-out", metavar="FILE", help="also write where everybody was, by the log, as rows (.parquet, .csv)"
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
    from forecast.core.files import check_outputs

    check_outputs(
        {"OUT": args.out, "--truth-out": args.truth_out}, [one for one in (args.forecasts, args.truth) if one]
    )
    pieces, truth = _read(args)
    told = _write(args, pieces, truth)
    if args.truth_out:
        from forecast.core.errors import ConfigError
        from forecast.eval.forecasts import write_truth

        if truth is None:
            raise ConfigError("--truth-out: only a log says where everybody was")
        write_truth(args.truth_out, truth)
    for line in told:
        print(line)
    if args.truth_out:
        print(f"wrote {args.truth_out}")


def _read(args: argparse.Namespace) -> tuple[Iterable[ForecastRows], TruthRows | None]:
    """The forecasts, and where everybody was, as far as that is told."""
    from forecast.eval.forecasts import ForecastFile, read_truth
    from forecast.eval.formats.argoverse2_submission import is_argoverse2_submission
    from forecast.stack.logs import is_log, log_forecasts, log_truth

    truth = None
    if args.truth is not None:
        truth = log_truth(args.truth)[0] if is_log(args.truth) else read_truth(args.truth)
    if is_log(args.forecasts):
        rows, notes = log_forecasts(args.forecasts, args.topic)
        for line in notes.lines():
            print(f"{args.forecasts}: {line}")
        return rows.forecasts(), rows.truth() if truth is None else truth
    if args.forecasts.lower().endswith(".json") or is_argoverse2_submission(args.forecasts):
        return [_of_data_set(args)], truth
    return ForecastFile(args.forecasts), truth


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


def _write(args: argparse.Namespace, pieces: Iterable[ForecastRows], truth: TruthRows | None) -> list[str]:
    """Write, by the name's ending; gives the lines that tell what was written and what was lost."""
    from pathlib import Path

    from forecast.core.errors import ConfigError
    from forecast.eval.forecasts import write_forecasts
    from forecast.eval.formats.argoverse2_submission import write_argoverse2_submission

    out = Path(args.out)
    ending = out.suffix.lower()
    if args.argoverse2:
        if ending != ".parquet":
            raise ConfigError(f"{out}: an Argoverse 2 submission ends in .parquet")
        write_argoverse2_submission(out, pieces)
        return [f"wrote {out}"]
    if ending in (".parquet", ".csv", ".json"):
        write_forecasts(out, pieces, flat=args.flat)
        return [f"wrote {out}"]
    if ending not in (".mcap", ".pb", ".txt", ".prototxt", ""):
        raise ConfigError(f"{out}: unknown ending; expected .mcap, .pb, .pb.txt, .parquet, .csv, .json or none (bag2)")
    return _write_stack(args, out, pieces, truth)


def _write_stack(
    args: argparse.Namespace, out: Path, pieces: Iterable[ForecastRows], truth: TruthRows | None
) -> list[str]:
    import csv

    from forecast.core.files import written_whole
    from forecast.stack.apollo_files import write_apollo
    from forecast.stack.autoware_writer import write_bag
    from forecast.stack.log_rows import messages_of

    held = list(pieces)
    messages = messages_of(held, truth, args.forecasts)
    if out.suffix.lower() in (".mcap", ""):
        renamed, names = write_bag(out, messages, package=args.messages, topic=args.topic), "UUIDs"
    else:
        (out, renamed), names = write_apollo(out, messages), "whole numbers"
    told = [f"wrote {out}"]
    if any(rows.covariances_m2 is not None or rows.samples_m is not None for rows in held):
        told.append("covariances and samples are left out: the format has no place for them")
    if truth is None:
        told.append("where everybody is now was not told (--truth): paths are drawn back by one step to time 0")
    if renamed:
        listed = out.with_name(f"{out.name}.tracks.csv")
        with written_whole(listed) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("track", "written_as"), *renamed.items()])
        told.append(f"{len(renamed)} tracks have no names that are {names}; {listed} says what stands for them")
    return told
