"""Write the player: one HTML page on which scenes and their forecasts are played, compared and asked about.

The page opens from the file system, without a server or a network. It takes models and files of forecasts on a data
set, or plain rows with --truth and no data set at all. Without --scene and --split it shows the first scenes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.cli.data_options import add_data_options, open_named
from forecast.cli.model_files import MODEL_HELP, add_device
from forecast.cli.plain_rows import add_rows_options, check_rows_options, read_plain_rows

if TYPE_CHECKING:
    from forecast.data.cache import Dataset
    from forecast.view.view_scene import ViewScene

#: Scenes of a page unless told otherwise.
_SCENES = 10
_FILES = (".json", ".parquet", ".csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say whose forecasts, of what, and where to."""
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help=f"{MODEL_HELP}; or forecasts: a submission (.json), rows (.parquet, .csv), or with --truth a driving "
        "stack's log; several are compared",
    )
    add_data_options(parser, required=False)
    parser.add_argument("--split", metavar="S", help="split of which the first scenes are shown")
    parser.add_argument(
        "--scene", action="append", metavar="NAME", help="scene to show, e.g. scene-0061; may be repeated"
    )
    parser.add_argument(
        "--scenes", type=int, metavar="N", help=f"show the first N scenes without --scene (default: {_SCENES})"
    )
    add_rows_options(parser)
    parser.add_argument("--out", required=True, metavar="PAGE", help="page to write, .html")
    parser.add_argument("--names", metavar="A,B", help="display names of the models, in order, separated by commas")
    parser.add_argument(
        "--attention",
        action="store_true",
        help="also show where the forecasts of the first model that can say look (networks with attention)",
    )
    parser.add_argument("--title", help="title of the page")
    add_device(parser)


def run(args: argparse.Namespace) -> None:
    """Gather the scenes and write the page."""
    from forecast.cli.model_files import model_files
    from forecast.core.errors import DataError
    from forecast.core.files import check_outputs
    from forecast.view.player_page import write_player

    names = _check(args)
    inputs = [file for model in args.models for file in model_files(model)]
    inputs += [Path(path) for path in (args.truth, args.map) if path is not None]
    check_outputs({"--out": args.out}, inputs, dataroot=args.dataroot)
    scenes, found = _of_rows(args) if args.truth else _of_dataset(args)
    if not any(len(one.rows) for scene in scenes for one in scene.forecasts):
        raise DataError(
            f"{', '.join(args.models)}: no forecast in {', '.join(scene.name for scene in scenes[:3])}"
            f"{' …' if len(scenes) > 3 else ''}; choose scenes that are forecast with --scene or --split"
        )
    write_player(args.out, scenes, names or found, args.title or "Forecasts, played")
    size_mb = Path(args.out).stat().st_size / 1e6
    print(f"wrote {args.out}: {len(scenes)} scene{'s' * (len(scenes) != 1)}, {size_mb:.1f} MB")


def _check(args: argparse.Namespace) -> list[str]:
    from forecast.core.errors import ConfigError

    if Path(args.out).suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out {args.out}: expected a name that ends in .html")
    if args.scenes is not None and args.scenes < 1:
        raise ConfigError(f"--scenes {args.scenes}: expected 1 or more")
    if args.scene and (args.scenes is not None or args.split):
        raise ConfigError("--scene names the scenes to show: leave --scenes and --split away")
    check_rows_options(args, args.models)
    if args.attention and args.truth:
        raise ConfigError("--attention asks a network, and --truth goes with files: leave one of them out")
    names = [name.strip() for name in args.names.split(",")] if args.names else []
    if names and len(names) != len(args.models):
        raise ConfigError(f"--names {args.names}: {len(names)} names for {len(args.models)} models")
    return names


def _of_rows(args: argparse.Namespace) -> tuple[list[ViewScene], list[str]]:
    from forecast.view.rows_scenes import rows_scenes

    found, source = read_plain_rows(args, args.models)
    return rows_scenes(found.forecasts, found.truth, source, most=args.scenes or _SCENES), list(found.names)


def _of_dataset(args: argparse.Namespace) -> tuple[list[ViewScene], list[str]]:
    from forecast.core.errors import ConfigError
    from forecast.core.progress import progress
    from forecast.pictures.agent_forecasts import open_forecasts
    from forecast.view.dataset_scenes import DatasetModel, dataset_scene
    from forecast.view.network_attention import attention_answers

    dataset = open_named(args)
    chosen = _scenes(args, dataset)
    models: list[DatasetModel] = []
    wanted = args.attention
    for given in args.models:
        source = open_forecasts(given, dataset, args.device)
        attention = attention_answers(source.model, dataset) if wanted else None
        wanted = wanted and attention is None
        everyone = Path(given).suffix.lower() in _FILES
        models.append(DatasetModel(source.name, source.of, everyone, attention))
    if wanted:
        raise ConfigError(
            f"--attention: {', '.join(args.models)} cannot say where modes look; give weights of a 'query' network, "
            "such as town"
        )
    scenes = [dataset_scene(dataset, name, models) for name in progress(chosen, "gathering scenes", total=len(chosen))]
    return scenes, _distinct([model.name for model in models], args.models)


def _scenes(args: argparse.Namespace, dataset: Dataset) -> list[str]:
    if args.scene:
        return [str(name) for name in args.scene]
    known = dataset.scenes_of(args.split) if args.split else dataset.tracks.scene_names.tolist()
    return [str(name) for name in known[: args.scenes or _SCENES]]


def _distinct(names: list[str], given: list[str]) -> list[str]:
    """The names, or what was given where two are the same."""
    return names if len(set(names)) == len(names) else list(given)
