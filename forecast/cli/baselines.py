"""Forecast a split with the physics baselines, by the nuScenes devkit's rules; writes one submission per model."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which data, and where to."""
    parser.add_argument("--dataroot", required=True, metavar="DIR", help="folder of a nuScenes data set")
    parser.add_argument("--version", required=True, metavar="V", help="e.g. v1.0-trainval")
    parser.add_argument("--split", required=True, metavar="S", help="mini_train, mini_val, train, train_val or val")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write MODEL.json into, one per model")
    parser.add_argument("--dense", action="store_true", help="every vehicle at every key frame that has a past")
    parser.add_argument("--cache", metavar="DIR", help="where the compact cache lies")


def run(args: argparse.Namespace) -> None:
    """Forecast and write."""
    from pathlib import Path

    from forecast.core.files import check_outputs, dataset_inputs
    from forecast.data.cache import open_dataset
    from forecast.eval.submission import write_submission
    from forecast.prediction.physics import physics_forecasts

    out = Path(args.out)
    check_outputs({"--out": out}, dataset_inputs(args.dataroot, args.version), folders=True)
    dataset = open_dataset(args.dataroot, args.version, args.cache)
    samples = dataset.samples(args.split, dense=args.dense)
    for name, submission in physics_forecasts(dataset.tracks, samples.rows).items():
        write_submission(out / f"{name}.json", submission)
        print(f"{len(submission):>7,} forecasts: {out / name}.json")
