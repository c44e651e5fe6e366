"""Plain rows in place of a data set, the same in every command that shows some: options, checks, reading."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forecast.core.maps import MapSource
    from forecast.scoring.rows_and_truth import RowsAndTruth

_ENDINGS = (".parquet", ".csv")
#: Options that only a data set understands, where a command has them.
_DATASET_ONLY = ("dataroot", "version", "source", "split", "scene", "frame", "agent")


def add_rows_options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--truth``, ``--map`` and ``--skip-bad-rows``."""
    parser.add_argument(
        "--truth",
        metavar="FILE",
        help="truth as rows (.parquet, .csv) or a log, in place of a data set; forecasts are then rows or logs too",
    )
    parser.add_argument(
        "--map",
        "--drivable",
        dest="map",
        metavar="FILE",
        help="map for rows with --truth: nuScenes or Argoverse 2 (.json), or .geojson in metres",
    )
    parser.add_argument("--skip-bad-rows", action="store_true", help="leave out invalid rows of such files")


def check_rows_options(args: argparse.Namespace, given: list[str], *, allowed: tuple[str, ...] = ()) -> None:
    """Say in one line which options do not go together, before anything is read.

    Args:
        args: of the command.
        given: models or files of forecasts.
        allowed: options of data sets that rows take too.

    Raises:
        ConfigError: they do not go together.
    """
    from forecast.core.errors import ConfigError
    from forecast.stack.logs import is_log

    if args.truth:
        wrong = [f"--{name}" for name in _DATASET_ONLY if name not in allowed and getattr(args, name, None) is not None]
        if wrong:
            raise ConfigError(f"--truth does not go with {', '.join(wrong)}: give rows of truth or a data set")
        others = [path for path in given if not path.lower().endswith(_ENDINGS) and not is_log(path)]
        if others:
            raise ConfigError(
                f"{others[0]}: --truth goes with rows in .parquet or .csv, and logs; models and submissions need a "
                "data set, --dataroot"
            )
        return
    for option, there in (("--skip-bad-rows", args.skip_bad_rows), ("--map", args.map)):
        if there:
            raise ConfigError(f"{option} goes with rows and --truth")
    if args.dataroot is None:
        raise ConfigError(
            "--dataroot missing: name the data set; or, for rows of forecasts without one, rows of truth: --truth FILE"
        )


def read_plain_rows(args: argparse.Namespace, given: list[str]) -> tuple[RowsAndTruth, MapSource | None]:
    """Read forecasts, truth and map as ``forecast score`` does.

    Raises:
        SubmissionError, DataError: in one line, what is wrong with a file.
    """
    from forecast.scoring.road_rules import open_road
    from forecast.scoring.rows_and_truth import read_rows_and_truth
    from forecast.stack.logs import as_row_files

    road = open_road(args.map) if args.map else None
    with as_row_files(given, args.truth) as (files, truth):
        found = read_rows_and_truth(files, truth, road, skip_bad_rows=args.skip_bad_rows)
    return found, road.source if road else None
