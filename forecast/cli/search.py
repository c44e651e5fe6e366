"""Find scenarios like one, but with one thing changed: "this one, but turning left". A list and a sheet of pictures.

Tags come from tracks and map; how alike scenes are, from a network's encoding. docs/search.md lists the words of --but.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from forecast.cli.agent_options import row_at, scene_name
from forecast.cli.data_options import add_data_options, open_named
from forecast.cli.picture_files import check_picture, check_with_figures, write_with_figures

if TYPE_CHECKING:
    from forecast.core.batch import AgentBatch
    from forecast.data.prepared import Dataset
    from forecast.data.samples import Samples
    from forecast.explain.scenario_search import Encoder, Scenarios
    from forecast.prediction.predictor import Predictor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say like which, but how, where to look, and where to write."""
    add_data_options(parser, split=True)
    parser.add_argument(
        "--like",
        required=True,
        metavar="SCENE:FRAME:AGENT",
        help="the scenario that is asked with; 'forecast list scenes' and 'list agents' have them",
    )
    parser.add_argument("--but", required=True, metavar="WORD", help="what is to be changed, e.g. turning_left")
    parser.add_argument(
        "--out", required=True, metavar="PICTURE", help=".png, .svg or .pdf; the list goes beside it, .json"
    )
    parser.add_argument(
        "--model", default="town", metavar="RUN", help="whose encoding says what is alike (default: town)"
    )
    parser.add_argument("--top", type=int, default=11, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument(
        "--by",
        choices=("tags", "vectors"),
        default="tags",
        help="tags, nearest encodings first among equals; or the encodings' transformation (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Search, draw and write."""
    import numpy as np
    import torch

    from forecast.explain.scenario_tags import WORDS
    from forecast.pictures.contact_sheet import draw_contact_sheet
    from forecast.prediction.predictor import Predictor

    out = check_picture(args.out)
    scene, frame, agent = _check(args)
    listed = check_with_figures(out, args.model, args.dataroot)
    model = Predictor.load(args.model)
    dataset = open_named(args)
    samples, like = _samples(dataset, args.split, scene, frame, agent)
    batch, scenarios, _ = scenarios_of(model, dataset, samples)
    found, distance = scenarios.search(like, WORDS[args.but], way=args.by, top=args.top)
    shown = np.concatenate([[like], found])
    entries = [entry_of(dataset, samples, scenarios, int(one)) for one in shown]
    told = {
        "like": entries[0],
        "but": args.but,
        "by": args.by,
        "model": args.model,
        "agents": len(samples),
        "found": [entry | {"distance": round(float(far), 4)} for entry, far in zip(entries[1:], distance, strict=True)],
    }
    figure = draw_contact_sheet(
        batch[torch.from_numpy(shown)],
        [f"{entry['scene']}, frame {entry['frame']}\n{_short(entry['tags'])}" for entry in entries],
        model.config.crop,
        f"like {args.like}, but {args.but}",
    )
    write_with_figures(out, figure, told, dpi=110)
    for entry in entries:
        print(f"  {entry['scene']}:{entry['frame']}:{entry['agent']}  {_short(entry['tags'])}")
    print(f"wrote {out} and {listed}")


def _check(args: argparse.Namespace) -> tuple[str, int, str]:
    from forecast.core.errors import ConfigError, one_of
    from forecast.explain.scenario_tags import WORDS

    if args.but not in WORDS:
        raise ConfigError(f"--but {args.but}: {one_of(WORDS, args.but)}")
    if args.top < 1:
        raise ConfigError(f"--top {args.top}: expected 1 or more")
    scene, _, rest = args.like.partition(":")
    frame, _, agent = rest.partition(":")
    if not (scene and frame.isdecimal() and agent):
        raise ConfigError(f"--like {args.like}: expected SCENE:FRAME:AGENT, such as scene-0012:16:INSTANCE")
    return scene, int(frame), agent


def _samples(dataset: Dataset, split: str, scene: str, frame: int, agent: str) -> tuple[Samples, int]:
    """The split's agent-samples with the one that is asked with, and its place among them."""
    import numpy as np

    from forecast.core.errors import DataError
    from forecast.data.samples import Samples

    row = row_at(dataset, agent, frame)
    if scene != scene_name(dataset, row):
        raise DataError(f"--like {scene}:{frame}:{agent}: the agent is in {scene_name(dataset, row)}")
    rows = dataset.samples(split).rows
    if row not in rows:
        rows = np.append(rows, row)
    return Samples(rows), int(np.flatnonzero(rows == row)[0])


def scenarios_of(model: Predictor, dataset: Dataset, samples: Samples) -> tuple[AgentBatch, Scenarios, Encoder]:
    """Inputs of agent-samples, what is searched of them, and the encoder that is made to their measure."""
    from dataclasses import replace

    from forecast.explain.model_inputs import inputs_of
    from forecast.explain.scenario_search import Encoder, Scenarios
    from forecast.explain.scenario_tags import scenario_tags

    spec, tracks = model.config.crop, dataset.tracks
    batch = inputs_of(model.config, dataset, samples)
    scene = tracks.track_scene[dataset.columns.row_track[samples.rows]]
    tags = scenario_tags(batch, tracks.scene_maps[scene], spec, model.config.horizon.step_s)
    owner = tracks.track_tokens[dataset.columns.row_track[samples.rows]]
    encoder = Encoder.of(model.model, batch)
    scenarios = Scenarios(encoder(batch), tags, tracks.scene_names[scene], owner)
    return replace(batch, track_tokens=(), sample_tokens=()), scenarios, encoder


def entry_of(dataset: Dataset, samples: Samples, scenarios: Scenarios, place: int) -> dict[str, Any]:
    """Scene, key frame, agent and tags of one agent-sample."""
    import numpy as np

    from forecast.explain.scenario_search import tags_at

    tracks, row = dataset.tracks, int(samples.rows[place])
    track = int(dataset.columns.row_track[row])
    first = np.flatnonzero(tracks.sample_scene == tracks.track_scene[track])[0]
    return {
        "scene": scene_name(dataset, row),
        "frame": int(tracks.row_sample[row] - first),
        "agent": str(tracks.track_tokens[track]),
        "tags": tags_at(scenarios.tags, place),
    }


def _short(tags: dict[str, str]) -> str:
    leader = "leader" if tags["leader"] == "yes" else "no leader"
    return f"{tags['manoeuvre']}, {tags['speed']}, {tags['junction']}, {leader}, {tags['traffic']}"
