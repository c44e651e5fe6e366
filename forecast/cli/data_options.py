"""The options that name a data set, the same in every command that reads one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forecast.data.prepared import Dataset


def add_data_options(parser: argparse.ArgumentParser, *, split: bool = False, required: bool = True) -> None:
    """Declare ``--dataroot``, ``--version``, ``--source``, ``--cache``; where asked for ``--split``, ``--locations``.

    Args:
        parser: of the command.
        split: whether the command takes a split.
        required: whether the data set and its split must be named.
    """
    parser.add_argument(
        "--dataroot", required=required, metavar="DIR", help="folder of the data set: nuScenes, a town, Argoverse 2"
    )
    parser.add_argument("--version", metavar="V", help="version of a nuScenes data set, e.g. v1.0-trainval")
    if split:
        parser.add_argument(
            "--split", required=required, metavar="S", help="split, e.g. mini_val, train_val, val; listed by 'prepare'"
        )
        parser.add_argument(
            "--locations", metavar="MAP[,MAP…]", help="only what drives on these maps, e.g. singapore-onenorth"
        )
    parser.add_argument(
        "--source",
        metavar="KIND",
        help="kind of data set: nuscenes, argoverse2, … (default: detected from the folder)",
    )
    parser.add_argument(
        "--cache",
        metavar="DIR",
        help="folder for prepared data (default: $FORECAST_CACHE, else the user's cache folder)",
    )


def open_named(args: argparse.Namespace) -> Dataset:
    """Open the data set that the options name.

    Raises:
        DataError: in one line, what is wrong with it.
    """
    from forecast.data.cache import open_dataset

    dataset = open_dataset(args.dataroot, args.version, args.cache, source=args.source)
    named = getattr(args, "locations", None)
    return dataset if named is None else dataset.at([name.strip() for name in named.split(",")])
