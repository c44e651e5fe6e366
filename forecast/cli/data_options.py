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
        add_locations(parser, "only what drives on these maps, e.g. singapore-onenorth")
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


def add_locations(parser: argparse.ArgumentParser, what: str, *, required: bool = False) -> None:
    """Declare ``--locations``, names of maps.

    Args:
        parser: of the command.
        what: what they are to it, for the help.
        required: whether some must be named.
    """
    parser.add_argument("--locations", required=required, metavar="MAP[,MAP…]", help=what)


def locations_of(args: argparse.Namespace) -> list[str] | None:
    """The names that ``--locations`` gives; None where it is not given, or the command has no such option."""
    named: str | None = getattr(args, "locations", None)
    return None if named is None else [name.strip() for name in named.split(",")]


def open_named(args: argparse.Namespace) -> Dataset:
    """Open the data set that the options name.

    Raises:
        DataError: in one line, what is wrong with it.
    """
    from forecast.data.cache import open_dataset

    dataset = open_dataset(args.dataroot, args.version, args.cache, source=args.source)
    return dataset.at(locations_of(args))
