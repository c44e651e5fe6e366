"""Forecast a split with a trained model: writes a nuScenes submission, or rows with covariances."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from forecast.cli.data_options import add_data_options, open_named
from forecast.cli.model_files import MODEL_HELP, add_device

if TYPE_CHECKING:
    from forecast.core.agents import AgentType


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which model, which data, and where to."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="MODEL",
        help=MODEL_HELP,
    )
    add_data_options(parser, split=True)
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help="forecasts to write: .json (nuScenes submission), .parquet or .csv (rows with covariances)",
    )
    parser.add_argument(
        "--dense", action="store_true", help="all vehicles (Argoverse 2: all road users) at all key frames with a past"
    )
    parser.add_argument(
        "--types",
        metavar="TYPES",
        help="with --dense, which agents, separated by commas: vehicle, pedestrian, cyclist, other (default: those "
        "that the data set is about)",
    )
    parser.add_argument("--null-context", action="store_true", help="forecast without context: no map, no neighbours")
    parser.add_argument(
        "--merge-radius-m",
        type=float,
        metavar="M",
        help="merge modes that are closer than this at every step, metres (default: the model's value; 0: off)",
    )
    parser.add_argument(
        "--city",
        metavar="NAME",
        help="of weights that hold cities: one of them, 'base', or 'guessed' by what a scene looks like (default: each "
        "agent's by the map it drives on)",
    )
    parser.add_argument(
        "--medoids",
        type=int,
        metavar="N",
        help="answer with N modes that stand for all, the first nearest to everything that may happen (default: the "
        "model's value; 0: all modes, merged)",
    )
    add_device(parser)


def run(args: argparse.Namespace) -> None:
    """Forecast and write."""
    from forecast.cli.model_files import model_files
    from forecast.core.files import check_outputs
    from forecast.eval.forecasts import check_forecast_name, write_forecasts
    from forecast.prediction.model_names import open_model
    from forecast.prediction.predictor import predict_dataset

    check_outputs({"--out": args.out}, model_files(args.checkpoint), dataroot=args.dataroot)
    check_forecast_name(args.out)
    types = _types(args.types, args.dense)
    predictor = open_model(
        args.checkpoint, args.device, merge_radius_m=args.merge_radius_m, medoids=args.medoids, city=args.city
    )
    dataset = open_named(args)
    forecasts = predict_dataset(
        predictor, dataset, args.split, dense=args.dense, types=types, null_context=args.null_context
    )
    write_forecasts(args.out, forecasts)
    print(f"{len(forecasts)} forecasts: {args.out}")


def _types(given: str | None, dense: bool) -> tuple[AgentType, ...] | None:
    """The agent types that ``--types`` names."""
    from forecast.core.agents import AgentType, types_named
    from forecast.core.errors import ConfigError, one_of

    if given is None:
        return None
    if not dense:
        raise ConfigError("--types goes with --dense: a split's own list says itself whom it is about")
    known = [kind.name.lower() for kind in AgentType if kind != AgentType.PADDING]
    names = [name.strip().lower() for name in given.split(",")]
    for name in names:
        if name not in known:
            raise ConfigError(f"--types {given}: no type is called '{name}': {one_of(known, name)}")
    return types_named(names)
