"""Teach a new network to read maps, without agents or labels. Any configuration key can be given as --a.b value."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from forecast.cli.data_options import add_data_options, add_locations, open_named
from forecast.cli.model_files import add_device

#: Arguments that this module does not name are configuration keys.
TAKES_CONFIGURATION = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which network, whose maps, and where to."""
    parser.add_argument(
        "--config",
        default="query",
        metavar="NAME|FILE",
        help="configuration of the network that is to be trained later (default: %(default)s)",
    )
    add_data_options(parser)
    add_locations(parser, "only these maps (default: all)")
    parser.add_argument("--epochs", type=int, default=10, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--crops", type=int, default=20_000, metavar="N", help="crops an epoch (default: %(default)s)")
    parser.add_argument("--share", type=float, default=0.6, help="of a crop that is hidden (default: %(default)s)")
    parser.add_argument("--out", required=True, metavar="RUN", help="folder to write to")
    add_device(parser)


def run(args: argparse.Namespace) -> None:
    """Pre-train; the last line says how to go on."""
    from forecast.cli.model_files import RUN_FILES
    from forecast.core.errors import ConfigError
    from forecast.core.files import check_outputs, check_outside, check_place
    from forecast.training.config import load_config
    from forecast.training.config_layers import overrides_of
    from forecast.training.pretraining import Pretraining, pretrain

    how = Pretraining(args.epochs, args.crops, args.share)
    config = load_config(args.config, args.configuration)
    check_place(args.out, folder=True)
    check_outside(args.out, args.dataroot)
    check_outputs({"--out": Path(args.out) / "best.safetensors"}, [Path(args.config)])
    held = [name for name in RUN_FILES if (Path(args.out) / name).exists()]
    if held:
        raise ConfigError(f"--out {args.out}: holds a run already ({held[0]}); choose another folder")
    if any(key == "run.epochs" for key in overrides_of(args.configuration)):
        raise ConfigError("--run.epochs is of a training; say --epochs N for the pre-training")
    weights = pretrain(config, open_named(args), Path(args.out), how, args.device)
    go_on = f"forecast train --config {args.config} --run.start_from {args.out} …"
    print(f"weights: {weights}; go on with: {go_on}", file=sys.stderr)
