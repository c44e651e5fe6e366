"""Forecast a split with the physics baselines, by the nuScenes devkit's rules; writes one submission per model."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which data, and where to."""
    parser.add_argument("--dataroot", required=True, metavar="DIR", help="folder of a nuScenes data set")
    parser.add_argument("--version", required=True, metavar="V", help="e.g. v1.0-trainval")
    parser.add_argument("--split", required=True, metavar="S", help="mini_train, mini_val, train, train_val or val")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write MODEL.json into, one per model")
    parser.add_argument(
        "--format",
        choices=("json", "parquet", "csv"),
        default="json",
        help="submissions (json), or rows; baselines have no covariances",
    )
    parser.add_argument("--dense", action="store_true", help="every vehicle at every key frame that has a past")
    parser.add_argument("--cache", metavar="DIR", help="where the compact cache lies")


def run(args: argparse.Namespace) -> None:
    """Forecast and write."""
    from pathlib import Path

    from forecast.core.files import check_outside, check_place
    from forecast.data.cache import open_dataset
    from forecast.prediction.physics import physics_forecasts
    from forecast.scoring.dataset_join import write_for_dataset

    out = Path(args.out)
    check_place(out, folder=True)
    check_outside(out, args.dataroot)
    dataset = open_dataset(args.dataroot, args.version, args.cache)
    samples = dataset.samples(args.split, dense=args.dense)
    where = str(dataset.dataroot / dataset.version)
    for name, submission in physics_forecasts(dataset.tracks, samples.rows, where=where).items():
        path = out / f"{name}.{args.format}"
        write_for_dataset(path, submission, dataset)
        print(f"{len(submission):>7,} forecasts: {path}")
