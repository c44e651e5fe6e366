"""Draw exactly what the network sees of one agent: map channels, past of all agents, states; or where a model looks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from forecast.cli.data_options import add_data_options, open_named

if TYPE_CHECKING:
    from forecast.core.crops import CropSpec
    from forecast.core.maps import MapSource
    from forecast.data.cache import Dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_data_options(parser)
    parser.add_argument(
        "--sample",
        metavar="INSTANCE_SAMPLE",
        help="agent-sample INSTANCETOKEN_SAMPLETOKEN, in place of --agent and --frame",
    )
    parser.add_argument("--agent", metavar="INSTANCE", help="agent's instance token")
    parser.add_argument("--frame", type=int, metavar="N", help="key frame in the agent's scene, from 0")
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
    from pathlib import Path

    import numpy as np

    from forecast.core.errors import DataError
    from forecast.core.files import check_outputs, written_whole
    from forecast.data.dataset import AgentDataset
    from forecast.data.maps.crop import Cropper
    from forecast.data.samples import Samples
    from forecast.pictures.mode_looks import draw_looks
    from forecast.pictures.network_inputs import draw_seen
    from forecast.prediction.checkpoint import load_checkpoint

    _check_named(args)
    if args.model is not None and (args.channels is not None or args.crop != "default"):
        raise DataError("--model draws on the crop that its weights read: leave out --crop and --channels")
    if Path(args.out).suffix.lower() not in (".png", ".pdf", ".svg"):
        raise DataError(f"--out {args.out}: expected a picture's name, ending in .png, .pdf or .svg")
    check_outputs({"--out": args.out}, dataroot=args.dataroot)
    network = None if args.model is None else load_checkpoint(args.model).model
    spec = _spec(args.crop, args.channels) if network is None else network.config.crop
    dataset = open_named(args)
    row = _row(dataset, args)
    samples = Samples(np.array([row]))
    if network is None:
        forecasts = AgentDataset.of(dataset, samples)
    else:
        forecasts = AgentDataset.read_by(network.config, dataset, samples)
    batch = forecasts.batch([0])
    cropper = Cropper(partial(_map, dataset, spec), dataset.map_names, spec, args.engine, args.cache)
    batch = dataclasses.replace(batch, crop=cropper(batch.pose_world, batch.map_index))
    title = _title(dataset, row, spec)
    if network is None:
        figure = draw_seen(batch, spec, title, step_s=forecasts.horizon.step_s)
    else:
        figure = draw_looks(batch, network, title)
    with written_whole(args.out) as temporary:
        figure.savefig(temporary, dpi=150)
    print(f"wrote {args.out}")


def _check_named(args: argparse.Namespace) -> None:
    """Say in one line which agent and moment is meant, before anything is read."""
    from forecast.core.errors import ConfigError, DataError

    if (args.sample is None) == (args.agent is None) or (args.agent is None) != (args.frame is None):
        raise ConfigError("name one agent at one moment: --sample INSTANCE_SAMPLE, or --agent INSTANCE and --frame N")
    if args.sample is not None and "_" not in args.sample:
        raise DataError(f"--sample {args.sample!r}: expected two tokens joined by an underscore, INSTANCE_SAMPLE")


def _row(dataset: Dataset, args: argparse.Namespace) -> int:
    """Row of the observation that is named."""
    import numpy as np

    from forecast.core.errors import DataError

    tracks = dataset.tracks
    if args.sample is not None:
        instance, _, sample = args.sample.partition("_")
        if "_" in sample:  # of a data set whose tokens hold underscores themselves
            parts = args.sample.split("_")
            pairs = [("_".join(parts[:cut]), "_".join(parts[cut:])) for cut in range(1, len(parts))]
            known = set(tracks.track_tokens.tolist())
            instance, sample = next((pair for pair in pairs if pair[0] in known), (instance, sample))
        return dataset.locate(instance, sample)
    track = np.flatnonzero(tracks.track_tokens == args.agent)
    frames = np.flatnonzero(tracks.sample_scene == tracks.track_scene[track[0]]) if len(track) else np.empty(0, int)
    if len(track) and not 0 <= args.frame < len(frames):
        raise DataError(f"--frame {args.frame}: the scene of {args.agent} has key frames 0 to {len(frames) - 1}")
    return dataset.locate(args.agent, str(tracks.sample_tokens[frames[args.frame]]) if len(track) else "")


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


def _title(dataset: Dataset, row: int, spec: CropSpec) -> str:
    tracks = dataset.tracks
    track = int(dataset.columns.row_track[row])
    scene = int(tracks.track_scene[track])
    return (
        f"{tracks.track_categories[track]} in {tracks.scene_names[scene]}, {tracks.scene_maps[scene]}\n"
        f"{tracks.track_tokens[track]}_{tracks.sample_tokens[tracks.row_sample[row]]}\n"
        f"crop of {spec.height_px} × {spec.width_px} px at {spec.px_per_m:g} px/m"
    )
