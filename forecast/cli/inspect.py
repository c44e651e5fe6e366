"""Draw exactly what the network sees of one agent: map channels, past of all agents, states; or where a model looks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from forecast.cli.agent_options import add_agent_options, agent_title, check_agent_options, named_row
from forecast.cli.data_options import add_data_options, open_named
from forecast.cli.picture_files import check_picture

if TYPE_CHECKING:
    from forecast.core.crops import CropSpec
    from forecast.core.maps import MapSource
    from forecast.data.cache import Dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_data_options(parser)
    add_agent_options(parser)
    parser.add_argument("--out", required=True, metavar="PICTURE", help="file to write: .png, .svg, .pdf")
    parser.add_argument(
        "--crop",
        choices=("default", "paper"),
        default="default",
        help="extent and resolution of the map crop (default: %(default)s)",
    )
    parser.add_argument(
        "--channels",
        metavar="LAYERS",
        help="map channels to draw, separated by commas; LAYER+LAYER is the union of two, e.g. "
        "drivable_area+lane,walkway,lane_direction_ahead,lane_direction_left",
    )
    parser.add_argument(
        "--model",
        metavar="RUN",
        help="draw where each mode of these weights looks instead, on their own crop (networks with attention)",
    )
    parser.add_argument(
        "--engine",
        choices=("baked", "exact"),
        default="baked",
        help="draw the map from the baked raster or from exact geometry (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Draw the picture."""
    import dataclasses
    from functools import partial

    import numpy as np

    from forecast.core.errors import DataError
    from forecast.core.files import check_outputs, written_whole
    from forecast.data.dataset import AgentDataset
    from forecast.data.maps.crop import Cropper
    from forecast.data.samples import Samples
    from forecast.pictures.mode_looks import draw_looks
    from forecast.pictures.network_inputs import draw_seen
    from forecast.prediction.checkpoint import load_checkpoint

    check_agent_options(args)
    if args.model is not None and (args.channels is not None or args.crop != "default"):
        raise DataError("--model draws on the crop that its weights read: leave out --crop and --channels")
    check_picture(args.out)
    check_outputs({"--out": args.out}, dataroot=args.dataroot)
    network = None if args.model is None else load_checkpoint(args.model).model
    spec = _spec(args.crop, args.channels) if network is None else network.config.crop
    dataset = open_named(args)
    row = named_row(dataset, args)
    samples = Samples(np.array([row]))
    if network is None:
        forecasts = AgentDataset.of(dataset, samples)
    else:
        forecasts = AgentDataset.read_by(network.config, dataset, samples)
    batch = forecasts.batch([0])
    cropper = Cropper(partial(_map, dataset, spec), dataset.map_names, spec, args.engine, args.cache)
    batch = dataclasses.replace(batch, crop=cropper(batch.pose_world, batch.map_index))
    title = f"{agent_title(dataset, row)}\ncrop of {spec.height_px} × {spec.width_px} px at {spec.px_per_m:g} px/m"
    if network is None:
        figure = draw_seen(batch, spec, title, step_s=forecasts.horizon.step_s)
    else:
        figure = draw_looks(batch, network, title)
    with written_whole(args.out) as temporary:
        figure.savefig(temporary, dpi=150)
    print(f"wrote {args.out}")


def _map(dataset: Dataset, spec: CropSpec, name: str) -> MapSource:
    """A map of the data set, which must have something to show."""
    from forecast.data.maps.pieces import check_held, check_layers

    source = dataset.load_map(name)
    check_layers(source, spec.layers)
    check_held(source, spec.layers)
    return source


def _spec(crop: str, channels: str | None) -> CropSpec:
    import dataclasses

    from forecast.core.crops import PAPER_CROP, CropSpec

    spec = PAPER_CROP if crop == "paper" else CropSpec()
    if channels is None:
        return spec
    return dataclasses.replace(spec, channels=tuple(tuple(layers.split("+")) for layers in channels.split(",")))
