"""Forecast a split with the physics baselines, by the nuScenes devkit's rules; writes one file for each baseline."""

from __future__ import annotations

import argparse

from forecast.cli.data_options import add_data_options, open_named


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which data, and where to."""
    add_data_options(parser, split=True)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to, one file for each baseline")
    parser.add_argument(
        "--format",
        choices=("json", "parquet", "csv"),
        default="json",
        help="json: nuScenes submissions; parquet, csv: rows, without covariances (default: %(default)s)",
    )
    parser.add_argument(
        "--dense", action="store_true", help="all vehicles (Argoverse 2: all road users) at all key frames with a past"
    )


def run(args: argparse.Namespace) -> None:
    """Forecast and write."""
    from pathlib import Path

    from forecast.core.files import check_outside, check_place
    from forecast.eval.forecasts import write_forecasts
    from forecast.prediction.physics import physics_forecasts

    out = Path(args.out)
    check_place(out, folder=True)
    check_outside(out, args.dataroot)
    dataset = open_named(args)
    samples = dataset.samples(args.split, dense=args.dense)
    where = dataset.where
    for name, forecasts in physics_forecasts(dataset.tracks, samples.rows, where=where).items():
        path = out / f"{name}.{args.format}"
        write_forecasts(path, forecasts)
        print(f"{len(forecasts):>7,} forecasts: {path}")
