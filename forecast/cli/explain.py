"""Say what drives a forecast: how much each part of the map, each neighbour and the past move it; a picture and a JSON.

Total Sobol indices of map cells (or layers), neighbours and steps of the past, and exact Shapley values of history, map
and neighbours. docs/why.md says how to read them.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from forecast.cli.agent_options import add_agent_options, agent_title, check_agent_options, named_row, scene_name
from forecast.cli.data_options import add_data_options, open_named
from forecast.cli.model_files import MODEL_HELP, add_device
from forecast.cli.picture_files import check_picture, check_with_figures, write_with_figures

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.core.batch import AgentBatch
    from forecast.explain.attribution import Attribution
    from forecast.prediction.predictor import BatchPredictor

_OUTCOMES = {"path": "mean path", "likely": "likely path", "manoeuvre": "manoeuvre"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say whose forecast of whom, by what parts, and where to."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    add_data_options(parser)
    add_agent_options(parser)
    parser.add_argument(
        "--out",
        required=True,
        metavar="PICTURE",
        help="picture to write: .png, .svg, .pdf; figures go beside it, .json",
    )
    parser.add_argument(
        "--of",
        choices=_OUTCOMES,
        default="path",
        help="what of the forecast: the mean path, the most likely one, or the manoeuvres' probabilities (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--parts", choices=("cells", "layers"), default="cells", help="parts of the map (default: %(default)s)"
    )
    parser.add_argument("--cells", default="8x5", metavar="NxM", help="cells ahead and across (default: %(default)s)")
    parser.add_argument(
        "--map-null",
        choices=("both", "empty", "straight"),
        default="both",
        help="what stands in for the map: no map, the road prolonged straight on, or one after the other (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--refine", type=int, default=0, metavar="K", help="cut the K cells that matter most into quarters, again"
    )
    parser.add_argument(
        "--draws", type=int, default=64, metavar="N", help="forecasts a part, a power of 2 (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the draws (default: %(default)s)")
    add_device(parser)


def run(args: argparse.Namespace) -> None:
    """Attribute, draw and write."""
    import numpy as np

    from forecast.data.samples import Samples
    from forecast.explain.attribution import input_shares, told
    from forecast.explain.model_inputs import inputs_of
    from forecast.pictures.attribution_picture import draw_attribution
    from forecast.prediction.model_names import open_model

    out = _check(args)
    figures = check_with_figures(out, args.model, args.dataroot)
    model = open_model(args.model, args.device)
    dataset = open_named(args)
    row = named_row(dataset, args)
    batch = inputs_of(model.config, dataset, Samples(np.array([row])))
    found = _attributions(args, model, batch)
    title = agent_title(dataset, row)
    forecast = model.predict(batch.to(model.device))
    figure = draw_attribution(batch, forecast, found, model.config.crop, f"{args.model}: {title}")
    document = {
        "model": str(args.model),
        "remark": model.config.remark or None,
        "agent": title.splitlines()[1],
        "scene": scene_name(dataset, row),
        "shapley": {one.settings.map_null: input_shares(model, batch, one.settings.map_null) for one in found},
        "sobol": [told(one, model) for one in found],
    }
    write_with_figures(out, figure, document)
    _print(found)
    print(f"wrote {out} and {figures}")


def _check(args: argparse.Namespace) -> Path:
    from forecast.core.errors import ConfigError

    check_agent_options(args)
    out = check_picture(args.out)
    if args.draws < 2 or args.draws & (args.draws - 1):
        raise ConfigError(f"--draws {args.draws}: expected a power of 2, at least 2")
    for name in ("refine", "seed"):
        if getattr(args, name) < 0:
            raise ConfigError(f"--{name} {getattr(args, name)}: expected 0 or more")
    if args.refine and args.parts == "layers":
        raise ConfigError("--refine cuts cells of the map: leave out --parts layers")
    _grid(args.cells)
    return out


def _grid(text: str) -> tuple[int, int]:
    from forecast.core.errors import ConfigError

    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"--cells {text}: expected two whole numbers, ahead and across, such as 8x5")
    return int(parts[0]), int(parts[1])


def _attributions(args: argparse.Namespace, model: BatchPredictor, batch: AgentBatch) -> list[Attribution]:
    from forecast.core.errors import ConfigError
    from forecast.explain.attribution import AttributionSettings, attribute, refined
    from forecast.explain.input_groups import cells, each_neighbour, each_step, layers
    from forecast.explain.null_inputs import MAP_NULLS

    spec = model.config.crop
    try:
        of_map = layers(spec) if args.parts == "layers" else cells(spec, *_grid(args.cells))
    except ValueError as fault:
        raise ConfigError(f"--cells {args.cells}: {fault}") from fault
    groups = of_map + each_neighbour(batch) + each_step(batch, model.config.horizon.step_s)
    found = []
    for null in MAP_NULLS if args.map_null == "both" else (args.map_null,):
        settings = AttributionSettings(_OUTCOMES[args.of], null, args.draws, args.seed)
        one = attribute(model, batch, groups, settings)
        found.append(refined(model, batch, one, args.refine) if args.refine else one)
    return found


def _print(found: list[Attribution]) -> None:
    for one in found:
        print(f"{one.settings.outcome}, map replaced by {one.settings.map_null}: {one.forecasts} forecasts")
        for place in one.ranked()[:5]:
            low, high = one.indices.total_interval[place]
            first = one.indices.first[place]
            print(
                f"  {one.indices.total[place]:.3f} ({low:.3f}, {high:.3f}), alone {first:.3f}: {one.groups[place].name}"
            )
        print(f"  noise {one.noise:.3f}: what a jitter of 5 cm and 1° does; below it is nothing")
