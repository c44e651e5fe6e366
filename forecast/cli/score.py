"""Score files of forecasts: accuracy and temporal consistency, as report.json, tables and a page."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from forecast.cli.data_options import add_data_options, open_named

if TYPE_CHECKING:
    from forecast.data.cache import Dataset
    from forecast.scoring.report_document import Report
    from forecast.scoring.settings import Settings

_OUTPUTS = ("out", "html", "markdown", "latex", "per_sample", "per_point")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which forecasts, which data, and where to."""
    parser.add_argument(
        "forecasts",
        nargs="+",
        metavar="FORECASTS",
        help="nuScenes or Argoverse 2 submission, rows (.parquet, .csv), or a driving stack's log with --truth (.mcap, "
        ".pb.txt, a folder of those; docs/stacks.md); several are compared",
    )
    add_data_options(parser, split=True, required=False)
    parser.add_argument(
        "--truth", metavar="FILE", help="truth as rows (.parquet, .csv) or a log, in place of a data set"
    )
    parser.add_argument("--topic", help="topic of the forecasts, where a bag has several of a type")
    parser.add_argument("--truth-topic", metavar="TOPIC", help="likewise, of the truth")
    parser.add_argument("--out", required=True, metavar="FILE", help="report to write, JSON")
    _add_outputs(parser)
    parser.add_argument("--allow-missing", action="store_true", help="accept agents of the split without a forecast")
    parser.add_argument(
        "--population",
        choices=("challenge", "challenge-tracks", "dense"),
        help="temporal metrics over the split's agent-samples alone (default, as published), all forecasts of their "
        "tracks, or all forecasts given",
    )
    parser.add_argument(
        "--tolerance-s",
        type=float,
        metavar="S",
        help="tolerance of times, seconds (default: a tenth of a step)",
    )
    parser.add_argument(
        "--interval-s",
        type=float,
        metavar="S",
        help="seconds between compared forecasts (D, C, overlap, flips, jitter; default: median interval)",
    )
    parser.add_argument(
        "--skip-bad-rows", action="store_true", help="leave out invalid rows, and report how many and why"
    )
    parser.add_argument(
        "--minimum-leads",
        type=int,
        metavar="N",
        help="D and C over target points forecast at N leads or more (default: at every lead)",
    )
    _add_off_road_options(parser)
    _add_measures(parser)


def _add_measures(parser: argparse.ArgumentParser) -> None:
    """Declare what else is measured, and by what."""
    parser.add_argument(
        "--samples", type=int, default=200, metavar="N", help="samples to draw from covariances (default: %(default)s)"
    )
    parser.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="also compute your own metric: function(modes_m, probabilities, truth_m, valid) gives one value an "
        "agent-sample (docs/extend/metric.md); may be repeated",
    )
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="COLUMN",
        help="also score by the values of this column of the truth, or else of the forecasts, e.g. weather; may be "
        "repeated",
    )
    parser.add_argument(
        "--by-file",
        metavar="FILE",
        help="table that has the columns of --by (.parquet, .csv): for rows by track [and issue_time_s]; on a data set "
        "by scene, instance, sample",
    )
    parser.add_argument(
        "--transport", action="store_true", help="also measure the overlap of all modes by optimal transport (slow)"
    )


def _add_off_road_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the off-road rate."""
    parser.add_argument(
        "--map",
        metavar="FILE",
        help="map for rows scored with --truth: nuScenes or Argoverse 2 (.json), or .geojson in metres",
    )
    parser.add_argument(
        "--exact-off-road", action="store_true", help="also measure the off-road rate against exact polygons"
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Declare the files that are written beside the report."""
    parser.add_argument("--html", metavar="FILE", help="also write a self-contained HTML page")
    parser.add_argument("--markdown", metavar="FILE", help="also write the table as Markdown")
    parser.add_argument("--latex", metavar="FILE", help="also write the table as LaTeX")
    parser.add_argument(
        "--columns",
        type=lambda text: [key.strip() for key in text.split(",")],
        metavar="KEY,KEY",
        help="metrics of these tables, as 'forecast list metrics' calls them (default: the usual ones)",
    )
    parser.add_argument(
        "--intervals", action="store_true", help="write ± half the width of the 95 %% interval in these tables"
    )
    parser.add_argument("--per-sample", metavar="FILE", help="also write one row per agent-sample (.parquet, .csv)")
    parser.add_argument(
        "--per-point", metavar="FILE", help="also write one row per target point of D and C (.parquet, .csv)"
    )


def run(args: argparse.Namespace) -> None:
    """Score, print the table, and write what was asked for."""
    from forecast.core.files import check_outputs, written_whole
    from forecast.report.latex_table import as_latex
    from forecast.report.tables import as_markdown
    from forecast.report.terminal_table import print_table

    _check_combination(args)
    outputs = {f"--{name.replace('_', '-')}": getattr(args, name) for name in _OUTPUTS}
    inputs = [path for path in (*args.forecasts, args.truth, args.map, args.by_file) if path is not None]
    check_outputs(outputs, inputs, dataroot=args.dataroot)
    settings = _settings(args)
    _check_tables(args, settings)
    report, dataset = _score(args, settings)
    report.write(args.out)
    document = report.as_json()
    for path, render in ((args.markdown, as_markdown), (args.latex, as_latex)):
        if path:
            with written_whole(path) as temporary:
                table = render(document, keys=args.columns or (), intervals=args.intervals)
                temporary.write_text(table, encoding="utf-8", errors="backslashreplace")
    _write_details(args, report)
    if args.html:
        from forecast.pictures.page_pictures import page_cases, page_curves
        from forecast.report.page import write_page

        road = settings.road.source if settings.road else None
        write_page(args.html, document, page_curves(report), page_cases(report, dataset, road))
    print_table(document)
    print(f"report: {args.out}")
    further = (args.html, args.markdown, args.latex, args.per_sample, args.per_point)
    if any(further):
        print(f"wrote {', '.join(str(path) for path in further if path)}")


def _check_combination(args: argparse.Namespace) -> None:
    """Say in one line which options do not go together, before anything is read."""
    from forecast.core.errors import ConfigError

    names = ("dataroot", "version", "split")
    given = [f"--{name}" for name in names if getattr(args, name) is not None]
    missing = [f"--{name}" for name in ("dataroot", "split") if getattr(args, name) is None]
    if args.by_file and not args.by:
        raise ConfigError("--by-file goes with --by COLUMN, which says what to take of it")
    if args.by and not args.truth and not args.by_file:
        raise ConfigError("--by: a data set has no further columns; add --by-file FILE, a table of them")
    rows = [path for path in args.forecasts if path.lower().endswith((".parquet", ".csv")) or _is_log(path)]
    if args.truth:
        only_nuscenes = (
            given
            + ["--population"] * (args.population is not None)
            + ["--allow-missing"] * args.allow_missing
            + ["--exact-off-road"] * args.exact_off_road
        )
        if only_nuscenes:
            raise ConfigError(f"--truth does not go with {', '.join(only_nuscenes)}: give rows of truth or a data set")
        others = [path for path in args.forecasts if path not in rows]
        if others:
            raise ConfigError(
                f"{others[0]}: --truth scores rows in .parquet or .csv, and logs; score submissions with --dataroot"
            )
    elif args.skip_bad_rows:
        raise ConfigError("--skip-bad-rows goes with rows and --truth: a submission has no rows to leave out")
    elif args.map:
        raise ConfigError("--map goes with rows and --truth: a data set brings its own maps")
    elif rows and missing:
        raise ConfigError(
            f"{rows[0]}: rows of forecasts need rows of truth: add --truth FILE; or, if they are of a nuScenes data "
            f"set, {', '.join(missing)}"
        )
    elif missing:
        raise ConfigError(f"{', '.join(missing)} missing: a submission is scored on a data set (or rows with --truth)")


def _check_tables(args: argparse.Namespace, settings: Settings) -> None:
    """Say before any work what the tables cannot show."""
    from forecast.core.errors import ConfigError
    from forecast.eval.metric_list import METRICS
    from forecast.report.figures import check_keys

    given = ["--columns"] * (args.columns is not None) + ["--intervals"] * args.intervals
    if given and not (args.markdown or args.latex):
        raise ConfigError(f"{', '.join(given)}: of which table? add --latex FILE or --markdown FILE")
    check_keys(args.columns or (), [spec.key for spec in METRICS if spec.heading] + [s.key for s in settings.metrics])


def _is_log(path: str) -> bool:
    from forecast.stack.logs import is_log

    return is_log(path)


def _settings(args: argparse.Namespace) -> Settings:
    from pathlib import Path

    from forecast.core.errors import ConfigError
    from forecast.eval.own_metric import own_metrics
    from forecast.scoring.own_strata import check_by
    from forecast.scoring.road_rules import open_road
    from forecast.scoring.settings import Settings

    check_by(args.by)
    for name, smallest in (("minimum_leads", 1), ("samples", 1)):
        value = getattr(args, name)
        if value is not None and value < smallest:
            raise ConfigError(f"--{name.replace('_', '-')} {value}: expected {smallest} or more")
    return Settings(
        tolerance_s=args.tolerance_s,
        minimum_leads=args.minimum_leads,
        samples=args.samples,
        transport=args.transport,
        road=open_road(args.map) if args.map else None,
        exact_road=args.exact_off_road,
        interval_s=args.interval_s,
        metrics=own_metrics(args.metric),
        by=tuple(args.by),
        by_file=None if args.by_file is None else Path(args.by_file),
    )


def _score(args: argparse.Namespace, settings: Settings) -> tuple[Report, Dataset | None]:
    if args.truth:
        from forecast.scoring.stream_scores import score_streams
        from forecast.stack.logs import as_row_files

        topics = {"topic": args.topic, "truth_topic": args.truth_topic}
        with as_row_files(args.forecasts, args.truth, **topics) as (files, truth):
            return score_streams(files, truth, settings, skip_bad_rows=args.skip_bad_rows), None
    from forecast.scoring.dataset_scores import score_submission

    dataset = open_named(args)
    report = score_submission(
        args.forecasts,
        dataset,
        args.split,
        allow_missing=args.allow_missing,
        population=args.population or "challenge",
        settings=settings,
    )
    return report, dataset


def _write_details(args: argparse.Namespace, report: Report) -> None:
    from forecast.scoring.detail_files import write_per_point, write_per_sample

    if args.per_sample:
        write_per_sample(args.per_sample, report)
    if args.per_point:
        write_per_point(args.per_point, report)
