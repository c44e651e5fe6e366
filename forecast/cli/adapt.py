"""Adapt trained weights to a new city. Any configuration key can be given as --a.b value."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from forecast.cli.data_options import add_data_options, add_locations, locations_of
from forecast.cli.training_runs import check_run_folder, train_into

if TYPE_CHECKING:
    from forecast.prediction.checkpoint import Checkpoint
    from forecast.training.schema import TrainingConfig

#: Arguments that this module does not name are configuration keys.
TAKES_CONFIGURATION = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which weights, to what, and how."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="RUN",
        help="run folder, .safetensors file, or name of shipped weights (town), with or without cities",
    )
    add_data_options(parser)
    add_locations(parser, "maps of the new city, e.g. singapore-onenorth", required=True)
    parser.add_argument("--city", metavar="NAME", help="name of the city in the checkpoint (default: its locations)")
    parser.add_argument(
        "--method",
        choices=("adapters", "attention", "full"),
        default="adapters",
        help="what of the network changes: small low-rank updates; attention, positions and heads; or all of it "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="change the weights for all cities, which may forget the old ones, instead of keeping the city's changes "
        "beside them",
    )
    parser.add_argument("--out", required=True, metavar="RUN2", help="run folder to write to")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out after its last complete epoch")


def run(args: argparse.Namespace) -> None:
    """Adapt; the last line says where the weights are."""
    from forecast.cli.model_files import model_files
    from forecast.prediction.checkpoint import load_checkpoint

    check_run_folder(args.out, args.dataroot, model_files(args.checkpoint))
    checkpoint = load_checkpoint(args.checkpoint)
    config = _config(args, checkpoint)
    train_into(args, config, f"; {_told(config, checkpoint)}")


def _config(args: argparse.Namespace, checkpoint: Checkpoint) -> TrainingConfig:
    """The configuration that the weights were trained by, with what this run says."""
    from forecast.training.adapting import adapting_config

    data = {name: getattr(args, name) for name in ("dataroot", "version", "source", "cache")}
    data["locations"] = locations_of(args)
    adapt = {"method": args.method, "shared": args.shared, "city": args.city or ""}
    settings = {
        "data": {key: value for key, value in data.items() if value is not None},
        "adapt": adapt,
        "run": {"start_from": str(args.checkpoint)},
    }
    return adapting_config(checkpoint, settings, args.configuration)


def _told(config: TrainingConfig, checkpoint: Checkpoint) -> str:
    from forecast.model.cities.city_network import CityNetwork

    if config.adapt.shared:
        return "all cities are answered by them"
    known = checkpoint.model.records if isinstance(checkpoint.model, CityNetwork) else ()
    names = [record.name for record in known] + [config.adapt.city or "+".join(config.data.locations or ())]
    return f"cities: {', '.join(names)}; elsewhere the base answers as before"
