"""Train a model on a data set. Any configuration key can be given as --a.b value."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.cli.training_runs import check_run_folder, train_into

if TYPE_CHECKING:
    from forecast.training.schema import TrainingConfig

#: Arguments that this module does not name are configuration keys.
TAKES_CONFIGURATION = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what to train, on what, and where to."""
    parser.add_argument(
        "--config",
        default="default",
        metavar="NAME|FILE",
        help="name of a shipped configuration, or a YAML file (default: %(default)s)",
    )
    parser.add_argument("--dataroot", metavar="DIR", help="folder of the data set (data.dataroot)")
    parser.add_argument(
        "--version", metavar="V", help="version of a nuScenes data set, e.g. v1.0-trainval (data.version)"
    )
    parser.add_argument("--source", metavar="KIND", help="kind of data set (default: detected; data.source)")
    parser.add_argument("--cache", metavar="DIR", help="folder for prepared data (data.cache)")
    parser.add_argument("--out", metavar="RUN", help="run folder to write to")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out after its last complete epoch")
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print the whole configuration as YAML, which --config can read, and exit",
    )


def run(args: argparse.Namespace) -> None:
    """Train; the last line says where the weights are."""
    from forecast.core.errors import ConfigError
    from forecast.training.config import as_yaml, load_config

    given = {f"data.{name}": getattr(args, name) for name in ("dataroot", "version", "source", "cache")}
    settings = {key: value for key, value in given.items() if value is not None}
    config = load_config(args.config, args.configuration, settings)
    if args.print_config:
        print(as_yaml(config), end="")
    elif args.out is None:
        raise ConfigError("--out RUN is missing: the folder of the run")
    else:
        _train(args, config)


def _train(args: argparse.Namespace, config: TrainingConfig) -> None:
    from forecast.cli.model_files import model_files

    read = [Path(args.config), *(model_files(config.run.start_from) if config.run.start_from else [])]
    check_run_folder(args.out, config.data.dataroot, read)
    train_into(args, config)
