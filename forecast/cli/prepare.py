"""Read a data set once into a compact cache, so that all other commands start fast."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forecast.cli.data_options import add_data_options, open_named

if TYPE_CHECKING:
    from forecast.data.cache import Dataset

#: Positions of vehicles that are compared with each map.
_LOOKED_AT = 10_000
#: Maps that are compared; where each scene has its own, some tell of all.
_MAPS_LOOKED_AT = 20
#: So many maps are listed by name.
_NAMED = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_data_options(parser)
    parser.add_argument(
        "--truth", metavar="FILE", help="also write the true tracks as rows (.parquet, .csv), for 'score --truth'"
    )


def run(args: argparse.Namespace) -> None:
    """Prepare the folder and print what it holds."""
    import warnings

    from forecast.core.errors import ConfigError, DataWarning
    from forecast.core.files import check_outputs

    if args.truth:
        check_outputs({"--truth": args.truth}, dataroot=args.dataroot)
        if not args.truth.lower().endswith((".parquet", ".csv")):
            raise ConfigError(f"--truth {args.truth}: expected a name that ends in .parquet or .csv")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # said below, whether or not the cache was there already
        dataset = open_named(args)
    tracks = dataset.tracks
    print(
        f"{dataset.version}: {len(tracks.scene_names)} scenes on {_maps(dataset)}, "
        f"{len(tracks.sample_tokens):,} key frames, {len(tracks.track_tokens):,} tracks, "
        f"{len(tracks.row_sample):,} observations"
    )
    for split in dataset.splits:
        listed = f"{len(dataset.samples(split)):,}" if dataset.lists_challenge else "no"
        dense = len(dataset.samples(split, dense=True))
        print(
            f"  {split:<11}{len(dataset.scenes_of(split)):>4} scenes {listed:>8} challenge samples {dense:>10,} dense"
        )
    for remark in dataset.remarks:
        print(f"note: {remark}")
    print(f"cache: {dataset.folder}")
    for line in _misfits(dataset):
        print(f"forecast: warning: {line}", file=sys.stderr)
    if args.truth:
        from forecast.eval.forecasts import write_truth

        write_truth(args.truth, dataset.truth())
        print(f"truth: {args.truth}")


def _maps(dataset: Dataset) -> str:
    names = dataset.map_names
    return ", ".join(names) if len(names) <= _NAMED else f"{len(names):,} maps"


def _misfits(dataset: Dataset) -> Iterator[str]:
    """A line on each map that few vehicles of its scenes are on: another city's, or in other coordinates."""
    import numpy as np

    from forecast.core.agents import AgentType
    from forecast.core.errors import DataError
    from forecast.scoring.map_fit import ROAD, misfit, near_road

    tracks = dataset.tracks
    track = dataset.columns.row_track
    place = tracks.scene_maps[tracks.track_scene[track]]
    vehicle = tracks.track_types[track] == AgentType.VEHICLE
    names = dataset.map_names
    for name in names[:: -(-len(names) // _MAPS_LOOKED_AT)]:
        rows = np.flatnonzero(vehicle & (place == name))
        rows = rows[:: max(1, len(rows) // _LOOKED_AT)]
        try:
            source = dataset.load_map(name, only=(ROAD,))
            if not len(source.geometries(ROAD)):
                continue
        except (DataError, KeyError):  # maps are not needed here; who needs them tells
            continue
        on, near = near_road(source, tracks.row_position_m[rows])
        # Vehicles park on all sorts of ground: that alone is no sign of a wrong map.
        if 2 * near.sum() < len(rows):
            yield misfit(source, "positions of vehicles lie", len(rows), int(on.sum()), int(near.sum()))[0]
