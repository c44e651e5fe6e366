"""Forecast a split with a trained model; writes a nuScenes prediction submission."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which model, which data, and where to."""
    parser.add_argument(
        "--checkpoint", required=True, metavar="RUN|FILE", help="a run's folder, a .safetensors file, or town"
    )
    parser.add_argument("--dataroot", required=True, metavar="DIR", help="folder of a nuScenes data set")
    parser.add_argument("--version", required=True, metavar="V", help="e.g. v1.0-trainval")
    parser.add_argument("--split", required=True, metavar="S", help="mini_train, mini_val, train, train_val or val")
    parser.add_argument("--out", required=True, metavar="FILE", help="the submission to write, JSON")
    parser.add_argument("--dense", action="store_true", help="every vehicle at every key frame that has a past")
    parser.add_argument("--null-context", action="store_true", help="forecast with neither map nor neighbours")
    parser.add_argument(
        "--merge-radius-m",
        type=float,
        metavar="M",
        help="modes that are nowhere this far apart are one answer (default: the model's own, 2; 0: off)",
    )
    parser.add_argument("--cache", metavar="DIR", help="where the compact cache lies")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, …")


def run(args: argparse.Namespace) -> None:
    """Forecast and write."""
    from forecast.core.files import check_outputs, dataset_inputs, run_inputs
    from forecast.eval.submission import write_submission
    from forecast.prediction.predictor import predict

    check_outputs({"--out": args.out}, [*run_inputs(args.checkpoint), *dataset_inputs(args.dataroot, args.version)])
    submission = predict(
        args.checkpoint,
        args.dataroot,
        args.version,
        args.split,
        dense=args.dense,
        null_context=args.null_context,
        merge_radius_m=args.merge_radius_m,
        cache=args.cache,
        device=args.device,
    )
    write_submission(args.out, submission)
    print(f"{len(submission.instance_tokens)} forecasts: {args.out}")
