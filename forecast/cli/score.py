"""Score files of forecasts: accuracy and temporal consistency, as report.json, tables and a page."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which forecasts, which data, and where to."""
    parser.add_argument("forecasts", nargs="+", metavar="FILE", help="submissions, JSON; several are compared")
    parser.add_argument("--dataroot", required=True, metavar="DIR", help="folder of a nuScenes data set")
    parser.add_argument("--version", required=True, metavar="V", help="e.g. v1.0-trainval")
    parser.add_argument("--split", required=True, metavar="S", help="mini_train, mini_val, train, train_val or val")
    parser.add_argument("--out", required=True, metavar="FILE", help="the report to write, JSON")
    parser.add_argument("--html", metavar="FILE", help="a self-contained page too")
    parser.add_argument("--markdown", metavar="FILE", help="the table as Markdown too")
    parser.add_argument("--latex", metavar="FILE", help="the table as LaTeX too")
    parser.add_argument("--per-sample", metavar="FILE", help="a row per agent-sample too, Parquet")
    parser.add_argument("--per-point", metavar="FILE", help="a row per target point (D, C) too, Parquet")
    parser.add_argument("--allow-missing", action="store_true", help="accept agents of the split without a forecast")
    parser.add_argument(
        "--population", choices=("dense", "challenge"), default="dense", help="what the temporal metrics run over"
    )
    parser.add_argument(
        "--tolerance-s", type=float, metavar="S", help="match times within this (default: a tenth of a step)"
    )
    parser.add_argument("--cache", metavar="DIR", help="where the compact cache lies")


def run(args: argparse.Namespace) -> None:
    """Score, print the table, and write what was asked for."""
    from forecast.core.files import written_whole
    from forecast.data.cache import open_dataset
    from forecast.report.evaluator import score_submission
    from forecast.report.tables import as_latex, as_markdown, print_table

    dataset = open_dataset(args.dataroot, args.version, args.cache)
    report = score_submission(
        args.forecasts,
        dataset,
        args.split,
        allow_missing=args.allow_missing,
        population=args.population,
        tolerance_s=args.tolerance_s,
    )
    report.write(args.out)
    document = report.as_json()
    for path, render in ((args.markdown, as_markdown), (args.latex, as_latex)):
        if path:
            with written_whole(path) as temporary:
                temporary.write_text(render(document))
    _write_details(args, report)
    if args.html:
        from forecast.report.page import write_page

        write_page(args.html, report, dataset)
    print_table(document)
    print(f"report: {args.out}")


def _write_details(args: argparse.Namespace, report: object) -> None:
    from forecast.report.details import write_per_point, write_per_sample
    from forecast.report.evaluator import Report

    assert isinstance(report, Report)
    if args.per_sample:
        write_per_sample(args.per_sample, report)
    if args.per_point:
        write_per_point(args.per_point, report)
