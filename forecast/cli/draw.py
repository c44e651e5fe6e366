"""Draw forecasts: a scene over its map (.png, .svg, .pdf), one agent's successive forecasts (.gif), a recording (.rrd).

Two models are drawn side by side. Without --scene and --frame it is the middle of the first scene; without --agent an
animation follows the vehicle that travels furthest. Rows of one's own need no data set but rows of truth: --truth.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.cli.data_options import add_data_options, open_named
from forecast.cli.model_files import MODEL_HELP, add_device
from forecast.cli.plain_rows import add_rows_options, check_rows_options, read_plain_rows

if TYPE_CHECKING:
    from forecast.data.cache import Dataset
    from forecast.pictures.agent_forecasts import ForecastSource

_STILLS, _MOVING, _RECORDING = (".png", ".svg", ".pdf"), ".gif", ".rrd"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say whose forecasts, of what, and where to."""
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help=f"{MODEL_HELP}; or forecasts: a submission (.json), or rows (.parquet, .csv)",
    )
    add_data_options(parser, required=False)
    add_rows_options(parser)
    parser.add_argument(
        "--out",
        required=True,
        metavar="PICTURE",
        help="file to write: .png, .svg, .pdf (still); .gif (animation); .rrd (Rerun)",
    )
    parser.add_argument("--names", metavar="A,B", help="display names of the models, in order, separated by commas")
    parser.add_argument("--split", metavar="S", help="split of which the first scene is drawn")
    parser.add_argument("--scene", metavar="NAME", help="scene, e.g. scene-0061; 'forecast list scenes' has them")
    parser.add_argument(
        "--frame",
        type=int,
        metavar="N",
        help="key frame in the scene, from 0; .gif: that of the fixed point; --truth: time of issue, from 0",
    )
    parser.add_argument(
        "--agent",
        metavar="INSTANCE",
        help="agent's instance token: centre of a still; .gif: the agent to follow; 'forecast list agents' has them",
    )
    parser.add_argument("--around", type=float, metavar="M", help="half the side length of a still, metres")
    add_device(parser)


def run(args: argparse.Namespace) -> None:
    """Draw and write."""
    from forecast.cli.model_files import model_files
    from forecast.core.files import check_outputs
    from forecast.pictures.agent_forecasts import open_forecasts

    suffix = Path(args.out).suffix.lower()
    names = _check(args, suffix)
    inputs = [file for model in args.models for file in model_files(model)]
    inputs += [Path(path) for path in (args.truth, args.map) if path is not None]
    check_outputs({"--out": args.out}, inputs, dataroot=args.dataroot)
    if args.truth:
        _rows(args, names)
        print(f"wrote {args.out}")
        return
    dataset = open_named(args)
    sources = [open_forecasts(model, dataset, args.device) for model in args.models]
    if names:
        sources = [type(source)(name, source.of) for name, source in zip(names, sources, strict=True)]
    write = {_MOVING: _animation, _RECORDING: _recording}.get(suffix, _still)
    write(args, dataset, sources)
    print(f"wrote {args.out}")


def _check(args: argparse.Namespace, suffix: str) -> list[str]:
    from forecast.core.errors import ConfigError

    known = (*_STILLS, _MOVING, _RECORDING)
    if suffix not in known:
        raise ConfigError(f"--out {args.out}: expected a name that ends in {', '.join(known)}")
    if suffix in (_MOVING, _RECORDING) and len(args.models) > 1:
        raise ConfigError(f"--out {args.out}: shows one model; several are drawn side by side in {', '.join(_STILLS)}")
    if args.around is not None and not 0 < args.around < math.inf:
        raise ConfigError(f"--around {args.around:g}: expected metres, more than 0")
    check_rows_options(args, args.models, allowed=("frame", "agent"))
    if args.truth and suffix not in _STILLS:
        raise ConfigError(
            f"--out {args.out}: rows with --truth are drawn as {', '.join(_STILLS)}; 'forecast view' shows them moving"
        )
    names = [name.strip() for name in args.names.split(",")] if args.names else []
    if names and len(names) != len(args.models):
        raise ConfigError(f"--names {args.names}: {len(names)} names for {len(args.models)} models")
    return names


def _scene(args: argparse.Namespace, dataset: Dataset) -> str:
    if args.scene:
        return str(args.scene)
    if args.split:
        return dataset.scenes_of(args.split)[0]
    return str(dataset.tracks.scene_names[0])


def _still(args: argparse.Namespace, dataset: Dataset, sources: list[ForecastSource]) -> None:
    from forecast.core.files import written_whole
    from forecast.pictures.key_frame_agents import moment_at
    from forecast.pictures.picture_subject import chosen_frame, position_of
    from forecast.pictures.scene_picture import draw_scenes

    moment = moment_at(dataset, chosen_frame(dataset.tracks, _scene(args, dataset), args.frame))
    found = [(source.name, source.of(moment.rows[moment.targets])) for source in sources]
    steps = max(one.positions_m.shape[2] for _, one in found)
    centre = None if args.agent is None else position_of(dataset.tracks, args.agent, moment.sample)
    figure = draw_scenes(moment, found, moment.truth_m(dataset.tracks, steps), centre_m=centre, around_m=args.around)
    with written_whole(args.out) as temporary:
        figure.savefig(temporary, dpi=130)


def _rows(args: argparse.Namespace, names: list[str]) -> None:
    """Draw plain rows beside their truth."""
    from forecast.core.files import written_whole
    from forecast.pictures.rows_moment import position_among, rows_moment
    from forecast.pictures.scene_picture import draw_scenes

    read, source = read_plain_rows(args, args.models)
    shown = rows_moment(read.forecasts, read.truth, args.frame, source)
    centre = None if args.agent is None else position_among(shown, args.agent)
    figure = draw_scenes(
        shown.moment,
        list(zip(names or read.names, shown.forecasts, strict=True)),
        shown.truth_m,
        centre_m=centre,
        around_m=args.around,
        step_s=shown.step_s,
        since_s=shown.since_s,
    )
    with written_whole(args.out) as temporary:
        figure.savefig(temporary, dpi=130)


def _animation(args: argparse.Namespace, dataset: Dataset, sources: list[ForecastSource]) -> None:
    import numpy as np

    from forecast.core.horizon import NUSCENES_HORIZON
    from forecast.data.clock import check_step
    from forecast.pictures.animation import write_animation
    from forecast.pictures.picture_subject import chosen_point
    from forecast.pictures.point_forecasts import successive_at

    horizon, tracks = NUSCENES_HORIZON, dataset.tracks
    row = chosen_point(tracks, _scene(args, dataset), args.agent, args.frame, horizon.future_steps)
    check_step(tracks, horizon, dataset.where, np.array([row]))
    found = successive_at(tracks, row, sources[0], steps=horizon.future_steps, step_s=horizon.step_s)
    write_animation(args.out, dataset, found, sources[0].name)


def _recording(args: argparse.Namespace, dataset: Dataset, sources: list[ForecastSource]) -> None:
    from forecast.pictures.rerun_recording import write_recording

    write_recording(args.out, dataset, _scene(args, dataset), sources[0])
